"""The documented bridge, run in this process as from its command line."""

import importlib
import logging
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from tests.site.bridge import played

EXAMPLES = Path(settings.BASE_DIR) / "docs" / "examples"


@dataclass
class Ran:
    """`status`: the exit status; `counts`: the last line; `log`: everything before."""

    status: int
    counts: str
    log: str


@pytest.fixture(scope="session")
def script():
    sys.path.insert(0, str(EXAMPLES))
    module = importlib.import_module("bridge")
    sys.path.remove(str(EXAMPLES))
    return module


@pytest.fixture
def bridge(script, monkeypatch, tmp_path, capsys, caplog):
    """`bridge("orthanc", "--once", MODALITIES="CR")`: with what the environment says besides."""
    from mediscan_bridge import asking, mediscan, running

    monkeypatch.setattr(asking, "PAUSES_S", (0.01,))
    monkeypatch.setattr(mediscan, "PAUSES_S", (0.01,))
    monkeypatch.setattr(mediscan, "IMPORT_POLL_S", 0.05)
    monkeypatch.setenv("STATE_FILE", str(tmp_path / "state"))
    monkeypatch.setenv("MEDISCAN_TOKEN", "ms_token")
    monkeypatch.setenv("MEDISCAN_PROJECT", "1")
    monkeypatch.setenv("PATIENCE_S", "20")
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, **env: str) -> Ran:
        running.stopping.clear()
        caplog.clear()
        with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "bridge"):
            patch.setattr(sys, "argv", ["bridge.py", *arguments])
            for name, value in env.items():
                patch.setenv(name, value)
            status = script.main()
        return Ran(status, capsys.readouterr().out.strip().splitlines()[-1], caplog.text)

    yield run
    signal.signal(signal.SIGTERM, before)


def _served(kind, variable):
    @pytest.fixture
    def server(monkeypatch):
        made = kind()
        with played.serving(made.answer) as root:
            monkeypatch.setenv(variable, root)
            yield made

    return server


site = _served(played.Site, "MEDISCAN_URL")
pacs = _served(played.Pacs, "SOURCE_URL")
orthanc = _served(played.Orthanc, "SOURCE_URL")
