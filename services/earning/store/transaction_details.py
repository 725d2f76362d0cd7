"""What transactions show beyond their entry: clawbacks, the anomaly of a void, who posted a manual entry."""

from typing import Any

from sqlalchemy import Select, and_, case, func, select

from services.earning.tables import accounts, manual_entries, orders, resolutions, voided_awards


def with_details(page: Select[Any]) -> Select[Any]:
    """The entries that `page` selects, in any order, with their details: looked up for these alone.
    `clawed_back` is null unless the entry is an earning."""
    entries = page.subquery("page")
    entry = entries.c
    # A review voids a manual award as a whole; what it takes of an order's award is with the order.
    of_award = case((voided_awards.c.account_id.is_not(None), entry.points), else_=0)
    of_order = orders.c.refunded_points + orders.c.voided_points
    clawed_back = case((entry.type == "earn", func.coalesce(of_order, of_award)))
    return (
        select(
            entries,
            accounts.c.customer_id,
            clawed_back.label("clawed_back"),
            resolutions.c.anomaly_id,
            manual_entries.c.posted_by,
        )
        .join_from(entries, accounts, accounts.c.id == entry.account_id)
        .outerjoin(
            orders,
            and_(orders.c.store_id == entry.store_id, orders.c.order_id == entry.order_id),
        )
        .outerjoin(
            voided_awards,
            and_(
                voided_awards.c.account_id == entry.account_id,
                voided_awards.c.sequence == entry.sequence,
            ),
        )
        .outerjoin(
            resolutions,
            and_(
                resolutions.c.account_id == entry.account_id,
                resolutions.c.entry_sequence == entry.sequence,
            ),
        )
        .outerjoin(
            manual_entries,
            and_(
                manual_entries.c.account_id == entry.account_id,
                manual_entries.c.sequence == entry.sequence,
            ),
        )
    )
