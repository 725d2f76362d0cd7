"""The order of the test files, and which of them share the servers of a process."""

from tests import schedule
from tests.support import ROOT


def test_every_file_with_a_place_exists() -> None:
    assert [file for file in schedule.FIRST if not (ROOT / file).exists()] == []


def test_the_files_on_servers_without_services_are_in_groups() -> None:
    bare = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("tests/*/test_*.py")
        if "bare_stack: Stack" in path.read_text() and "own_bare_stack" not in path.read_text()
    }
    assert bare
    assert bare <= {file for group in schedule.GROUPS for file in group}
