"""The public API in one table: per operation its path, owner, scope, parameters, shapes and errors.

The gateway routes by it and the reference is generated from it. A new operation is one entry here
and one function in its owner's `api`.
"""

from typing import Any, Final, Literal

from msgspec import Struct

from libs.contracts import anomalies, api, intake, rewards
from libs.contracts.bounds import CUSTOMER_ID, CUSTOMER_ID_START, OTHER_ID, Schema

Scope = Literal["read", "earn", "redeem", "manage", "admin"]
Owner = Literal["earning", "catalog", "redemption", "anomaly"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# The list in a body: its member `items`, or the body itself where it is a list of events.
Batch = Literal["items", "events"]

JSON: Final = "application/json"
CLOUD_EVENT: Final = "application/cloudevents+json"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"

BODY_BYTES: Final = 64 * 1024
BATCH_BYTES: Final = 1024 * 1024
# A backtest reads up to a year of a store's history.
BACKTEST_WEIGHT: Final = 100


class Parameter(Struct, frozen=True):
    """A parameter of the query or the path; `schema` is what its value must be."""

    name: str
    meaning: str
    schema: Schema
    required: bool = False


class Operation(Struct, frozen=True, kw_only=True):
    """A method of a path under /v1/stores/{store_id}; `{id}` stands for any one segment.

    `request` is the body's shape, `answer` that of `status`; a `listed` one comes in pages. `errors`
    are the codes beyond those that any operation may answer. With the query parameter
    `customer_id`, `for_customer` answers instead, in the shape `answer_for_customer`.

    In the rate limit it counts as `weight` requests; where `batch` names the list in its body, as
    one for each entry.
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
    answer: Any = None
    status: int = 200
    listed: bool = False
    errors: tuple[str, ...] = ()
    for_customer: Owner | None = None
    answer_for_customer: Any = None
    weight: int = 1
    batch: Batch | None = None

    @property
    def is_write(self) -> bool:
        """Whether it changes something: then it takes an Idempotency-Key."""
        return self.method != "GET" and self.scope != "read"


def _choice(name: str, meaning: str, *choices: str) -> Parameter:
    return Parameter(name, meaning, {"type": "string", "enum": list(choices)})


def _day(name: str, meaning: str) -> Parameter:
    return Parameter(name, meaning, {"type": "string", "format": "date"})


def _moment(name: str, meaning: str) -> Parameter:
    return Parameter(name, meaning, {"type": "string", "format": "date-time"})


def _subject(meaning: str, schema: Schema = OTHER_ID) -> Parameter:
    return Parameter("id", meaning, schema, required=True)


MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 20

PAGE: Final = (
    Parameter(
        "limit",
        "How many to answer at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter(
        "starting_after",
        "The id of the last one seen: the answer goes on after it.",
        {"type": "string"},
    ),
)

_CUSTOMER: Final = _subject("The shop's own id of the customer.", CUSTOMER_ID)
_OF_CUSTOMER: Final = Parameter("customer_id", "Only this customer's.", CUSTOMER_ID)
_PROGRAM: Final = _subject("A programme's id, `loy_…`.")
_TRANSACTION: Final = _subject("A transaction's id, `txn_…`.")
_REWARD: Final = _subject("A reward's id, `rwd_…`.")
_REDEMPTION: Final = _subject("A redemption's id, `rdm_…`.")
_ANOMALY: Final = _subject("An anomaly's id, `anom_…`.")

OPERATIONS: Final = (
    Operation(
        id="listPrograms",
        method="GET",
        path="loyalty-programs",
        owner="earning",
        scope="read",
        summary="List all loyalty programs of the store, oldest first.",
        query=PAGE,
        answer=api.Program,
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
        answer=api.Program,
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
        answer=api.Program,
    ),
    Operation(
        id="updateProgram",
        method="PATCH",
        path="loyalty-programs/{id}",
        owner="earning",
        scope="manage",
        summary="Change what the body names; from then on it prices what is posted.",
        subject=_PROGRAM,
        request=api.ProgramPatch,
        answer=api.Program,
    ),
    Operation(
        id="earn",
        method="POST",
        path="loyalty/earn",
        owner="earning",
        scope="earn",
        summary="Award points to a customer by hand.",
        request=api.EarnRequest,
        answer=api.Transaction,
        status=201,
        errors=("program_inactive", "account_suspended", "conflict"),
    ),
    Operation(
        id="earnBatch",
        method="POST",
        path="loyalty/earn/batch",
        owner="earning",
        scope="earn",
        summary="Award points to up to 500 customers; each award has a verdict of its own.",
        request=api.EarnBatchRequest,
        largest_body=BATCH_BYTES,
        batch="items",
        answer=api.BatchAnswer,
    ),
    Operation(
        id="adjust",
        method="POST",
        path="loyalty/adjust",
        owner="earning",
        scope="manage",
        summary="Correct a balance by hand; the lifetime points stay as they are.",
        request=api.AdjustRequest,
        answer=api.Transaction,
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
        answer=intake.EventsAnswer,
        status=202,
    ),
    Operation(
        id="listCustomers",
        method="GET",
        path="loyalty/customers",
        owner="earning",
        scope="read",
        summary="List customers by their ids, without transactions.",
        query=(
            *PAGE,
            Parameter("query", "The start of the id.", CUSTOMER_ID_START),
            Parameter("tier", "The name of the tier they hold.", {"type": "string"}),
            _choice("status", "Only accounts in this status.", "active", "suspended"),
        ),
        answer=api.CustomerStatus,
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
        answer=api.CustomerStatus,
    ),
    Operation(
        id="updateCustomer",
        method="PATCH",
        path="loyalty/customers/{id}",
        owner="earning",
        scope="manage",
        summary="Suspend a customer's account, or make it active again.",
        subject=_CUSTOMER,
        request=api.CustomerPatch,
        answer=api.CustomerStatus,
    ),
    Operation(
        id="getSummary",
        method="GET",
        path="loyalty/summary",
        owner="earning",
        scope="read",
        summary="Get the program at a glance: points per day, customers per tier.",
        query=(
            _day("from", "The first day, in UTC; as shipped 29 days before the last."),
            _day("to", "The last day, in UTC, itself included; as shipped today."),
        ),
        answer=api.Summary,
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
            _OF_CUSTOMER,
            _choice(
                "type",
                "Only those of this type.",
                *("earn", "redeem", "refund", "void", "cancel", "adjust", "expire"),
            ),
            _moment("created_after", "Posted at this time or later."),
            _moment("created_before", "Posted at this time or earlier."),
        ),
        answer=api.Transaction,
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
        answer=api.Transaction,
    ),
    Operation(
        id="listRewards",
        method="GET",
        path="loyalty/rewards",
        owner="catalog",
        for_customer="redemption",
        scope="read",
        summary="List the rewards that can be had now, oldest first.",
        query=(
            *PAGE,
            _choice("include", "`all`: also those that cannot be had now.", "all"),
            Parameter(
                "customer_id",
                "Tell of each whether this customer can have it, and if not, why.",
                CUSTOMER_ID,
            ),
        ),
        answer=rewards.Reward,
        answer_for_customer=rewards.RewardForCustomer,
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
        answer=rewards.Reward,
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
        answer=rewards.Reward,
    ),
    Operation(
        id="updateReward",
        method="PATCH",
        path="loyalty/rewards/{id}",
        owner="catalog",
        scope="manage",
        summary="Change what the body names; null removes an optional field.",
        subject=_REWARD,
        request=rewards.RewardPatch,
        answer=rewards.Reward,
    ),
    Operation(
        id="deleteReward",
        method="DELETE",
        path="loyalty/rewards/{id}",
        owner="catalog",
        scope="manage",
        summary="Take a reward out of the catalog; its id is never used again.",
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
        answer=rewards.RedeemAnswer,
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
            _OF_CUSTOMER,
            _choice(
                "status",
                "Only those in this status; `released` are attempts that were refused, which no "
                "other list shows.",
                *("reserved", "confirmed", "used", "cancelling", "cancelled", "released"),
            ),
        ),
        answer=rewards.Redemption,
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
        answer=rewards.Redemption,
    ),
    Operation(
        id="cancelRedemption",
        method="POST",
        path="loyalty/redemptions/{id}/cancel",
        owner="redemption",
        scope="redeem",
        summary="Cancel a redemption that was not used; its points are returned.",
        subject=_REDEMPTION,
        answer=rewards.Redemption,
        errors=("conflict",),
    ),
    Operation(
        id="useRedemption",
        method="POST",
        path="loyalty/redemptions/{id}/use",
        owner="redemption",
        scope="redeem",
        summary="Mark a redemption as used: the customer has had the reward.",
        subject=_REDEMPTION,
        answer=rewards.Redemption,
        errors=("conflict",),
    ),
    Operation(
        id="listAnomalies",
        method="GET",
        path="loyalty/anomalies",
        owner="anomaly",
        scope="read",
        summary="List flagged suspicious earning, newest first.",
        query=(
            *PAGE,
            _choice("status", "Only those in it.", "pending_review", "in_review", "resolved"),
            _choice("type", "Only of this type.", *anomalies.ANOMALY_TYPES),
            _OF_CUSTOMER,
        ),
        answer=anomalies.Anomaly,
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
        answer=anomalies.Anomaly,
    ),
    Operation(
        id="updateAnomaly",
        method="PATCH",
        path="loyalty/anomalies/{id}",
        owner="anomaly",
        scope="manage",
        summary="Take an anomaly into review, or resolve it for good.",
        subject=_ANOMALY,
        request=anomalies.AnomalyPatch,
        answer=anomalies.Anomaly,
        errors=("conflict",),
    ),
    Operation(
        id="getAnomalySettings",
        method="GET",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="read",
        summary="Get the detectors' modes and parameters.",
        answer=anomalies.AnomalySettings,
    ),
    Operation(
        id="updateAnomalySettings",
        method="PUT",
        path="loyalty/anomaly-settings",
        owner="anomaly",
        scope="manage",
        summary="Replace the detectors' modes and parameters; what is left out is as shipped.",
        request=anomalies.AnomalySettings,
        answer=anomalies.AnomalySettings,
    ),
    Operation(
        id="backtestAnomalySettings",
        method="POST",
        path="loyalty/anomaly-settings/backtest",
        owner="anomaly",
        scope="read",
        summary="Tell what other settings would have flagged; changes nothing.",
        request=anomalies.BacktestRequest,
        answer=anomalies.BacktestAnswer,
        weight=BACKTEST_WEIGHT,
    ),
)
