"""The public API in one table: each operation's path, owner, scope, parameters, schemas and errors.

The gateway routes by this table, and the reference is generated from it. A new operation is one
entry here and one function in its owner's `api`.
"""

from typing import Any, Final, Literal, get_args

from msgspec import Struct

from libs.contracts import anomalies, api, intake, rewards
from libs.contracts.bounds import CUSTOMER_ID, CUSTOMER_ID_PREFIX, OTHER_ID, Schema

Scope = Literal["read", "earn", "redeem", "manage", "admin"]
# The services behind the gateway.
Owner = Literal["earning", "catalog", "redemption", "anomaly"]
OWNERS: Final[tuple[Owner, ...]] = get_args(Owner)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# Where a batch is in the body: its member `items`, or the body itself if it is an array of events.
Batch = Literal["items", "events"]

JSON: Final = "application/json"
CLOUD_EVENT: Final = "application/cloudevents+json"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"

BODY_BYTES: Final = 64 * 1024
BATCH_BYTES: Final = 1024 * 1024
# A backtest reads up to a year of a store's history.
BACKTEST_WEIGHT: Final = 100


class Parameter(Struct, frozen=True):
    """A parameter of the query or the path."""

    name: str
    description: str
    schema: Schema
    required: bool = False


class Operation(Struct, frozen=True, kw_only=True):
    """A method of a path under /v1/stores/{store_id}; `{id}` stands for any single segment.

    `request` is the schema of the body, `response` that of a response with `status`, or of an item if
    the operation is `listed`, which returns pages. `errors` are the codes in addition to those that
    any operation may return. With the query parameter `customer_id`, the service `for_customer`
    responds instead of the owner, with the schema `response_for_customer`.

    The rate limit counts the operation as `weight` requests, or as one per entry of its `batch`.
    """

    id: str
    method: Method
    path: str
    owner: Owner
    scope: Scope
    summary: str
    subject: Parameter | None = None
    query: tuple[Parameter, ...] = ()
    request: Any = None
    media_types: tuple[str, ...] = (JSON,)
    largest_body: int = BODY_BYTES
    response: Any = None
    status: int = 200
    listed: bool = False
    errors: tuple[str, ...] = ()
    for_customer: Owner | None = None
    response_for_customer: Any = None
    weight: int = 1
    batch: Batch | None = None

    @property
    def is_write(self) -> bool:
        """Whether the operation changes data, and so requires an Idempotency-Key."""
        return self.method != "GET" and self.scope != "read"


def _choice(name: str, description: str, *choices: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "enum": list(choices)})


def _day(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "format": "date"})


def _moment(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "format": "date-time"})


def _subject(description: str, schema: Schema = OTHER_ID) -> Parameter:
    return Parameter("id", description, schema, required=True)


MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 20

PAGE: Final = (
    Parameter(
        "limit",
        "The maximum number of items to return.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter(
        "starting_after",
        "The id of the last item of the previous page; the page continues after it.",
        {"type": "string"},
    ),
)

_CUSTOMER: Final = _subject("The customer's id in the shop.", CUSTOMER_ID)
_CUSTOMER_FILTER: Final = Parameter("customer_id", "Only items of this customer.", CUSTOMER_ID)
_ORDER_FILTER: Final = Parameter("order_id", "Only items of this order.", OTHER_ID)
_LETTER: Final = _subject("The id of a dead letter, `dl_…`.")
_PROGRAM: Final = _subject("The id of a program, `loy_…`.")
_TRANSACTION: Final = _subject("The id of a transaction, `txn_…`.")
_REWARD: Final = _subject("The id of a reward, `rwd_…`.")
_REDEMPTION: Final = _subject("The id of a redemption, `rdm_…`.")
_ANOMALY: Final = _subject("The id of an anomaly, `anom_…`.")

