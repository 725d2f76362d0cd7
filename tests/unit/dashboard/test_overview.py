"""The overview of a busy store: within the size of a page, and moved to where there are postings."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.dashboard.api.resources import create_assets, create_templates
from services.dashboard.domain import formatting, navigation
from services.dashboard.domain.buckets import RANGES, Range
from services.dashboard.domain.keys import keys_of
from services.dashboard.handlers import overview
from services.dashboard.handlers.frame import FrameCounts
from services.dashboard.handlers.panels import Failed
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import ConnectionFailed
from whale_loyalty.models import (
    Anomaly,
    Day,
    ExpirationForecast,
    ForecastDay,
    Page,
    Pipeline,
    PipelineStep,
    Summary,
    TierCount,
)

NOW = datetime(2026, 11, 28, 15, tzinfo=UTC)
TODAY = NOW.date()
ZONE = ZoneInfo("America/New_York")
LARGEST_PAGE = 50_000


def day(at: date) -> Day:
    numbers = random.Random(at.toordinal())
    return Day(
        date=at,
        issued=numbers.randint(10_000, 99_999),
        redeemed=numbers.randint(1_000, 20_000),
        taken_back=numbers.randint(100, 999),
        expired=numbers.randint(1_000, 20_000),
        active_customers=400,
        adjusted=numbers.choice([0, 5]),
        outstanding=1_200_000 + at.toordinal(),
        joined=numbers.randint(0, 30),
    )


def client_of(last_day: date) -> AsyncWhaleClient:
    """A client of a store with postings on every one of the 900 days up to the last one."""

    async def summary(*, from_: date, to: date) -> Summary:
        first_day = last_day - timedelta(days=899)
        start, end = max(from_, first_day), min(to, last_day)
        days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
        return Summary(
            days=[day(one) for one in days],
            points_outstanding=2_000_000,
            customers=23_570,
            tiers=[TierCount(name=name, customers=9_999) for name in ("Bronze", "Silver", "Gold")],
            first_day=first_day,
            last_day=last_day,
            points_pending=310_000,
        )

    async def expirations(*, days: int) -> ExpirationForecast:
        until = NOW + timedelta(days=days)
        return ExpirationForecast(
            as_of=NOW,
            starts_on=TODAY,
            ends_on=TODAY + timedelta(days=days),
            points=50_000 * days,
            data=[
                ForecastDay(
                    points=50_000,
                    customers=1_200,
                    expires_on=TODAY + timedelta(days=number),
                    expires_at=until,
                )
                for number in range(days + 1)
            ],
        )

    async def anomalies(**_query: object) -> Page[Anomaly]:
        data = [
            Anomaly(
                id=f"anom_01a2119a-f52d-756b-8934-131444bb1b{number:02}",
                customer_id=f"cust_{number}@example.com",
                type="rapid_earning",
                description="10 point transactions in 1 minute",
                points_involved=7_500,
                status="pending_review",
                flagged_at=NOW,
            )
            for number in range(100)
        ]
        return Page(data=data, total=231, has_more=True)

    async def rest(**_query: object) -> Page[Any]:
        return Page(data=[], total=12)

    async def pipeline() -> Pipeline:
        step = PipelineStep(name="orders", seconds_behind=0.1, stopped=False)
        return Pipeline(as_of=NOW, services=[], steps=[step])

    lists = SimpleNamespace(list=rest)
    loyalty = SimpleNamespace(
        summary=summary,
        expirations=expirations,
        anomalies=SimpleNamespace(list=anomalies),
        orders=lists,
        dead_letters=lists,
        pipeline=pipeline,
    )
    client: Any = SimpleNamespace(loyalty=loyalty)
    return client


def render(view: overview.Overview, keys: Sequence[object]) -> str:
    variables = {
        "view": view,
        "ranges": RANGES,
        "visit": SimpleNamespace(
            can=lambda _scope: True,
            moment=lambda at: formatting.moment(at, ZONE),
            relative=lambda at: formatting.relative(at, NOW, ZONE),
            query=lambda _name: "",
        ),
        "session": SimpleNamespace(
            shortcuts=True, theme="auto", key_name="Ana", store_id="store_1"
        ),
        "csrf_token": "x" * 43,
        "zone": ZONE,
        "now": NOW,
        "page": "overview",
        "pages": navigation.PAGES,
        "counts": FrameCounts(231, False, True),
        "toast": None,
        "keys": keys,
        "keys_json": msgspec.json.encode(keys).decode(),
        "theme": "auto",
        "here": "/dashboard?range=90d",
    }
    return create_templates(create_assets()).render("pages/overview.html", variables)


@pytest.mark.parametrize("span", RANGES)
async def test_a_page_with_every_chart_full_is_within_its_budget(span: Range) -> None:
    page = render(await overview.load(client_of(TODAY), span, NOW), keys_of("overview"))
    assert page.count('<svg class="plot"') == 5
    # The next 90 days and today are 13 whole weeks.
    assert "Nov 28 – Dec 4, 2026<td>350,000" in page
    assert "Feb 20 – Feb 26, 2027<td>350,000" in page
    assert len(page.encode()) <= LARGEST_PAGE


@pytest.mark.parametrize(
    ("last_day", "span", "first", "is_moved"),
    [
        pytest.param(TODAY, "7d", date(2026, 11, 22), False, id="postings today"),
        pytest.param(date(2026, 11, 22), "7d", date(2026, 11, 22), False, id="on the first day"),
        pytest.param(date(2026, 11, 21), "7d", date(2026, 10, 23), True, id="a day before"),
        pytest.param(date(1998, 6, 30), "12mo", date(1998, 6, 1), True, id="long ago"),
    ],
)
async def test_a_range_without_postings_shows_the_last_30_days_with_some(
    last_day: date, span: Range, first: date, is_moved: bool
) -> None:
    view = await overview.load(client_of(last_day), span, NOW)
    assert not isinstance(view.trend, Failed)
    assert (view.trend.first, view.trend.is_moved) == (first, is_moved)
    assert view.trend.last == (last_day if is_moved else TODAY)
    assert view.trend.figures[0].total > 0


async def test_in_a_store_whose_clock_was_moved_a_range_ends_with_the_last_posting() -> None:
    client = client_of(TODAY + timedelta(days=400))
    firsts: dict[Range, date] = {
        "30d": TODAY + timedelta(days=371),
        "all": TODAY - timedelta(days=499),
    }
    for span, first in firsts.items():
        view = await overview.load(client, span, NOW)
        assert not isinstance(view.trend, Failed)
        assert (view.trend.first, view.trend.last) == (first, TODAY + timedelta(days=400))
        assert view.trend.figures[-1].total == day(view.trend.last).outstanding
        assert not view.trend.is_moved


async def test_an_order_of_tomorrow_does_not_move_the_range() -> None:
    view = await overview.load(client_of(TODAY + timedelta(days=1)), "7d", NOW)
    assert not isinstance(view.trend, Failed)
    assert view.trend.last == TODAY


async def test_points_that_expire_have_a_panel_only_where_some_can() -> None:
    client: Any = client_of(TODAY)
    nothing = ExpirationForecast(as_of=None, starts_on=None, ends_on=None, points=0, data=[])
    later = ExpirationForecast(
        as_of=NOW, starts_on=TODAY, ends_on=TODAY + timedelta(days=90), points=0, data=[]
    )

    async def respond(forecast: ExpirationForecast | Exception) -> str:
        async def expirations(**_query: object) -> ExpirationForecast:
            if isinstance(forecast, Exception):
                raise forecast
            return forecast

        client.loyalty.expirations = expirations
        return render(await overview.load(client, "30d", NOW), keys_of("overview"))

    assert "Points that expire" not in await respond(nothing)
    assert "No points expire in the next 90 days" in await respond(later)
    failed = await respond(ConnectionFailed("The service does not respond."))
    assert 'aria-label="Points that expire"' in failed
    assert "connection_failed" in failed
    assert failed.count('<svg class="plot"') == 4
