"""All routes of earning: the public ones under /v1, and those for our other services."""

from typing import Final

from litestar.types import ControllerRouterHandler

from services.earning.api import (
    adjustments,
    awards,
    clock,
    customers,
    dead_letters,
    debits,
    expirations,
    orders,
    programs,
    shop_events,
    summary,
    transactions,
)

PUBLIC: Final[tuple[ControllerRouterHandler, ...]] = (
    *programs.ROUTES,
    *awards.ROUTES,
    *adjustments.ROUTES,
    *customers.ROUTES,
    *summary.ROUTES,
    *expirations.ROUTES,
    *clock.ROUTES,
    *transactions.ROUTES,
    *shop_events.ROUTES,
    *orders.ROUTES,
    *dead_letters.ROUTES,
)
INTERNAL: Final[tuple[ControllerRouterHandler, ...]] = debits.ROUTES
