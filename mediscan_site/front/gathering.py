"""Words that pages show and no page holds: of tables in packages that may not import Django, and of columns' choices.

Pages translate them where they show them (`in_words`, `said`, the filters `badge`, `words` and `translated`). xgettext reads
source text alone, so `words/of_others.py` lists them for it; `manage.py gather_words` writes that file.
"""

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.conf import settings

from images import scan_facts
from images.decoding.formats import FORMATS, IN_A_SENTENCE
from images.models import RESEARCH_USE, Project
from images.project_options import IN_THE_FORM
from labeling.imports import dialects
from labeling.imports.asked import FINDING_HELP
from mediscan_site.core.scopes import Scope
from mediscan_site.front.templatetags import mediscan
from models_registry import selectors
from models_registry.inference.refer_reasons import ReferReason
from training import seeing
from training.engine.config import OPTIONS

LISTED: Final = settings.BASE_DIR / "words" / "of_others.py"
OURS: Final = ("core", "images", "labeling", "models_registry", "training")
HEAD: Final = '''"""Written by `manage.py gather_words` (make messages) from what `gathering` finds. Not to be edited."""

from django.utils.translation import gettext_noop as _

WORDS = (
'''


def words() -> list[str]:
    """Each once, in the order of the alphabet."""
    return sorted({word for word in (*_choices(), *_options(), *_facts(), *_states(), *_reasons(), *_values()) if word})


def listing() -> str:
    """The file as it should be. Long words stay in one line: a translator is to find them."""
    return HEAD + "".join(f"    _({_quoted(word)}),\n" for word in words()) + ")\n"


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _choices() -> Iterator[str]:
    """The names of what a column may hold, and the values as `badge` and `words` show them."""
    for model in apps.get_models():
        if model._meta.app_label in OURS:
            for field in model._meta.get_fields():
                for value, name in getattr(field, "choices", None) or ():
                    yield str(name)
                    yield str(value).replace("_", " ").replace(".", " · ")
    for _value, name in (*dialects.CHOICES, *Scope.choices):
        yield name


def _options() -> Iterator[str]:
    """Labels and help of the options of a project and of a training run."""
    for option in IN_THE_FORM:
        yield from (option.title, str(option.help))
    for asked in OPTIONS.values():
        yield from (asked.label, asked.help)
    yield FINDING_HELP


def _facts() -> Iterator[str]:
    for fact in scan_facts.ON_PAGES:
        yield from (fact.label, fact.line, fact.unit, *fact.choices)


def _states() -> Iterator[str]:
    """What badges say that is no column's choice."""
    yield from (state.replace("_", " ") for state in (*mediscan.GOOD, *mediscan.BAD, *mediscan.CARE))
    yield from (selectors.CANDIDATE, selectors.DEPLOYED, selectors.RETIRED, "none")


def _values() -> Iterator[str]:
    """What sentences of services put in, where it is a word of ours (`core.sentences.WORDS`)."""
    for _code, allows in Project._meta.permissions:
        yield str(allows).removeprefix("Can ")
    for label in settings.WAITING_PER_PERSON:
        yield str(apps.get_model(label)._meta.verbose_name_plural)
    yield from (*seeing.SEES.values(), *seeing.SHAPES.values(), "grey")
    yield IN_A_SENTENCE
    yield from (known.picture.part for known in FORMATS.values() if known.picture)


def _reasons() -> Iterator[str]:
    yield RESEARCH_USE
    for reason in ReferReason:
        yield from (reason.sentence, reason.remedy)
