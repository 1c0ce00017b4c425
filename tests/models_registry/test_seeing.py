"""Whether scans that come in get views for learning, as the networks of their project need them."""

import pytest
from django.utils import timezone

from images import learning
from images.models import Rendition, RenditionKind
from images.services import create_project
from images.services.keeping import wants_views
from models_registry.models import ModelVersion
from tests.conftest import CLASSES

pytestmark = pytest.mark.django_db
COLOUR = {"size": 224, "sees": "colour", "shape": "letterbox"}


def tell(model: ModelVersion, preprocess: dict) -> None:
    # A card stays as it is: this is another version.
    card = {**model.card, "preprocess": preprocess}
    ModelVersion.objects.filter(pk=model.pk).update(card=card, training_date=timezone.now())


def test_the_version_that_serves_and_the_newest_one_say_it(deployed, make_version, project, admin):
    assert not wants_views(project), "tiles are enough for it"
    tell(deployed, COLOUR)
    assert wants_views(project)
    assert not wants_views(create_project(actor=admin, name="Other", classes=CLASSES))
    newer = make_version(seed=3)
    assert wants_views(project), "the old one still serves"
    tell(newer, COLOUR)
    tell(deployed, {"size": 224})
    assert wants_views(project), "the newest one may serve next"
    make_version(seed=4)
    assert not wants_views(project), "neither it nor the one that serves sees views"


def test_a_card_is_read_once(deployed, project, django_assert_num_queries):
    assert not wants_views(project)
    with django_assert_num_queries(2) as asked:
        assert not wants_views(project)
    assert not any("card" in query["sql"] for query in asked.captured_queries)


def test_a_view_that_somebody_opened_makes_none_for_later_scans(project, make_scan):
    learning.view(make_scan(seed=1))
    assert not wants_views(project)
    make_scan(seed=2)
    assert Rendition.objects.filter(kind=RenditionKind.LEARNING).count() == 1
