"""Account views, from accounts that the caller read in its snapshot."""

from collections.abc import Iterable
from typing import Any

from libs.persistence.engine import Connection
from services.earning.domain.account_views import AccountView, view_account
from services.earning.domain.programs import StorePrograms
from services.earning.domain.timelines import Timeline
from services.earning.store import timelines


async def read_timeline(
    connection: Connection, store_id: str, programs: StorePrograms, rows: Iterable[Any]
) -> Timeline | None:
    """The timeline of the store, whose `programs` are in force, for a view of the accounts `rows`. None
    if no points of theirs expire or wait: this then reads nothing."""
    if not programs.has_lifecycle and all(row["cycle"] is None for row in rows):
        return None
    return (await timelines.read(connection, [store_id], {store_id: programs}))[store_id]


def view(row: Any, timeline: Timeline | None) -> AccountView:
    """The view of an account, by a row with its balance, sequence, status and cycle."""
    return view_account(
        row["cycle"],
        timeline,
        balance=row["balance"],
        sequence=row["sequence"],
        is_suspended=row["suspended"],
    )
