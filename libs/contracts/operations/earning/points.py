"""Manual awards and adjustments."""

from typing import Final

from libs.contracts import api
from libs.contracts.operations.operation import BATCH_BYTES, Operation

POINTS: Final[tuple[Operation, ...]] = (
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
)
