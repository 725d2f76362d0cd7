"""Customers, when their points expire, and the store's summary."""

from typing import Final

from libs.contracts import api
from libs.contracts.bounds import CUSTOMER_ID, CUSTOMER_ID_PREFIX
from libs.contracts.lifecycle import DEFAULT_FORECAST_DAYS, MAX_FORECAST_DAYS
from libs.contracts.operations.operation import (
    DAY_PAGE,
    PAGE,
    Operation,
    Parameter,
    choice,
    day,
    subject,
)

_CUSTOMER: Final = subject("The customer's id in the shop.", CUSTOMER_ID)

CUSTOMERS: Final[tuple[Operation, ...]] = (
    Operation(
        id="listCustomers",
        method="GET",
        path="loyalty/customers",
        owner="earning",
        scope="read",
        summary="List customers in the order of their ids, without transactions.",
        query=(
            *PAGE,
            Parameter("query", "The prefix of the id.", CUSTOMER_ID_PREFIX),
            Parameter("tier", "Only customers in the tier with this name.", {"type": "string"}),
            choice("status", "Only accounts with this status.", "active", "suspended"),
        ),
        response=api.CustomerStatus,
        listed=True,
    ),
    Operation(
        id="getCustomer",
        method="GET",
        path="loyalty/customers/{id}",
        owner="earning",
        scope="read",
        summary="Get a customer's balance, tier and ten newest transactions.",
        subject=_CUSTOMER,
        response=api.CustomerStatus,
    ),
    Operation(
        id="listExpirations",
        method="GET",
        path="loyalty/customers/{id}/expirations",
        owner="earning",
        scope="read",
        summary="List when a customer's points expire, earliest first, and how many never do.",
        subject=_CUSTOMER,
        query=DAY_PAGE,
        response=api.Expirations,
    ),
    Operation(
        id="listPendingPoints",
        method="GET",
        path="loyalty/customers/{id}/pending",
        owner="earning",
        scope="read",
        summary="List a customer's points that wait, earliest first; those that wait for a fulfillment last.",
        subject=_CUSTOMER,
        query=PAGE,
        response=api.PendingPoints,
        listed=True,
    ),
    Operation(
        id="updateCustomer",
        method="PATCH",
        path="loyalty/customers/{id}",
        owner="earning",
        scope="manage",
        summary="Suspend or reactivate a customer's account.",
        subject=_CUSTOMER,
        request=api.CustomerPatch,
        response=api.CustomerStatus,
    ),
    Operation(
        id="getSummary",
        method="GET",
        path="loyalty/summary",
        owner="earning",
        scope="read",
        summary="Get key figures of the program: points per day, customers per tier.",
        query=(
            day("from", "The first day, in UTC; by default 29 days before the last."),
            day("to", "The last day, in UTC, inclusive; by default today."),
        ),
        response=api.Summary,
    ),
    Operation(
        id="getExpirationForecast",
        method="GET",
        path="loyalty/expirations",
        owner="earning",
        scope="read",
        summary="Get how many points of all customers expire in the next days, as of a few minutes ago.",
        query=(
            Parameter(
                "days",
                "How many days ahead, in the store's time zone; today is always included.",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_FORECAST_DAYS,
                    "default": DEFAULT_FORECAST_DAYS,
                },
            ),
        ),
        response=api.ExpirationForecast,
    ),
)
