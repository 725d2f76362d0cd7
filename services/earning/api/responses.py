"""Responses in the shapes of /v1: programs, transactions, customers, summaries."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from msgspec import UNSET, UnsetType

from libs.contracts import api, internal, program_api
from libs.contracts.events import LotRef, RewardRef
from libs.contracts.numbers import plain, with_decimal
from libs.kernel.clock import format_time
from libs.kernel.errors import WhaleError
from libs.kernel.ids import time_of
from libs.persistence.idempotency import StoredResponse
from services.earning.domain import entry_lots
from services.earning.domain.account_views import ExpiringPoints
from services.earning.domain.accounts import Entry, ManualEntry, transaction_id
from services.earning.domain.dates import Day, to_date
from services.earning.domain.program_dates import DatesPreview, OrderPreview
from services.earning.domain.program_previews import ORDER_TOTAL, ProgramPreview, TierPreview
from services.earning.domain.programs import Program, ProgramVersion, program_id
from services.earning.domain.tiers import next_tier, tier_of
from services.earning.handlers.account_points import Expirations, PendingPoints
from services.earning.handlers.customers import CustomerStatus
from services.earning.handlers.forecasts import ExpirationForecast
from services.earning.handlers.posting import Result
from services.earning.handlers.programs import ProgramView
from services.earning.handlers.summary import Summary


def program(view: ProgramView) -> program_api.Program:
    """A program, its tiers sorted by min_points."""
    version = view.program
    return program_api.Program(
        id=program_id(version.id),
        name=version.name,
        points_per_dollar=plain(version.points_per_dollar),
        tiers=_tiers(version),
        is_active=version.is_active,
        created_at=format_time(version.created_at.astimezone(UTC)),
        currency=version.currency,
        is_default=view.is_default,
        warnings=list(view.warnings) or UNSET,
        version=version.version,
        keep_items=version.keep_items,
        **_lifecycle(version),
    )


def program_version(version: ProgramVersion) -> program_api.ProgramVersion:
    """A version of a program, its tiers sorted by min_points."""
    program = version.program
    return program_api.ProgramVersion(
        id=program_id(program.id),
        name=program.name,
        points_per_dollar=plain(program.points_per_dollar),
        tiers=_tiers(program),
        is_active=program.is_active,
        created_at=format_time(program.created_at.astimezone(UTC)),
        currency=program.currency,
        version=program.version,
        changed_by=version.changed_by or UNSET,
        changed_at=format_time(version.changed_at.astimezone(UTC)),
        keep_items=program.keep_items,
        **_lifecycle(program),
    )


def _lifecycle(program: Program) -> dict[str, Any]:
    """The settings of expiry and pending points, as they were sent; unset ones are left out."""
    settings = {
        "time_zone": program.time_zone,
        "expiry": program.expiry,
        "remind_days": None if program.remind_days is None else list(program.remind_days),
        "pending": program.pending,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _tiers(program: Program) -> list[program_api.Tier]:
    return [
        program_api.Tier(
            name=tier.name,
            min_points=tier.min_points,
            multiplier=with_decimal(tier.multiplier),
            perks=UNSET if tier.perks is None else list(tier.perks),
        )
        for tier in program.tiers
    ]


def program_preview(
    preview: ProgramPreview, dates: DatesPreview | None
) -> program_api.ProgramPreview:
    """What a change of a program would mean, its tiers by min_points."""
    return program_api.ProgramPreview(
        order_total=str(ORDER_TOTAL),
        tiers=[
            program_api.TierPreview(name=tier.name, **_effects(tier))
            for tier in preview.tiers
            if tier.name is not None
        ],
        moves_up=preview.moves_up,
        moves_down=preview.moves_down,
        without_tier=program_api.NoTierPreview(**_effects(preview.without_tier)),
        dates=UNSET if dates is None else _dates(dates),
    )


def _dates(dates: DatesPreview) -> program_api.DatesPreview:
    return program_api.DatesPreview(
        time_zone=dates.time_zone or UNSET,
        expirations=[
            program_api.ExpirationPreview(
                available_on=_date(each.available_on),
                expires_on=_date(each.expires_on),
                reminders_on=[_date(day) for day in each.reminders_on],
            )
            for each in dates.expirations
        ],
        order=UNSET if dates.order is None else _order_dates(dates.order),
        existing=dates.existing or UNSET,
    )


def _order_dates(order: OrderPreview) -> program_api.OrderPreview:
    return program_api.OrderPreview(
        completed_on=_date(order.completed_on),
        available_on=_date(order.available_on),
        waits_for=UNSET if order.gives_up_on is None else "fulfilled",
        gives_up_on=UNSET if order.gives_up_on is None else _date(order.gives_up_on),
        expires_on=UNSET if order.expires_on is None else _date(order.expires_on),
    )


def _date(day: Day) -> str:
    return to_date(day).isoformat()


def _effects(tier: TierPreview) -> dict[str, Any]:
    return {
        "points_before": UNSET if tier.points_before is None else tier.points_before,
        "points_after": UNSET if tier.points_after is None else tier.points_after,
        "customers_before": tier.customers_before,
        "customers_after": tier.customers_after,
    }


def transaction(entry: Entry, customer_id: str, *, posted_by: str | None = None) -> api.Transaction:
    """A new entry of the ledger, of the customer; of a manual one, the name of the key that posted it."""
    return api.Transaction(
        id=transaction_id(entry.id),
        customer_id=customer_id,
        type=entry.type,
        points=entry.points,
        reason=entry.reason,
        balance_after=entry.balance_after,
        created_at=format_time(time_of(entry.id)),
        reward=entry.reward or UNSET,
        order_id=entry.order_id or UNSET,
        redemption_id=entry.redemption_id or UNSET,
        occurred_at=format_time(entry.occurred_at),
        clawed_back=0 if entry.type == "earn" else UNSET,
        posted_by=posted_by or UNSET,
        lots=_lots(entry.lots),
        pending=entry.pending or UNSET,
        covered=entry.covered or UNSET,
        available_at=UNSET if entry.available_at is None else format_time(entry.available_at),
    )


def _lots(note: str | None) -> list[LotRef] | UnsetType:
    return entry_lots.lot_refs(note) or UNSET


def recorded_debit(row: Any) -> internal.RecordedDebit:
    """A debit read from the ledger: as in the response to the request that debited."""
    return internal.RecordedDebit(
        redemption_id=row["redemption_id"],
        transaction_id=transaction_id(row["id"]),
        balance_after=row["balance_after"],
        created_at=format_time(time_of(str(row["id"]))),
    )


def stored_transaction(row: Any) -> api.Transaction:
    """An entry read from the ledger: the same bytes as when it was posted, until it is clawed back."""
    return api.Transaction(
        id=transaction_id(row["id"]),
        customer_id=row["customer_id"],
        type=row["type"],
        points=row["points"],
        reason=row["reason"],
        balance_after=row["balance_after"],
        created_at=format_time(time_of(str(row["id"]))),
        reward=UNSET
        if row["reward_id"] is None
        else RewardRef(row["reward_id"], row["reward_name"]),
        order_id=row["order_id"] or UNSET,
        redemption_id=row["redemption_id"] or UNSET,
        occurred_at=format_time(row["occurred_at"].astimezone(UTC)),
        clawed_back=UNSET if row["clawed_back"] is None else row["clawed_back"],
        anomaly_id=row["anomaly_id"] or UNSET,
        posted_by=row["posted_by"] or UNSET,
        lots=_lots(row["lots"]),
        pending=row["pending"] or UNSET,
        covered=row["covered"] or UNSET,
        available_at=UNSET
        if row["available_at"] is None
        else format_time(row["available_at"].astimezone(UTC)),
    )


def created_transaction(results: Sequence[Result]) -> StoredResponse:
    """The response to a single posting: 201 with its transaction. Raises its refusal."""
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, ManualEntry)
    return StoredResponse(201, api.encode(manual_transaction(result)))


def manual_transaction(manual: ManualEntry) -> api.Transaction:
    """A new entry that a person posted."""
    return transaction(manual.entry, manual.customer_id, posted_by=manual.posted_by)


def customer_status(status: CustomerStatus) -> api.CustomerStatus:
    """A customer's status, without transactions if none were read."""
    account, view, recent = status.account, status.view, status.recent_entries
    next_expiration = view.next_expiration
    return api.CustomerStatus(
        customer_id=account["customer_id"],
        points_balance=view.balance,
        lifetime_points=account["lifetime"],
        tier=_held_tier(status.program, account["lifetime"]),
        transactions=UNSET
        if recent is None
        else [
            api.RecentTransaction(
                id=transaction_id(entry.id),
                type=entry.type,
                points=entry.points,
                reason=entry.reason,
                created_at=format_time(time_of(entry.id)),
            )
            for entry in recent
        ],
        member_since=format_time(account["member_since"].astimezone(UTC)),
        status="suspended" if account["suspended"] else "active",
        status_note=account["status_note"] or UNSET,
        status_by=account["status_by"] or UNSET,
        status_changed_at=UNSET
        if account["status_changed_at"] is None
        else format_time(account["status_changed_at"].astimezone(UTC)),
        points_pending=view.pending or UNSET,
        next_expiration=UNSET if next_expiration is None else expiring_points(next_expiration),
    )


