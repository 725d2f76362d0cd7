"""The operations of the catalog service: rewards."""

from typing import Final

from libs.contracts import rewards
from libs.contracts.bounds import CUSTOMER_ID
from libs.contracts.operations.operation import (
    PAGE,
    VERSION_PAGE,
    Operation,
    Parameter,
    choice,
    subject,
)

_REWARD: Final = subject("The id of a reward, `rwd_…`.")

CATALOG: Final[tuple[Operation, ...]] = (
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
            choice("include", "`all`: also rewards that are not available now.", "all"),
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
        errors=("conflict",),
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
        id="listRewardVersions",
        method="GET",
        path="loyalty/rewards/{id}/versions",
        owner="catalog",
        scope="read",
        summary="List the versions of a reward, newest first, also those of a deleted reward.",
        subject=_REWARD,
        query=VERSION_PAGE,
        response=rewards.RewardVersion,
        listed=True,
    ),
)
