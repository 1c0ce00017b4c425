"""A scan's page lays the heat map of its grades over the picture."""

import pytest
from django.urls import reverse


@pytest.mark.django_db
def test_the_heat_map_of_the_newest_answer_or_of_the_one_asked_for_lies_over_the_scan(answered, browser, author):
    grade = answered(seed=3)
    address = reverse("scan", args=[grade.image_id])
    for asked in ({}, {"heat": str(grade.pk)}, {"heat": "x"}):
        page = browser(author).get(address, asked).content.decode()
        assert f'src="{reverse("grade-heatmap", args=[grade.pk])}"' in page
    assert f"Show what spoke for {grade.prediction.name}" in page
