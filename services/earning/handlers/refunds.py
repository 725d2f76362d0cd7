"""Refunds: what became of each, also of those that wait for their order."""

import re
from typing import Any, Final

from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.earning.store import refunds
from services.earning.store.refunds import RefundFilter

# An arrival is a positive number of 64 bits.
_LIST_ID: Final = re.compile(r"rfd_([1-9][0-9]{0,17})")


def list_id(arrival: int) -> str:
    """The id of a refund in the list: `rfd_` and its arrival."""
    return f"rfd_{arrival}"


async def list_refunds(reads: SlowReads, filter_: RefundFilter, page: Page) -> Listed[Any]:
    """A page of the store's refunds, newest first.

    Raises InvalidRequest if `starting_after` is not one of those refunds.
    """
    async with reads.snapshot(filter_.store_id) as connection:
        before = None
        if page.starting_after is not None:
            match = _LIST_ID.fullmatch(page.starting_after)
            before = int(match[1]) if match else 0
            last = await refunds.find(connection, filter_.store_id, before)
            if last is None or filter_.customer_id not in {None, last["customer_id"]}:
                raise unknown_cursor("a refund")
        rows, counted = await refunds.read_page(
            connection, filter_, limit=page.limit, before=before
        )
    return Listed(rows[: page.limit], has_more=len(rows) > page.limit, counted=counted)
