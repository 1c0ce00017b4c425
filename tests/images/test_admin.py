"""The admin site shows every table of this app and changes none."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from mediscan_site.core.models import User

# A table whose key is several columns is nothing that the admin can show.
MODELS = [model for model in apps.get_app_config("images").get_models() if len(model._meta.pk_fields) == 1]


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_table_can_be_read_and_not_written(model, store, client):
    store(1)
    client.force_login(User.objects.get(username="admin"))
    name = f"admin:images_{model._meta.model_name}"
    assert model in admin.site._registry
    listed = client.get(reverse(f"{name}_changelist"))
    assert listed.status_code == 200
    assert client.get(reverse(f"{name}_add")).status_code == 403
    row = model.objects.first()
    if row is not None:
        assert client.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
