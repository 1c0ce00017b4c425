"""Dashboard, alert rules, manifests and units say what the site has: names that exist, shapes that their schemas take."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django_prometheus.middleware import Metrics
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from mediscan_site.core import counting
from mediscan_site.front.metrics import figures

ROOT = Path(settings.BASE_DIR)
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "mediscan.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").iterdir())
OBJECTS = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]
NAME = re.compile(r"\b(?:mediscan|django)_[a-z_]+\b")
# The schemas of the oldest and the newest version that are meant.
VERSIONS = ("1.29.0", "1.37.0")


def expressions():
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return panels + [rule["expr"] for rule in RULES]


def names_in(registry):
    """The names of its series as Prometheus reads them, also of those that have no sample yet."""
    lines = generate_latest(registry).decode().splitlines()
    for name, kind in (line.split()[2:] for line in lines if line.startswith("# TYPE ")):
        yield from (f"{name}_{part}" for part in ("bucket", "count", "sum")) if kind == "histogram" else (name,)


def measured():
    """The registry of what is read from the database and the disk, as each machine tells it."""
    registry = CollectorRegistry()
    for figure in figures.FIGURES:
        registry.register(figure)
    return registry


@pytest.mark.django_db
def test_dashboard_and_rules_name_only_what_the_site_tells():
    Metrics.get_instance()
    told = {*names_in(REGISTRY), *names_in(measured())}
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 15
    assert named - told == set()


@pytest.mark.django_db
def test_what_every_machine_tells_alike_is_not_added_up_over_machines():
    names = [name for name in names_in(measured()) if any(name in expression for expression in expressions())]
    assert len(names) > 10
    one = r"(?:(?:max|min)(?: by \([a-z, ]+\))? ?\(|absent\(|predict_linear\()"
    for name in names:
        places = len(re.findall(rf"\b{name}\b", " ".join(expressions())))
        assert len(re.findall(rf"{one}{name}\b", " ".join(expressions()))) == places, name


@pytest.mark.django_db
def test_every_figure_of_ours_is_on_the_dashboard():
    ours = {metric.name for one in figures.FIGURES for metric in one.collect()} | {
        next(iter(one.collect())).name
        for one in (counting.SIGN_IN_FAILURES, counting.DATABASE_ERRORS, counting.THROTTLED, counting.TURNED_AWAY)
    }
    shown = " ".join(expressions())
    assert len(ours) > 15
    assert [name for name in ours if name not in shown] == []


def test_every_alert_says_what_to_do_and_panels_do_not_lie_on_each_other():
    assert all(rule["annotations"]["remedy"] and rule["labels"]["severity"] in ("page", "ticket") for rule in RULES)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_prometheus_takes_the_rules():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not here (Debian: apt install prometheus)")
    found = subprocess.run(
        ["promtool", "check", "rules", str(DEPLOY / "prometheus" / "alerts.yml")], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifests(version):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    assert len(OBJECTS) > 12
    for one in OBJECTS:
        kubernetes_validate.validate(one, version, strict=True)


def pods():
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in OBJECTS
        if one["kind"] in ("Deployment", "Job")
    }


def test_every_program_of_the_site_has_a_pod_and_a_unit():
    names = {"web", "grade", "io", "train", "beat"}
    assert {name.removeprefix("mediscan-") for name in pods()} == names | {"migrate"}
    assert {path.stem.removeprefix("mediscan-") for path in UNITS if path.suffix == ".service"} == names
    replicas = {one["metadata"]["name"]: one["spec"].get("replicas") for one in OBJECTS if one["kind"] == "Deployment"}
    assert replicas["mediscan-beat"] == 2
    guarded = {one["metadata"]["name"] for one in OBJECTS if one["kind"] == "PodDisruptionBudget"}
    assert guarded == {name for name, number in replicas.items() if number > 1}


@pytest.mark.parametrize("name", sorted(pods()))
def test_a_pod_is_nobody_and_can_write_only_where_it_must(name):
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"] + pod["initContainers"]:
        context = container["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    used = {
        mount["name"] for container in pod["containers"] + pod["initContainers"] for mount in container["volumeMounts"]
    }
    assert used == volumes


def probe(name):
    (container,) = pods()[f"mediscan-{name}"]["containers"]
    return container["livenessProbe"]["exec"]["command"]


@pytest.mark.parametrize(("broker", "alive"), [("redis://127.0.0.1:1/0", True), ("memory://", False)])
def test_a_worker_is_ended_for_its_silence_and_not_for_a_broker_that_is_away(broker, alive, tmp_path):
    assert {str(probe(name)).replace(f"{name}@", "grade@") for name in ("io", "train")} == {str(probe("grade"))}
    shell, option, command = probe("grade")
    env = {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "MEDISCAN_TEST_SCRATCH": str(tmp_path),
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": broker,
    }
    asked = [shell, option, command.replace("-t 10", "-t 1")]
    assert (subprocess.run(asked, cwd=ROOT, env=env, capture_output=True).returncode == 0) is alive


def test_a_beat_is_asked_for_the_schedule_that_it_writes():
    (container,) = pods()["mediscan-beat"]["containers"]
    schedule = Path(container["command"][container["command"].index("--schedule") + 1])
    assert f"find {schedule.parent} -name '{schedule.name}*' -mmin -10" in probe("beat")[2]


def test_no_secret_stands_in_a_manifest_and_every_variable_is_one_of_ours():
    values = next(one["data"] for one in OBJECTS if one["kind"] == "ConfigMap")
    known = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(values) <= known
    assert not any(one["kind"] == "Secret" for one in OBJECTS)


def test_compose_is_what_its_specification_describes():
    pytest.importorskip("check_jsonschema")
    command = [str(ROOT / ".venv" / "bin" / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    found = subprocess.run([*command, str(ROOT / "compose.yaml")], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_systemd_takes_the_units(tmp_path):
    """On a machine without the site its programs are missing: that, and nothing else, may be said."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    told = []
    for path in UNITS:
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
        told += [line for line in done.stderr.splitlines() if "mediscan" in line]
    assert [line for line in told if "is not executable" not in line] == []


@pytest.mark.parametrize("path", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.stem)
def test_a_unit_is_closed(path):
    text = path.read_text()
    for line in (
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "ProtectHome=true",
        "CapabilityBoundingSet=",
        "UMask=0077",
    ):
        assert line in text.splitlines()
    assert "User=mediscan" in text
