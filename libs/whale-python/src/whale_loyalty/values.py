"""The text values that the API has today, for completion in editors and for type checkers.

Each type also accepts any other text: a later API may have more values, and this version still reads them.
"""

# ruff: noqa: PYI051  `str` alone would accept the same values and complete none

from typing import Literal, TypeAlias

AccountStatus: TypeAlias = Literal["active", "suspended"] | str
AnomalyOrder: TypeAlias = Literal["flagged_at", "-flagged_at", "-points_involved"] | str
AnomalyStatus: TypeAlias = Literal["pending_review", "in_review", "resolved"] | str
AnomalyType: TypeAlias = Literal["rapid_earning", "unusual_amount", "deviation"] | str
LetterCode: TypeAlias = (
    Literal["malformed", "invalid", "conflict", "unsupported_version", "defect"] | str
)
LetterTopic: TypeAlias = Literal["order.completed", "order.refunded", "order.fulfilled"] | str
Mode: TypeAlias = Literal["off", "shadow", "review"] | str
OrderState: TypeAlias = Literal["counted", "held", "skipped", "refused"] | str
OrderStateFilter: TypeAlias = Literal["counted", "held", "skipped", "refused", "pending"] | str
ExistingDates: TypeAlias = Literal["kept", "extended", "paused"] | str
ExpiryKind: TypeAlias = Literal["after", "yearly", "inactivity"] | str
Round: TypeAlias = Literal["day", "month", "quarter", "year"] | str
PendingFrom: TypeAlias = Literal["order", "fulfilled"] | str
RefundState: TypeAlias = Literal["counted", "waiting", "conflict"] | str
RedemptionStatus: TypeAlias = (
    Literal["reserved", "confirmed", "used", "cancelling", "cancelled", "released"] | str
)
Resolution: TypeAlias = Literal["approved", "voided", "suspended"] | str
RewardType: TypeAlias = Literal["discount", "shipping", "credit", "perk"] | str
RewardReason: TypeAlias = (
    Literal["inactive", "not_started", "ended", "limit_reached", "out_of_stock", "tier_required"]
    | str
)
SkipReason: TypeAlias = (
    Literal["no_program", "program_inactive", "unknown_program", "other_currency", "not_postable"]
    | str
)
Step: TypeAlias = Literal["orders", "detection", "resolutions", "redemption", "catalog"] | str
TransactionType: TypeAlias = (
    Literal["earn", "redeem", "refund", "void", "cancel", "adjust", "expire", "pend"] | str
)
UnavailableReason: TypeAlias = (
    RewardReason | Literal["program_inactive", "account_suspended", "insufficient_points"]
)
ZeroReason: TypeAlias = Literal["total_is_zero", "below_one_point"] | str
