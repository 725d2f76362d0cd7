"""How numbers, money and times are written: one function for each, all by Babel."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_compact_decimal, format_currency, format_decimal
from babel.units import format_unit

from libs.kernel.zones import find_zone

_LOCALE: Final = Locale.parse("en_US")
_MINUS: Final = "−"
# Above, a number is shortened: its exact figure stands in the title.
EXACT_UP_TO: Final = 9_999_999
# So long ago, a time is written as a date.
_RELATIVE_FOR: Final = timedelta(days=7)
_MIDNIGHT: Final = datetime.min.time()
UTC_NAME: Final = "UTC"
_MINUTE: Final = 60
_TEN: Final = 10


def number(value: int) -> str:
    """12,500; 12.4M above ten million."""
    if abs(value) > EXACT_UP_TO:
        short = format_compact_decimal(value, locale=_LOCALE, fraction_digits=1)
        return short.replace("-", _MINUS)
    return exact(value)


def exact(value: int) -> str:
    """12,500, whatever its size."""
    return format_decimal(value, locale=_LOCALE).replace("-", _MINUS)


def signed(value: int) -> str:
    """+500, −500 or 0."""
    return f"+{number(value)}" if value > 0 else number(value)


def at_least(count: int, *, is_more: bool) -> str:
    """A count that stops at a limit: 10,000+."""
    return f"{exact(count)}+" if is_more else number(count)


def money(amount: Decimal, currency: str) -> str:
    """$129.50."""
    return format_currency(amount, currency, locale=_LOCALE).replace("-", _MINUS)


def short_money(amount: Decimal | int, currency: str) -> str:
    """$100, and $129.50 where there are cents."""
    text = money(Decimal(amount), currency)
    return text.removesuffix(".00")


def plain_number(value: Decimal) -> str:
    """A rate: 10, 2.5 or 1,250."""
    return format_decimal(value, locale=_LOCALE, format="#,##0.######").replace("-", _MINUS)


def factor(value: Decimal) -> str:
    """A multiplier: 1.5×."""
    return f"{format_decimal(value, locale=_LOCALE, format='0.0#####')}×"


def percent_change(now: float, before: float) -> int | None:
    """By how many percent `now` is more than `before`; None without an earlier figure."""
    return None if before == 0 else round((now - before) * 100 / before)


def moment(value: datetime, zone: ZoneInfo) -> str:
    """Mar 10, 2026, 2:22 PM, in the reader's zone."""
    return _plain(format_datetime(value, "MMM d, y, h:mm a", tzinfo=zone, locale=_LOCALE))


def start(value: datetime, zone: ZoneInfo) -> str:
    """From when something holds, in the reader's zone: Mar 16, 2026, and with the time of day where that is
    not midnight."""
    local = value.astimezone(zone)
    return day(local) if local.time() == _MIDNIGHT else moment(value, zone)


def clock_time(value: datetime, zone: ZoneInfo) -> str:
    """2:22 PM."""
    return _plain(format_time(value.astimezone(zone), "short", tzinfo=zone, locale=_LOCALE))


def relative(value: datetime, now: datetime, zone: ZoneInfo) -> str:
    """4 minutes ago; from a week on, the full time."""
    if not timedelta(0) <= now - value < _RELATIVE_FOR:
        return moment(value, zone)
    return format_timedelta(
        value - now, add_direction=True, threshold=1.2, granularity="second", locale=_LOCALE
    )


def duration(seconds: float) -> str:
    """0.4 sec, 12 sec; 3 minutes from a minute on."""
    if seconds < _MINUTE:
        digits = "0.#" if seconds < _TEN else "0"
        return format_unit(seconds, "duration-second", "short", format=digits, locale=_LOCALE)
    return format_timedelta(timedelta(seconds=seconds), threshold=1.2, locale=_LOCALE)


def day(value: date) -> str:
    """Mar 4, 2026."""
    return format_date(value, "MMM d, y", locale=_LOCALE)


def short_day(value: date) -> str:
    """Mar 4."""
    return format_date(value, "MMM d", locale=_LOCALE)


def month(value: date) -> str:
    """Mar 2026."""
    return format_skeleton("yMMM", value, locale=_LOCALE)


def yearly_day(text: str) -> str:
    """Dec 31, of a yearly date as the API writes it: 12-31. Anything else as it came."""
    try:
        # A year that has every date.
        return short_day(date.fromisoformat(f"2024-{text}"))
    except ValueError:
        return text


def all_of(texts: Iterable[object]) -> str:
    """30, 7, and 1."""
    return format_list([str(text) for text in texts], locale=_LOCALE)


def any_of(texts: Iterable[object]) -> str:
    """Jun 30 or Dec 31."""
    return format_list([str(text) for text in texts], style="or", locale=_LOCALE)


def zone_of(name: str | None) -> ZoneInfo:
    """The zone that a browser names; UTC for what is none."""
    zone = find_zone(name or UTC_NAME) or find_zone(UTC_NAME)
    assert zone is not None
    return zone


def utc_day(value: datetime) -> date:
    return value.astimezone(UTC).date()


def _plain(text: str) -> str:
    """Without the narrow space before AM and PM, which some fonts lack."""
    return text.replace("\u202f", " ")
