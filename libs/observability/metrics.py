"""Declares every metric of the project."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# From one millisecond to the time after which callers give up.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)

HTTP_SECONDS: Final = Histogram(
    "whale_http_request_seconds",
    "Time to respond to a request, by route, method and status.",
    ["route", "method", "status"],
    buckets=_SECONDS,
)
GROUP_COMMIT_SIZE: Final = Histogram(
    "whale_group_commit_requests",
    "Requests that shared one transaction.",
    buckets=_SIZES,
)
CONSUMER_LAG: Final = Gauge(
    "whale_consumer_lag_records",
    "Records of a topic that a consumer group has not processed yet, in the partitions of this process, as "
    "of its last fetch.",
    ["topic", "group"],
)
CONSUMER_READY: Final = Gauge(
    "whale_consumer_ready",
    "1 while a consumer processes records, 0 while something keeps it from that: its database, a topic, a "
    "stopped partition, a call that does not return.",
    ["group"],
)
LOOKED_AHEAD: Final = Counter(
    "whale_consumer_looked_ahead_total",
    "Records handled ahead of another store's backlog.",
    ["group"],
)
BATCH_SECONDS: Final = Histogram(
    "whale_consumer_batch_seconds",
    "Time to process a batch of records, until its offsets are committed.",
    ["group"],
    buckets=_SECONDS,
)
BATCH_RECORDS: Final = Histogram(
    "whale_consumer_batch_records", "Records in a batch.", ["group"], buckets=_SIZES
)
CONSUMER_RETRIES: Final = Counter(
    "whale_consumer_retries_total",
    "Failed attempts, because the database was unavailable (transient) or because of a defect.",
    ["group", "cause"],
)
DEAD_LETTERS: Final = Counter(
    "whale_dead_letters_total",
    "Records that can never be processed, by the topic they came from and the reason.",
    ["topic", "code"],
)
ORDERS: Final = Counter(
    "whale_orders_total",
    "Orders consumed, by outcome: counted, held, skipped, duplicate, or refused (a dead letter); and by "
    "the reason why they earned nothing: that of the list of orders, or the dead letter's code.",
    ["outcome", "reason"],
)
GUEST_EVENTS: Final = Counter(
    "whale_guest_events_total",
    "Orders and refunds without a customer, which were ignored, by topic.",
    ["topic"],
)
OUTBOX_AGE: Final = Gauge(
    "whale_outbox_age_seconds",
    "For how long at most the oldest event that is not published yet has been waiting; it grows while Kafka "
    "or the database is unavailable. 0 in processes that do not publish.",
)
OUTBOX_ROWS: Final = Gauge("whale_outbox_rows", "Outbox rows in the relay's last read.")
RELAY_PUBLISHED: Final = Counter(
    "whale_relay_published_total", "Events published from the outbox, by topic.", ["topic"]
)
RATE_LIMITED: Final = Counter(
    "whale_rate_limited_total", "Requests refused because of a rate limit."
)
LIMITS_UNENFORCED: Final = Counter(
    "whale_rate_limits_unenforced_total",
    "Requests allowed without a rate limit because Redis was unavailable.",
)
HTTP_REFUSED: Final = Counter(
    "whale_http_refused_total",
    "Requests and connections refused before routing, by problem code.",
    ["code"],
)
RESPONSES_NOT_LOGGED: Final = Counter(
    "whale_responses_not_logged_total",
    "Responses from 400 on to unauthenticated clients that were not logged, because there were too many.",
)
ANOMALIES_FLAGGED: Final = Counter(
    "whale_anomalies_flagged_total", "Flagged anomalies, by type and mode.", ["type", "mode"]
)
UPSTREAM_FAILURES: Final = Counter(
    "whale_upstream_failures_total",
    "Requests that a service did not respond to, by service.",
    ["service"],
)
LEDGER_PROVEN: Final = Gauge(
    "whale_ledger_proven_timestamp_seconds",
    "When the books check last finished proving every account, in seconds since 1970; 0 where it does not run.",
)
SWEPT: Final = Gauge(
    "whale_swept_timestamp_seconds",
    "By when everything due was posted, as of the sweeper of this process, in seconds since 1970; 0 where it "
    "has not swept.",
)
SWEPT_ACCOUNTS: Final = Counter(
    "whale_swept_accounts_total", "Accounts on which the sweeper posted what was due."
)
LEDGER_FAULTS: Final = Gauge(
    "whale_ledger_faults",
    "Rows that the books check found not to follow from the entries, in its last complete pass or since.",
)
