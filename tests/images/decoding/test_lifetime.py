"""Children end with the process that started them, and a fork starts its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from images import decoding
from tests.conftest import PATIENCE_S
from tests.images.decoding.conftest import encode, gone, gradient

ROOT = Path(decoding.__file__).parents[2]
SMALL = encode(gradient(), "PNG")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


def run_script(body: str) -> subprocess.CompletedProcess[str]:
    prelude = (
        f"import os, sys, signal, threading\nfrom images.decoding import *\nSMALL = bytes.fromhex('{SMALL.hex()}')\n"
    )
    script = prelude + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(0)"])
def test_children_end_with_their_parent_however_it_ends(end):
    done = run_script(f"""
        default_pool().decode(SMALL)
        print(default_pool().child_pids()[0], flush=True)
        {end}
    """)
    assert done.stderr == ""
    assert gone(int(done.stdout))


def test_a_fork_makes_its_own_pool_and_leaves_that_of_its_parent_alone():
    done = run_script("""
        default_pool().decode(SMALL)
        before = default_pool().child_pids()
        pid = os.fork()
        if pid == 0:
            own = default_pool()
            ok = own.decode(SMALL).width == 120 and not set(own.child_pids()) & set(before)
            own.close()
            sys.exit(0 if ok else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        default_pool().decode(SMALL)
        print(status, default_pool().child_pids() == before)
    """)
    assert (done.stdout, done.stderr) == ("0 True\n", "")


def test_the_pool_works_in_a_celery_like_daemon_process():
    done = run_script("""
        import multiprocessing
        def work(answers): answers.put(default_pool().decode(SMALL).width)
        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()
        process = context.Process(target=work, args=(answers,), daemon=True)
        process.start()
        print(answers.get())
        process.join()
    """)
    assert (done.stdout, done.stderr) == ("120\n", "")
