"""What a change of a program would mean for orders and customers, by the rules of awards and tiers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from services.earning.domain.programs import Program, Tier
from services.earning.domain.tiers import tier_of

# The total of the order that the preview prices, in the program's currency.
ORDER_TOTAL: Final = Decimal("100.00")


class TierPreview(Struct):
    """The points of an order of ORDER_TOTAL in a tier, None where the program does not have the tier or is
    not active, and the number of customers in it. `name` is None for customers without a tier."""

    name: str | None
    points_before: int | None
    points_after: int | None
    customers_before: int = 0
    customers_after: int = 0


class ProgramPreview(Struct, frozen=True):
    """The tiers of the program before or after the change, by min_points, and how many customers would get
    a higher or a lower tier."""

    tiers: list[TierPreview]
    without_tier: TierPreview
    moves_up: int
    moves_down: int


def lifetime_bounds(before: Program, after: Program) -> list[int]:
    """The lifetimes at which a customer's tier changes in either version, ascending."""
    return sorted({tier.min_points for tier in (*before.tiers, *after.tiers)})


def preview(before: Program, after: Program, customers: Mapping[int, int]) -> ProgramPreview:
    """What changes if `after` replaces `before`. `customers` counts them by the number of
    `lifetime_bounds` that their lifetime has reached."""
    starts = [0, *lifetime_bounds(before, after)]
    by_name = {
        name: TierPreview(name, _price(before, name), _price(after, name))
        for name in (None, *_names_by_min_points(before, after))
    }
    moves_up = moves_down = 0
    for reached, count in customers.items():
        held = tier_of(before, starts[reached])
        held_after = tier_of(after, starts[reached])
        by_name[_name(held)].customers_before += count
        by_name[_name(held_after)].customers_after += count
        change = _rank_change(before, after, held, held_after)
        moves_up += count if change > 0 else 0
        moves_down += count if change < 0 else 0
    without_tier = by_name.pop(None)
    return ProgramPreview(list(by_name.values()), without_tier, moves_up, moves_down)


def _name(tier: Tier | None) -> str | None:
    return None if tier is None else tier.name


def _find(program: Program, name: str | None) -> Tier | None:
    return next((tier for tier in program.tiers if tier.name == name), None)


def _names_by_min_points(before: Program, after: Program) -> list[str]:
    """The names of all tiers; a tier of both versions stands where it is afterwards."""
    starts = {tier.name: tier.min_points for tier in (*before.tiers, *after.tiers)}
    return sorted(starts, key=lambda name: starts[name])


def _price(program: Program, name: str | None) -> int | None:
    tier = _find(program, name)
    if not program.is_active or _name(tier) != name:
        return None
    return program.price(ORDER_TOTAL, tier)


def _rank_change(
    before: Program, after: Program, held: Tier | None, held_after: Tier | None
) -> int:
    """How far a customer rises, negative for a fall, from the tier `held` in `before` to `held_after` in
    `after`. Tiers are the same if their names are, and ranked where both are known; a tier that was only
    renamed keeps its rank."""
    if _name(held) == _name(held_after):
        return 0
    if held is None or held_after is None:
        return 1 if held is None else -1
    for program in (before, after):
        first, second = _find(program, held.name), _find(program, held_after.name)
        if first is not None and second is not None:
            return program.tiers.index(second) - program.tiers.index(first)
    return after.tiers.index(held_after) - before.tiers.index(held)