def expiring_points(expiring: ExpiringPoints) -> api.ExpiringPoints:
    """Points and their last day."""
    return api.ExpiringPoints(
        points=expiring.points,
        expires_on=expiring.expires_on.isoformat(),
        expires_at=format_time(expiring.expires_at),
    )


def expirations(value: Expirations) -> api.Expirations:
    """A page of the points that expire, and the points that never do."""
    return api.Expirations(
        data=[expiring_points(item) for item in value.page.items],
        total=value.page.counted,
        has_more=value.page.has_more,
        without_date=value.without_date,
    )


def expiration_forecast(forecast: ExpirationForecast) -> api.ExpirationForecast:
    """The points of a store that expire, by last day."""
    return api.ExpirationForecast(
        as_of=None if forecast.as_of is None else format_time(forecast.as_of),
        starts_on=None if forecast.starts_on is None else forecast.starts_on.isoformat(),
        ends_on=None if forecast.ends_on is None else forecast.ends_on.isoformat(),
        points=sum(day.points for day in forecast.days),
        data=[
            api.ForecastDay(
                points=day.points,
                customers=day.customers,
                expires_on=day.expires_on.isoformat(),
                expires_at=format_time(day.expires_at),
            )
            for day in forecast.days
        ],
    )


def pending_points(value: PendingPoints) -> api.PendingPoints:
    """The points of an order that wait."""
    available_at, gives_up_at = value.available_at, value.gives_up_at
    return api.PendingPoints(
        transaction_id=value.transaction_id,
        order_id=value.order_id,
        points=value.points,
        available_at=None if available_at is None else format_time(available_at),
        waits_for=value.waits_for or UNSET,
        gives_up_at=UNSET if gives_up_at is None else format_time(gives_up_at),
    )


