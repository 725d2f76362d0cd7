"""The status of an account: suspending it and making it active again."""

from collections.abc import Callable, Sequence

from libs.kernel.errors import WhaleError
from libs.persistence.engine import Connection
from libs.persistence.idempotency import Claim, KeptAnswer
from services.earning.domain.postings import StatusChange, StatusChangeOutcome
from services.earning.handlers.customers import CustomerStatus, read_status
from services.earning.handlers.posting import PostingGroup, PostingRequest, Result


async def change_status(
    group_commit: PostingGroup,
    change: StatusChange,
    claim: Claim | None,
    render: Callable[[CustomerStatus], KeptAnswer],
) -> tuple[KeptAnswer, bool]:
    """Suspend or reactivate the account; returns the response and whether it is replayed. Held
    orders post before the account becomes active, in as many transactions as they need.

    Raises NotFound or IdempotencyKeyReused.
    """

    async def render_written(
        connection: Connection, results: Sequence[Result]
    ) -> KeptAnswer | None:
        (result,) = results
        if isinstance(result, WhaleError):
            raise result
        assert isinstance(result, StatusChangeOutcome)
        if not result.is_complete:
            return None
        return render(await read_status(connection, *result.account.key))

    while True:
        request = PostingRequest([change], claim, render_written=render_written)
        # Alone in its transaction: the response reads what was written, and must not show what a
        # later request of the same batch wrote.
        result = await group_commit.submit(request, weight=group_commit.max_weight)
        if result.response is not None:
            return result.response, result.replayed
