"""Facts that two packages must each state, because neither may import the other, are equal."""

import re
from pathlib import Path

from django.conf import settings

from images.decoding.result import TILE_SIDE
from images.models import RESEARCH_USE
from models_registry.inference import manifest, names


def test_a_tile_has_the_size_that_the_networks_read():
    assert names.TILE_SIDE == TILE_SIDE


def test_a_bundle_says_of_its_use_what_the_site_says():
    assert manifest.RESEARCH_USE == RESEARCH_USE


def test_no_page_types_the_sentence_of_research_use_itself():
    pages = list((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if re.search(r"not for diagnosis", page.read_text(), re.IGNORECASE)] == []
