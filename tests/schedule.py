"""In which order, and in which processes of pytest-xdist, the test files run.

A stack costs as much as ten tests to start, and a few percent of a core while no test uses it. So the
files that use servers of their own run in two processes, and begin: those two start the whole stack
late, and no other process starts their servers. The longest of the other files follow.
"""

from typing import Final

from xdist.scheduler import LoadFileScheduling

# Each group takes most of the time that a run takes.
GROUPS: Final = (
    (
        "tests/chaos/test_killed_redemption.py",
        "tests/chaos/test_anomaly_killed_after_commit.py",
        "tests/chaos/test_killed_resolutions.py",
        "tests/chaos/test_killed_sweeper.py",
        "tests/chaos/test_stopped_under_load.py",
        "tests/integration/test_secured_servers.py",
        "tests/integration/test_provision.py",
    ),
    (
        "tests/chaos/test_earning_group_members.py",
        "tests/chaos/test_anomaly_killed_before_commit.py",
        "tests/chaos/test_earning_killed_after_commit.py",
        "tests/chaos/test_earning_killed_before_commit.py",
        "tests/chaos/test_service_graph.py",
        "tests/chaos/test_unconfirmed_redemptions.py",
        "tests/chaos/test_upgrade.py",
        "tests/chaos/test_upgrade_of_a_large_ledger.py",
        "tests/chaos/test_expiry_of_an_old_ledger.py",
        "tests/chaos/test_recovery.py",
        "tests/chaos/test_stack_commands.py",
    ),
)
_LONGEST: Final = (
    "tests/contract/test_conformance.py",
    "tests/model/test_store_against_model.py",
    "tests/browser/test_docs.py",
    "tests/browser/test_anomalies.py",
)
FIRST: Final = (*GROUPS[0], *GROUPS[1], *_LONGEST)
_GROUP_OF: Final = {file: group[0] for group in GROUPS for file in group}


def position(file: str) -> int:
    """Where the tests of a file stand in the run; files at the same position keep their order."""
    return FIRST.index(file) if file in FIRST else len(FIRST)


class ByServers(LoadFileScheduling):  # type: ignore[misc]
    """Gives a process a file at a time, and those of a group together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _GROUP_OF.get(file, file)
