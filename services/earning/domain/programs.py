"""Programs: rate and tiers, and which program prices an order."""

from bisect import bisect_right
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

from libs.contracts.api import SkipReason
from libs.contracts.numbers import EXACT


@lru_cache(maxsize=1_024)
def program_id(program: UUID) -> str:
    """The id of a program as callers see it."""
    return f"loy_{program}"


class Tier(Struct, frozen=True):
    """Held from `min_points` lifetime points on; scales awards by `multiplier`."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: tuple[str, ...] | None = None


class Program(Struct, frozen=True):
    """One version of a program; `tiers` are sorted by min_points. With `keep_items`, the lines of its orders are
    kept."""

    id: UUID
    version_id: int
    name: str
    points_per_dollar: Decimal
    currency: str
    is_active: bool
    created_at: datetime
    tiers: tuple[Tier, ...] = ()
    version: int = 1
    keep_items: bool = False
    # Derived: where each tier begins.
    minimums: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "minimums", tuple(tier.min_points for tier in self.tiers))

    def tier_at(self, lifetime: int) -> Tier | None:
        """The tier that `lifetime` points hold: the highest with `min_points <= lifetime`. None below
        the lowest tier."""
        above = bisect_right(self.minimums, lifetime)
        return self.tiers[above - 1] if above else None

    def price(self, total: Decimal, tier: Tier | None) -> int:
        """The points for an order: floor(total x points_per_dollar x multiplier), exactly. The
        multiplier is one without a tier."""
        rate = self.points_per_dollar
        if tier is not None:
            rate = EXACT.multiply(rate, tier.multiplier)
        return int(EXACT.multiply(total, rate))


class ProgramVersion(Struct, frozen=True):
    """A version of a program, who made it, and when. `changed_by` is the name of a key, None if it was not
    recorded."""

    program: Program
    changed_by: str | None
    changed_at: datetime


class StorePrograms(Struct, frozen=True):
    """A store's programs, oldest first, and how far its clock was moved forward."""

    all: tuple[Program, ...] = ()
    clock_shift: timedelta = timedelta(0)

    @property
    def keep_items(self) -> bool:
        """Whether any of them keeps the lines of its orders."""
        return any(program.keep_items for program in self.all)

    def find(self, program_id: UUID | None) -> Program | None:
        """The program with that id, or None."""
        return next((program for program in self.all if program.id == program_id), None)

    @property
    def default(self) -> Program | None:
        """The oldest active program, whose tiers customers are shown."""
        for program in self.all:
            if program.is_active:
                return program
        return None

    def select(self, program_id: str | None, currency: str) -> Program | SkipReason:
        """The program that prices an order, or why the order is skipped.

        `program_id` is the one the order names (`loy_<uuid>`), None for the default.
        """
        program = self._find_active(program_id)
        if isinstance(program, Program) and program.currency != currency:
            return "other_currency"
        return program

    def describe_skip(
        self, reason: SkipReason, program_id: str | None, currency: str
    ) -> str | None:
        """What of a skipped order does not fit these programs, which may have changed since; None where
        the reason says it all."""
        if reason == "unknown_program":
            return f"The order names the program {program_id}, which this store does not have."
        if reason == "program_inactive" and program_id is not None:
            return f"The order names the program {program_id}, which was not active."
        if reason != "other_currency":
            return None
        program = self._find_active(program_id)
        if isinstance(program, Program) and program.currency != currency:
            return f"The order is in {currency}, the program in {program.currency}."
        return f"The order is in {currency}; the program was in another currency."

    def _find_active(self, program_id: str | None) -> Program | SkipReason:
        if not self.all:
            return "no_program"
        if program_id is None:
            return self.default or "program_inactive"
        named = next((program for program in self.all if f"loy_{program.id}" == program_id), None)
        if named is None:
            return "unknown_program"
        return named if named.is_active else "program_inactive"
