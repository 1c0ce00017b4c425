"""A time limit that ends the loading of a library ends the process: it could not load it again."""

import sys
from types import SimpleNamespace

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from mediscan_site.core import interrupted, work

pytestmark = pytest.mark.django_db


class Left(BaseException):
    pass


def task(monkeypatch, function):
    def leave(what: str) -> None:
        raise Left(what)

    monkeypatch.setattr(interrupted, "leave", leave)
    return work.durable_task(name=f"test.{function.__name__}", queue="io", soft_limit_s=5)(function)


def test_a_limit_in_the_middle_of_an_import_ends_the_process(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text(
        "from celery.exceptions import SoftTimeLimitExceeded\nraise SoftTimeLimitExceeded()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def loads(_pk: int) -> None:
        import slow_to_load  # noqa: F401

    with pytest.raises(Left, match=r"test\.loads"):
        task(monkeypatch, loads)(7)
    assert "slow_to_load" not in sys.modules


def test_a_limit_in_the_middle_of_work_is_the_works_own(monkeypatch):
    def works(_pk: int) -> None:
        raise SoftTimeLimitExceeded

    closed = []
    monkeypatch.setattr(work, "connections", SimpleNamespace(close_all=lambda: closed.append(True)))
    monkeypatch.setattr(work, "connection", SimpleNamespace(in_atomic_block=False))
    monkeypatch.setattr(work, "close_old_connections", lambda: None)
    with pytest.raises(SoftTimeLimitExceeded):
        task(monkeypatch, works)(7)
    assert closed, "it may have come between a statement and what was to be noted of it"
