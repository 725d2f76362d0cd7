"""The operations of the redemption service: redeeming rewards."""

from typing import Final

from libs.contracts import rewards
from libs.contracts.bounds import OTHER_ID
from libs.contracts.operations.operation import (
    CUSTOMER_FILTER,
    PAGE,
    Operation,
    Parameter,
    choice,
    subject,
)

_REDEMPTION: Final = subject("The id of a redemption, `rdm_…`.")

REDEMPTION: Final[tuple[Operation, ...]] = (
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
            CUSTOMER_FILTER,
            choice(
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
            Parameter("reward_id", "Only redemptions of this reward.", OTHER_ID),
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
)
