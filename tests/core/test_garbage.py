"""In a process of its own: what is frozen stays so, and the suite has frozen much already."""

import subprocess
import sys

SCRIPT = """
import gc
from mediscan_site.core import garbage

class Circle:
    gone = False
    def __init__(self):
        self.me = self
    def __del__(self):
        Circle.gone = True

held = [[] for _ in range(1000)]
assert gc.get_freeze_count() == 0
garbage.set_aside()
assert gc.get_freeze_count() > 1000
assert gc.get_threshold()[0] == garbage.YOUNGEST > 700
Circle()
later = [[] for _ in range(garbage.YOUNGEST // 2)]
assert not Circle.gone, "the young are looked at more rarely"
later += [[] for _ in range(garbage.YOUNGEST)]
assert Circle.gone, "but by themselves"
before = gc.get_freeze_count()
garbage.set_aside_once()
assert gc.get_freeze_count() > before
more = [[] for _ in range(1000)]
before = gc.get_freeze_count()
garbage.set_aside_once()
assert gc.get_freeze_count() == before
print("as it should be")
"""


def test_what_is_loaded_is_set_aside_and_circles_that_come_later_are_still_found():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "as it should be\n", done.stderr
