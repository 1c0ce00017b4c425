"""manage.py evaluate, deploy and grade."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from models_registry.models import Deployment, Evaluation, Grade
from tests.conftest import scan_bytes
from tests.models_registry.conftest import report

pytestmark = pytest.mark.django_db


def run(*args) -> str:
    out = io.StringIO()
    call_command(*map(str, args), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def refusal(*args) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*args)
    return caught.value


def test_deploy_takes_key_or_code_and_records_who(make_version, admin):
    model = make_version()
    assert "serves project" in run("deploy", model.code, "--as", "admin")
    run("deploy", model.pk)
    assert [row.deployed_by for row in Deployment.objects.all()] == [admin]


def test_a_refusal_exits_with_one_and_wrong_use_with_two(make_version, author):
    model = make_version(metrics=report(0.4, 0.3, 0.45))
    assert refusal("deploy", model.code).returncode == 1
    assert refusal("deploy", model.code, "--as", "author").returncode == 1
    assert refusal("deploy", "model999").returncode == 2
    assert refusal("deploy", model.code, "--as", "nobody").returncode == 2
    assert "serves" in run("deploy", model.code, "--override-reason", "A drill.")


def test_evaluate_prints_figures_with_what_they_rest_on(make_snapshot, make_version):
    model = make_version(on=make_snapshot(4))
    printed = run("evaluate", model.code)
    assert "n = 4" in printed
    assert "reading number 2" in printed
    assert Evaluation.objects.get(origin="request").status == "succeeded"


def test_grade_prints_a_line_per_file_and_fails_if_one_does(deployed, project, tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(scan_bytes(5))
    bad.write_bytes(b"no picture")
    line = run("grade", project.pk, good).split("\t")
    assert line[0] == str(good)
    assert line[1] in ("NORMAL", "OPACITY")
    assert 0 < float(line[2]) <= 1
    assert "1 of 3 files" in str(refusal("grade", project.pk, good, bad, good))
    assert "1 of 1 files" in str(refusal("grade", project.pk, tmp_path / "missing.jpg"))
    assert Grade.objects.filter(status="succeeded").count() == 3


def test_grade_without_a_deployed_model_says_so(project, tmp_path):
    caught = refusal("grade", project.pk, tmp_path / "a.jpg")
    assert caught.returncode == 1
    assert "no deployed model" in str(caught)
