"""What an operation of the public API is, and the parameters that several operations take."""

from typing import Any, Final, Literal, get_args

from msgspec import Struct

from libs.contracts.bounds import CUSTOMER_ID, OTHER_ID, Schema

Scope = Literal["read", "earn", "redeem", "manage", "admin"]
# The services behind the gateway.
Owner = Literal["earning", "catalog", "redemption", "anomaly"]
OWNERS: Final[tuple[Owner, ...]] = get_args(Owner)
# The gateway responds to a few operations itself.
Gateway = Literal["gateway"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# Where a batch is in the body: a member with this name, or for `events` the body itself if it is an
# array.
Batch = Literal["items", "ids", "order_ids", "events"]

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

    `scope` is the one that a key needs; with None, any key may use the operation.

    The rate limit counts the operation as `weight` requests, or as one per entry of its `batch`.
    """

    id: str
    method: Method
    path: str
    owner: Owner | Gateway
    scope: Scope | None
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


def choice(name: str, description: str, *choices: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "enum": list(choices)})


def choices(name: str, description: str, *choices: str) -> Parameter:
    """A parameter with one or more of the values, separated by commas."""
    return Parameter(
        name,
        description,
        {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(choices)}},
    )


def day(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "format": "date"})


def moment(name: str, description: str) -> Parameter:
    return Parameter(name, description, {"type": "string", "format": "date-time"})


def subject(description: str, schema: Schema = OTHER_ID) -> Parameter:
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

VERSION_PAGE: Final = (
    PAGE[0],
    Parameter(
        "starting_after",
        "The version number of the last item of the previous page; the page continues after it.",
        {"type": "string"},
    ),
)

DAY_PAGE: Final = (
    PAGE[0],
    Parameter(
        "starting_after",
        "The `expires_on` of the last item of the previous page; the page continues after this day.",
        {"type": "string", "format": "date"},
    ),
)

CUSTOMER_FILTER: Final = Parameter("customer_id", "Only items of this customer.", CUSTOMER_ID)
ORDER_FILTER: Final = Parameter("order_id", "Only items of this order.", OTHER_ID)
