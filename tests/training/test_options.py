"""An option of a training is in one list, `TrainConfig`; what follows from it, and what must follow it by hand."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from training import forms, planning, serializers
from training.engine.config import ASKABLE, OPTIONS, ConfigError, TrainConfig
from training.engine.options import API, PAGE
from training.management.commands.train import Command
from training.wishes import Wishes

TRAINING = Path(settings.BASE_DIR) / "training"
NUMBERS = [option for option in OPTIONS.values() if option.kind in (int, float)]
ASKED_FOR = {"": "–", API: "API, command", PAGE: "page, API, command"}


def attributes_read(*folders: Path) -> set[str]:
    """What the code of these folders reads of anything; of what a configuration derives from its own options, these too."""
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    own = ast.parse((TRAINING / "engine" / "config.py").read_text())
    read = attributes(*(ast.parse(path.read_text()) for path in paths if path.name != "config.py"))
    derived = [node for node in ast.walk(own) if isinstance(node, ast.FunctionDef) and is_property(node)]
    return read.union(*(attributes(node) for node in derived if node.name in read))


def attributes(*nodes: ast.AST) -> set[str]:
    return {inner.attr for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


def is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list)


def row(option) -> str:
    """What docs/training.md says about an option: paste it there."""
    otherwise = "the recipe decides" if option.planned else option.default
    return f"| `{option.name}` | {option.help} | {option.values} | {ASKED_FOR[option.asked]} | {otherwise} |"


def test_the_document_has_a_row_for_every_option_in_their_order():
    document = (settings.BASE_DIR / "docs" / "training.md").read_text()
    rows = [line for line in document.splitlines() if line.startswith("| `") and line.split("`")[1] in OPTIONS]
    assert rows == [row(option) for option in OPTIONS.values()]


@pytest.mark.parametrize("name", OPTIONS)
def test_the_training_reads(name):
    assert name in attributes_read(TRAINING / "engine", TRAINING / "process")


@pytest.mark.parametrize("name", OPTIONS)
def test_a_reader_is_told_what_it_is(name):
    assert OPTIONS[name].help


@pytest.mark.parametrize("option", NUMBERS, ids=lambda option: option.name)
def test_a_number_may_be_its_bounds_and_nothing_beyond(option):
    assert not option.fault(option.low)
    assert not option.fault(option.high)
    assert "must be between" in option.fault(option.low - 1)
    assert "must be between" in option.fault(option.high + 1)
    with pytest.raises(ConfigError) as refused:
        TrainConfig.from_dict({option.name: option.high + 1})
    assert refused.value.field == option.name


@pytest.mark.parametrize("name", [option.name for option in NUMBERS if option.asked])
def test_what_was_asked_for_is_what_the_run_is_told(project, weights_folder, name):
    wanted = OPTIONS[name].high
    assert planning.plan(project, Wishes.of(**{name: wanted}), n_train=150)[name] == wanted


def test_api_command_and_page_offer_what_may_be_asked(admin, project):
    assert ASKABLE.keys() <= serializers.RunRequestSerializer().fields.keys()
    parser = Command().create_parser("manage.py", "train")
    assert ASKABLE.keys() <= vars(parser.parse_args([str(project.pk), "--as", "admin"])).keys()
    offered = forms.RunForm(user=admin, project=project).fields.keys()
    assert {name for name, option in ASKABLE.items() if option.asked == PAGE} == offered & ASKABLE.keys()


def test_the_page_of_a_run_shows_every_option_with_its_value(start, client, admin):
    run = start(epochs=7, patience=3)
    client.force_login(admin)
    page = client.get(reverse("run", args=[run.pk])).content.decode()
    page = re.sub(r"<(button|span)[^>]*>.*?</\1>", "", page)  # what explains the words
    shown = dict(re.findall(r"<dt>\s*(.*?)\s*</dt>\s*<dd>(.*?)</dd>", page))
    assert shown.keys() >= {option.label for option in OPTIONS.values()}
    assert (shown["Epochs"], shown["Patience"], shown["Mirroring"]) == ("7", "3", "no")


def test_nobody_may_ask_for_what_is_no_option():
    with pytest.raises(TypeError, match="nobody may ask for momentum"):
        Wishes.of(momentum=1)
    with pytest.raises(TypeError, match="nobody may ask for weight_decay"):
        Wishes.of(weight_decay=0.1)