OPERATIONS: Final = (
    Operation(
        id="listPrograms",
        method="GET",
        path="loyalty-programs",
        owner="earning",
        scope="read",
        summary="List all loyalty programs of the store, oldest first.",
        query=PAGE,
        response=api.Program,
        listed=True,
    ),
    Operation(
        id="createProgram",
        method="POST",
        path="loyalty-programs",
        owner="earning",
        scope="manage",
        summary="Create a loyalty program.",
        request=api.ProgramCreate,
        response=api.Program,
        status=201,
    ),
    Operation(
        id="getProgram",
        method="GET",
        path="loyalty-programs/{id}",
        owner="earning",
        scope="read",
        summary="Get a loyalty program.",
        subject=_PROGRAM,
        response=api.Program,
    ),
    Operation(
        id="updateProgram",
        method="PATCH",
        path="loyalty-programs/{id}",
        owner="earning",
        scope="manage",
        summary="Change the fields in the body; they apply to everything that is posted afterwards.",
        subject=_PROGRAM,
        request=api.ProgramPatch,
        response=api.Program,
    ),
    Operation(
        id="earn",
        method="POST",
        path="loyalty/earn",
        owner="earning",
        scope="earn",
        summary="Award points to a customer manually.",
        request=api.EarnRequest,
        response=api.Transaction,
        status=201,
        errors=("program_inactive", "account_suspended", "conflict"),
    ),
    Operation(
        id="earnBatch",
        method="POST",
        path="loyalty/earn/batch",
        owner="earning",
        scope="earn",
        summary="Award points to up to 500 customers; each award succeeds or fails separately.",
        request=api.EarnBatchRequest,
        largest_body=BATCH_BYTES,
        batch="items",
        response=api.BatchAnswer,
    ),
    Operation(
        id="adjust",
        method="POST",
        path="loyalty/adjust",
        owner="earning",
        scope="manage",
        summary="Adjust a balance manually; the lifetime points are not changed.",
        request=api.AdjustRequest,
        response=api.Transaction,
        status=201,
        errors=("insufficient_points", "conflict"),
    ),
    Operation(
        id="sendEvents",
        method="POST",
        path="events",
        owner="earning",
        scope="earn",
        summary="Send orders and refunds as CloudEvents, one or up to 500, without Kafka.",
        request=intake.EventEnvelope,
        media_types=(CLOUD_EVENT, CLOUD_EVENTS, JSON),
        largest_body=BATCH_BYTES,
        batch="events",
        response=intake.EventsAnswer,
        status=202,
    ),
    Operation(
        id="listOrders",
        method="GET",
        path="loyalty/orders",
        owner="earning",
        scope="read",
        summary="List orders and what became of each, newest first; also those that earned nothing, and why.",
        query=(
            *PAGE,
            _CUSTOMER_FILTER,
            _ORDER_FILTER,
            _choice("state", "Only orders in this state.", *get_args(api.OrderState)),
        ),
        response=api.Order,
        listed=True,
    ),
    Operation(
        id="listDeadLetters",
        method="GET",
        path="loyalty/dead-letters",
        owner="earning",
        scope="read",
        summary="List orders and refunds of the store that could not be processed, newest first.",
        query=(
            *PAGE,
            _choice("topic", "Only records of this topic.", *get_args(api.LetterTopic)),
            _choice("code", "Only letters with this code.", *get_args(api.LetterCode)),
        ),
        response=api.DeadLetter,
        listed=True,
    ),
    Operation(
        id="getDeadLetter",
        method="GET",
        path="loyalty/dead-letters/{id}",
        owner="earning",
        scope="read",
        summary="Get a dead letter; with the scope manage, also the record itself.",
        subject=_LETTER,
        response=api.DeadLetter,
    ),
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
            _choice("status", "Only accounts with this status.", "active", "suspended"),
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
            _day("from", "The first day, in UTC; by default 29 days before the last."),
            _day("to", "The last day, in UTC, inclusive; by default today."),
        ),
        response=api.Summary,
    ),
    Operation(
        id="listTransactions",
        method="GET",
        path="loyalty/transactions",
        owner="earning",
        scope="read",
        summary="List point transactions, newest first.",
        query=(
            *PAGE,
            _CUSTOMER_FILTER,
            _choice(
                "type",
                "Only transactions of this type.",
                *("earn", "redeem", "refund", "void", "cancel", "adjust", "expire"),
            ),
            _moment("created_after", "Posted at this time or later."),
            _moment("created_before", "Posted at this time or earlier."),
            _ORDER_FILTER,
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
    Operation(
        id="listRewards",
        method="GET",
        path="loyalty/rewards",
        owner="catalog",
        for_customer="redemption",
        scope="read",
        summary="List the rewards that are available now, oldest first.",
        query=(
            *PAGE,
            _choice("include", "`all`: also rewards that are not available now.", "all"),
            Parameter(
                "customer_id",
                "Show for each reward whether it is available to this customer, and if not, why.",
                CUSTOMER_ID,
            ),
        ),
        response=rewards.Reward,
        response_for_customer=rewards.RewardForCustomer,
        listed=True,
    ),
    Operation(
        id="createReward",
        method="POST",
        path="loyalty/rewards",
        owner="catalog",
        scope="manage",
        summary="Add a reward to the catalog.",
        request=rewards.RewardCreate,
        response=rewards.Reward,
        status=201,
        errors=("conflict",),
    ),
    Operation(
        id="getReward",
        method="GET",
        path="loyalty/rewards/{id}",
        owner="catalog",
        scope="read",
        summary="Get a reward.",
        subject=_REWARD,
        response=rewards.Reward,
    ),
    Operation(
        id="updateReward",
        method="PATCH",
        path="loyalty/rewards/{id}",
        owner="catalog",
        scope="manage",
        summary="Change the fields in the body; null removes an optional field.",
        subject=_REWARD,
        request=rewards.RewardPatch,
        response=rewards.Reward,
    ),
    Operation(
        id="deleteReward",
        method="DELETE",
        path="loyalty/rewards/{id}",
        owner="catalog",
        scope="manage",
        summary="Delete a reward from the catalog; its id cannot be used again.",
        subject=_REWARD,
        status=204,
    ),
    Operation(
        id="redeem",
        method="POST",
        path="loyalty/redeem",
        owner="redemption",
        scope="redeem",
        summary="Redeem a reward for a customer.",
        request=rewards.RedeemRequest,
        response=rewards.RedeemAnswer,
        status=201,
        errors=(
            "reward_unavailable",
            "conflict",
            "program_inactive",
            "account_suspended",
            "insufficient_points",
        ),
    ),
    Operation(
        id="listRedemptions",
        method="GET",
        path="loyalty/redemptions",
        owner="redemption",
        scope="read",
        summary="List redemptions, newest first.",
        query=(
            *PAGE,
            _CUSTOMER_FILTER,
            _choice(
                "status",
                "Only redemptions with this status. Refused attempts have the status `released`; "
                "without this filter they are not listed.",
                *("reserved", "confirmed", "used", "cancelling", "cancelled", "released"),
            ),
            Parameter(
                "code",
                "Only the redemption with this code, in any case, with or without hyphens.",
                {"type": "string"},
            ),
        ),
        response=rewards.Redemption,
        listed=True,
    ),
    Operation(
        id="getRedemption",
        method="GET",
        path="loyalty/redemptions/{id}",
        owner="redemption",
        scope="read",
        summary="Get a redemption.",
        subject=_REDEMPTION,
        response=rewards.Redemption,
    ),
    Operation(
        id="cancelRedemption",
        method="POST",
        path="loyalty/redemptions/{id}/cancel",
        owner="redemption",
        scope="redeem",
        summary="Cancel a redemption that is not used yet; its points are returned.",
        subject=_REDEMPTION,
        response=rewards.Redemption,
        errors=("conflict",),
    ),
    Operation(
        id="useRedemption",
        method="POST",
        path="loyalty/redemptions/{id}/use",
        owner="redemption",
        scope="redeem",
        summary="Mark a redemption as used: the customer has received the reward.",
        subject=_REDEMPTION,
        response=rewards.Redemption,
        errors=("conflict",),
    ),
    Operation(
        id="useRedemptionByCode",
        method="POST",
        path="loyalty/redemptions/use",
        owner="redemption",
        scope="redeem",
        summary="Mark the redemption with a code as used: the customer has received the reward.",
        request=rewards.UseRequest,
        response=rewards.Redemption,
        errors=("conflict",),
    ),
    Operation(
        id="listAnomalies",
        method="GET",
        path="loyalty/anomalies",
        owner="anomaly",
        scope="read",
        summary="List flagged anomalies, newest first.",
        query=(
            *PAGE,
            _choice(
                "status",
                "Only anomalies with this status.",
                *("pending_review", "in_review", "resolved"),
            ),
            _choice("type", "Only anomalies of this type.", *anomalies.ANOMALY_TYPES),
            _CUSTOMER_FILTER,
        ),
        response=anomalies.Anomaly,
        listed=True,
    ),
    Operation(
        id="getAnomaly",
        method="GET",
        path="loyalty/anomalies/{id}",
        owner="anomaly",
        scope="read",
        summary="Get an anomaly.",
        subject=_ANOMALY,
        response=anomalies.Anomaly,
    ),
    Operation(
        id="updateAnomaly",
        method="PATCH",
        path="loyalty/anomalies/{id}",
        owner="anomaly",
        scope="manage",
        summary="Start the review of an anomaly, or resolve it permanently.",
        subject=_ANOMALY,
        request=anomalies.AnomalyPatch,
        response=anomalies.Anomaly,
        errors=("conflict",),
    ),
    Operation(
        id="getAnomalySettings",
        method="GET",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="read",
        summary="Get the detectors' modes and parameters.",
        response=anomalies.AnomalySettings,
    ),
    Operation(
        id="updateAnomalySettings",
        method="PUT",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="manage",
        summary="Replace the detectors' modes and parameters; omitted ones get their default values.",
        request=anomalies.AnomalySettings,
        response=anomalies.AnomalySettings,
    ),
    Operation(
        id="backtestAnomalySettings",
        method="POST",
        path="loyalty/anomaly-settings/backtest",
        owner="anomaly",
        scope="read",
        summary="Count what other settings would have flagged, without changing anything.",
        request=anomalies.BacktestRequest,
        response=anomalies.BacktestAnswer,
        weight=BACKTEST_WEIGHT,
    ),
)
