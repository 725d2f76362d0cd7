"""Manual awards: points that a person gives."""

from libs.kernel.errors import AccountSuspended, ProgramInactive
from services.earning.domain.accounts import Entry
from services.earning.domain.books import Books
from services.earning.domain.postings import Award


def post_award(books: Books, award: Award) -> Entry:
    """Add the award, without rate or multiplier. Raises ProgramInactive, AccountSuspended or
    Conflict."""
    account = books.account(award.store_id, award.customer_id)
    if books.programs(award.store_id).default is None:
        raise ProgramInactive("The store has no active loyalty program, so nothing can be earned.")
    if account.suspended:
        raise AccountSuspended(f"The account of {award.customer_id} is suspended.")
    return books.enter(
        account,
        type_="earn",
        points=award.points,
        lifetime_change=award.points,
        reason=award.reason,
        occurred_at=award.occurred_at,
        posted_by=award.posted_by,
    )
