"""Words of statistics and training have an explanation that anybody can open."""

import re
from pathlib import Path

from django.template import Context, Template

from mediscan_site.front.terms import TERMS

ROOT = Path(__file__).parents[2]
ASKED = re.compile(r"""{% (?:term|explain) ["'](\w+)["']""")


def drawn(text: str) -> str:
    return Template("{% load terms %}" + text).render(Context())


def test_a_term_is_a_word_and_a_button_that_opens_its_own_explanation():
    """Without a script, and twice on one page."""
    page = drawn('{% term "auroc" %} {% explain "auroc" %}')
    names = re.findall(r'popovertarget="([^"]+)"', page)
    assert len(set(names)) == 2
    assert all(f'id="{name}" popover' in page for name in names)
    assert page.count("AUROC") >= 3
    assert 'type="button"' in page


def test_every_term_that_a_template_asks_for_is_explained():
    """One that is not would be an error on its page alone."""
    asked = {key for path in (ROOT / "templates").rglob("*.html") for key in ASKED.findall(path.read_text())}
    assert asked <= set(TERMS), asked - set(TERMS)


def test_explanations_are_short_and_end_as_sentences():
    for key, known in TERMS.items():
        said = str(known.says)
        assert said.endswith("."), key
        assert len(said) <= 260, (key, len(said))
