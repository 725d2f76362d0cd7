"""The list of customers, and the tiers to filter it by."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import CustomerStatus, Page, Program

_PAGE_SIZE = 25


class Filters(Struct, frozen=True, kw_only=True):
    """What the reader filters by; empty is everything. `query` is the start of an id."""

    query: str = ""
    tier: str = ""
    status: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.query or self.tier or self.status)


class CustomerList(Struct, frozen=True):
    """One page of customers, by their ids, and the names of the tiers."""

    page: Page[CustomerStatus]
    tiers: Sequence[str]


async def load(client: AsyncWhaleClient, filters: Filters, after: str) -> CustomerList:
    """The customers after the id `after`. Raises InvalidRequest for a filter that no id can match, and
    for an `after` that is not in the list; raises WhaleError."""
    page, program = await asyncio.gather(
        _load_page(client, filters, after), attempt(load_default_program(client))
    )
    tiers = () if program is None or isinstance(program, Failed) else program.tiers
    return CustomerList(page, [tier.name for tier in tiers])


async def load_default_program(client: AsyncWhaleClient) -> Program | None:
    """The default program, None without one. Raises WhaleError."""
    programs = (await client.programs.list(limit=100)).data
    return next((program for program in programs if program.is_default), None)


async def _load_page(
    client: AsyncWhaleClient, filters: Filters, after: str
) -> Page[CustomerStatus]:
    return await client.loyalty.customers.list(
        query=filters.query or None,
        tier=filters.tier or None,
        status=filters.status or None,
        limit=_PAGE_SIZE,
        starting_after=after or None,
    )