def _held_tier(program: Program | None, lifetime: int) -> api.HeldTier | None:
    held = tier_of(program, lifetime)
    if program is None or held is None:
        return None
    above = next_tier(program, lifetime)
    return api.HeldTier(
        name=held.name,
        multiplier=with_decimal(held.multiplier),
        next_tier=None
        if above is None
        else api.NextTier(name=above.name, points_needed=above.min_points - lifetime),
    )


def summary(read: Summary) -> api.Summary:
    """The summary, its tiers in the order of their min_points."""
    totals = read.totals
    return api.Summary(
        days=[
            api.Day(
                date=row["day"].isoformat(),
                issued=row["issued"],
                redeemed=row["redeemed"],
                taken_back=row["taken_back"],
                expired=row["expired"],
                active_customers=row["active_customers"],
                adjusted=row["adjusted"],
                outstanding=totals.points - row["added_later"],
                joined=totals.joined.get(row["day"], 0),
            )
            for row in read.days
        ],
        points_outstanding=totals.points,
        customers=totals.customers,
        tiers=[
            api.TierCount(name=name, customers=customers)
            for name, customers in totals.customers_by_tier.items()
        ],
        first_day=None if read.first_day is None else read.first_day.isoformat(),
        last_day=None if read.last_day is None else read.last_day.isoformat(),
        points_pending=totals.pending_points or UNSET,
    )
