"""`.env.example` says everything the environment can, and nothing it cannot."""

import re
from pathlib import Path

import environ
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
READ = re.compile(
    r"""(?:env\.\w+\(|(?:count|at_least|hour|meeting_place|switch|one_of)\(env,|environ\.get\(|environ\[|getenv\()\s*["']([A-Z][A-Z0-9_]+)["']"""
)
MENTIONED = re.compile(r"^#? ?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
# Read by boto3 and by MLflow's client themselves; our source never names them.
OF_LIBRARIES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_CA_BUNDLE",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
}
# Read by the Makefile (demo), by the tests, set by Django's own entry points or by torchrun, or a name of WSGI: no settings.
NOT_SETTINGS = {
    "DJANGO_SETTINGS_MODULE",
    "RANK",
    "TORCHELASTIC_USE_AGENT_STORE",
    "REQUEST_METHOD",
    "PATH_INFO",
    "HTTP_AUTHORIZATION",
    "HTTP_COOKIE",
}


def read_by_the_source() -> set[str]:
    folders = ("mediscan_site", "images", "labeling", "models_registry", "training")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {name for path in files for name in READ.findall(path.read_text())} - NOT_SETTINGS


def test_every_variable_that_is_read_is_documented_and_every_documented_one_is_read():
    documented = set(MENTIONED.findall((ROOT / ".env.example").read_text()))
    assert "DATABASE_URL" in documented
    assert documented == read_by_the_source() | OF_LIBRARIES


def test_the_example_as_it_stands_is_a_valid_env_file_that_sets_nothing_by_itself():
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    environ.Env().read_env(ROOT / ".env.example")


def test_the_readme_points_to_the_example():
    assert ".env.example" in (ROOT / "README.md").read_text()
