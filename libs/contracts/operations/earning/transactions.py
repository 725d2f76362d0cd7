"""Transactions: the entries of the ledger."""

from typing import Final

from libs.contracts import api
from libs.contracts.operations.operation import (
    CUSTOMER_FILTER,
    ORDER_FILTER,
    PAGE,
    Operation,
    Parameter,
    choice,
    moment,
    subject,
)

_WITH_CUSTOMER: Final = "only together with `customer_id`"
_TRANSACTION: Final = subject("The id of a transaction, `txn_…`.")

TRANSACTIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="listTransactions",
        method="GET",
        path="loyalty/transactions",
        owner="earning",
        scope="read",
        summary="List point transactions, newest first.",
        query=(
            *PAGE,
            CUSTOMER_FILTER,
            choice(
                "type",
                "Only transactions of this type.",
                *("earn", "redeem", "refund", "void", "cancel", "adjust", "expire", "pend"),
            ),
            moment("created_after", "Posted at this time or later."),
            moment("created_before", "Posted at this time or earlier."),
            ORDER_FILTER,
            moment("occurred_after", f"Happened at this time or later; {_WITH_CUSTOMER}."),
            moment("occurred_before", f"Happened at this time or earlier; {_WITH_CUSTOMER}."),
            Parameter(
                "ids",
                f"Only the transactions with these ids, up to {api.MAX_LISTED_IDS}, separated by commas.",
                {"type": "string", "pattern": f"^[^,]+(,[^,]+){{0,{api.MAX_LISTED_IDS - 1}}}$"},
            ),
            choice(
                "order",
                "The order by the time of the events, oldest first, or newest first with the hyphen; "
                f"{_WITH_CUSTOMER}. By default the order of posting, newest first.",
                *("occurred_at", "-occurred_at"),
            ),
        ),
        response=api.Transaction,
        listed=True,
    ),
    Operation(
        id="getTransaction",
        method="GET",
        path="loyalty/transactions/{id}",
        owner="earning",
        scope="read",
        summary="Get a transaction.",
        subject=_TRANSACTION,
        response=api.Transaction,
    ),
)
