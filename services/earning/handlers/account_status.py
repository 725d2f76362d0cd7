"""The status of an account: suspending it and making it active again."""

from collections.abc import Callable, Sequence

from libs.contracts import api
from libs.kernel.errors import NotFound, WhaleError
from libs.kernel.ids import customer_id as parse_customer_id
from libs.persistence.engine import Connection
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.domain.account_status import StatusChange, StatusChangeOutcome
from services.earning.handlers.customers import NO_CUSTOMER, CustomerStatus, read_status
from services.earning.handlers.posting import PostingGroup, PostingRequest, Result


async def change_status(
    group_commit: PostingGroup,
    write: Write[api.CustomerPatch],
    customer_id: str,
    render: Callable[[CustomerStatus], StoredResponse],
) -> StoredResponse:
    """Suspend or reactivate the account. Held orders post before it becomes active, in as many
    transactions as they need. Raises NotFound or IdempotencyKeyReused."""
    change = _status_change(write, customer_id)

    async def render_after_write(
        connection: Connection, results: Sequence[Result]
    ) -> StoredResponse | None:
        (result,) = results
        if isinstance(result, WhaleError):
            raise result
        assert isinstance(result, StatusChangeOutcome)
        if not result.is_complete:
            return None
        return render(await read_status(connection, *result.account.key))

    while True:
        request = PostingRequest([change], write.claim, render_after_write=render_after_write)
        # Alone in its transaction: the response reads what was written, and must not show what a
        # later request of the same batch wrote.
        result = await group_commit.submit(request, weight=group_commit.max_weight)
        if result.response is not None:
            return result.response


def _status_change(write: Write[api.CustomerPatch], text: str) -> StatusChange:
    customer_id = parse_customer_id(text)
    if customer_id is None:
        raise NotFound(NO_CUSTOMER)
    return StatusChange(
        store_id=write.store_id,
        customer_id=customer_id,
        suspended=write.body.status == "suspended",
        note=write.body.note,
        changed_by=write.caller.key_name,
    )
