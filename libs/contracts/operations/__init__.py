"""The public API in one table: each operation's path, owner, scope, parameters, schemas and errors.

The gateway routes by this table, and the reference is generated from it. A new operation is one
entry among its owner's operations here and one function in its owner's `api`.
"""

from typing import Final

from libs.contracts.operations.anomaly import ANOMALY
from libs.contracts.operations.catalog import CATALOG
from libs.contracts.operations.earning import EARNING
from libs.contracts.operations.gateway import GATEWAY
from libs.contracts.operations.operation import (
    BACKTEST_WEIGHT,
    BATCH_BYTES,
    BODY_BYTES,
    CLOUD_EVENT,
    CLOUD_EVENTS,
    DEFAULT_LIMIT,
    JSON,
    MAX_LIMIT,
    OWNERS,
    PAGE,
    Batch,
    Gateway,
    Method,
    Operation,
    Owner,
    Parameter,
    Scope,
)
from libs.contracts.operations.redemption import REDEMPTION

__all__ = [
    "BACKTEST_WEIGHT",
    "BATCH_BYTES",
    "BODY_BYTES",
    "CLOUD_EVENT",
    "CLOUD_EVENTS",
    "DEFAULT_LIMIT",
    "JSON",
    "MAX_LIMIT",
    "OPERATIONS",
    "OWNERS",
    "PAGE",
    "Batch",
    "Gateway",
    "Method",
    "Operation",
    "Owner",
    "Parameter",
    "Scope",
]

OPERATIONS: Final = (*EARNING, *CATALOG, *REDEMPTION, *ANOMALY, *GATEWAY)
