"""Garbage that outlived collections does not stay for long: the bytes that it holds do not count."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# In a process of its own: the settings are those of a process.
_PROGRAM = """
import gc, sys, weakref
from libs.web import serve

class Node: pass

serve._configure_garbage_collection()
node = Node()
node.itself = node
remaining = weakref.ref(node)
gc.collect(int(sys.argv[1]))
del node
for _ in range(int(sys.argv[2]) * serve._YOUNG_OBJECTS):
    cycle = []
    cycle.append(cycle)
assert remaining() is None
"""


@pytest.mark.parametrize(
    ("generation", "collections"),
    [pytest.param(0, 5, id="outlived one"), pytest.param(1, 20, id="outlived two")],
)
def test_garbage_is_freed_after_a_few_collections(generation: int, collections: int) -> None:
    arguments = [str(generation), str(collections)]
    subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], cwd=ROOT, check=True)
