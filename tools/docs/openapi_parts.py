"""The constant parts of the OpenAPI document: its description, tags, parameters and headers."""

from typing import Final

from libs.contracts.operations import BACKTEST_WEIGHT, BATCH_BYTES, BODY_BYTES
from libs.web.connections import Limits
from libs.web.json_bounds import MAX_DEPTH, MAX_EXPONENT
from tools.docs.schemas import Json

_LIMITS: Final = Limits()

# Tags by the first word of a path that is in this table.
TAGS: Final = {
    "loyalty-programs": "Programs",
    "earn": "Points",
    "adjust": "Points",
    "events": "Orders",
    "orders": "Orders",
    "dead-letters": "Orders",
    "refunds": "Orders",
    "customers": "Customers",
    "summary": "Customers",
    "expirations": "Customers",
    "clock": "System",
    "transactions": "Transactions",
    "rewards": "Rewards",
    "redeem": "Redemptions",
    "redemptions": "Redemptions",
    "anomalies": "Anomalies",
    "anomaly-settings": "Anomalies",
    "key": "System",
    "pipeline": "System",
}

TAG_DESCRIPTIONS: Final = {
    "Programs": "How many points a dollar earns, and the tiers that customers reach.",
    "Points": "Manual awards and adjustments.",
    "Orders": "What became of each order, and orders and refunds of shops without Kafka.",
    "Customers": "Balances, tiers and account status, a store's summary, and the points that expire.",
    "Transactions": "The ledger: every change of a balance.",
    "Rewards": "The catalog of rewards that points buy.",
    "Redemptions": "Points redeemed for rewards, and the status of each redemption.",
    "Anomalies": "Suspicious earning, its review, and the settings of the detectors.",
    "System": "The calling key, the store's clock, and the state of the system that all stores share.",
    "Service": "The service itself. These operations need no key.",
}

DESCRIPTION: Final = f"""\
Points, tiers and rewards for shops. Every path belongs to a store; `me` is the key's own store, so a
client needs only its key.

**Keys.** Send `Authorization: Bearer wk_live_…`. A key has scopes: read, earn, redeem, manage, admin. No
scope includes another.

**Writes** accept an `Idempotency-Key`. For at least 24 hours, repeating the same request with the same key
returns the first response, marked `Idempotency-Hit: true`, and has no further effect.

**Errors** are problem details (RFC 9457). `code` is stable; `type` links to a page that explains it. An
invalid request gets one response that lists every invalid value.

**Lists** are paginated: send `limit` and `starting_after`, and read `has_more`. `total` is exact up to
10,000.

**Numbers.** Points are integers. Rates and multipliers are exact decimals, written as JSON numbers. Money
is accepted as a string or a number, and returned as a string. Times are returned in UTC with milliseconds;
any offset is accepted.

**Sizes.** A body can have up to {BODY_BYTES // 1024} KiB, a batch {BATCH_BYTES // 1024**2} MiB. JSON can be
nested up to {MAX_DEPTH} levels, and a number's exponent must be between -{MAX_EXPONENT} and {MAX_EXPONENT}. A
request can have up to {_LIMITS.headers} headers of {_LIMITS.header_bytes // 1024} KiB in total. It must arrive
within {_LIMITS.header_seconds:.0f} seconds; a large body can take longer, at
{_LIMITS.least_bytes_per_second // 1024} KiB a second or more.

**Rate limits.** A key can make 100 requests a second, in bursts of up to 200. A batch counts as its number
of items, a backtest as {BACKTEST_WEIGHT} requests. Such a request is accepted as long as any allowance is left; the
key then has to wait until the excess is refilled. `Retry-After` says how long.
"""


PARAMETERS: Final[Json] = {
    "store_id": {
        "name": "store_id",
        "in": "path",
        "required": True,
        "description": "The store's id, or `me` for the key's own store.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "example": "me",
    },
    "idempotency_key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1-255 printable characters, with or without double quotes, such as "
        "`birthday-2026-cust_abc123`. Repeated with the same request, it returns the first response; "
        "with another request, it is an error.",
        "schema": {"type": "string", "pattern": "^[!#-~]{1,255}$"},
    },
}
_TEXT: Final = {"type": "string"}
HEADERS: Final[Json] = {
    name: {"description": text, "schema": schema}
    for name, text, schema in (
        ("X-Request-Id", "The request's id in the logs; your own id, if you sent one.", _TEXT),
        (
            "Idempotency-Hit",
            "`true` if this is the stored response of an earlier request.",
            {"type": "string", "const": "true"},
        ),
        (
            "Retry-After",
            "Seconds to wait before a retry.",
            {"type": "string", "pattern": "^[0-9]+$"},
        ),
        ("RateLimit", "The requests left, and the seconds until there are more.", _TEXT),
        ("RateLimit-Policy", "The requests allowed, and the seconds in which they refill.", _TEXT),
        (
            "WWW-Authenticate",
            "The authentication scheme to use.",
            {"type": "string", "const": "Bearer"},
        ),
    )
}
HEADERS_BY_STATUS: Final = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}


SUCCESS_DESCRIPTIONS: Final = {
    200: "OK.",
    201: "Created.",
    202: "Accepted, with a result for each event, in order.",
    204: "Deleted.",
}
