"""The API's response models. Members that this version does not know are ignored.

Points are integers. Rates, multipliers and money are exact decimals. Times are in UTC. A member that the
response omits is None.
"""

from whale_loyalty.models.anomalies import (
    Anomaly,
    AnomalySettings,
    Backtest,
    BacktestDay,
    BacktestDetector,
    Deviation,
    RapidEarning,
    Recall,
    UnusualAmount,
)
from whale_loyalty.models.base import Model, Page, SettingWarning
from whale_loyalty.models.customers import CustomerStatus, HeldTier, NextTier, RecentTransaction
from whale_loyalty.models.dead_letters import DeadLetter, DeadLetterVerdict, DeadLetterVerdicts
from whale_loyalty.models.events import EventInput, EventsAnswer, EventVerdict
from whale_loyalty.models.expirations import (
    ExpirationForecast,
    ExpiringPoints,
    ForecastDay,
    PendingPoints,
)
from whale_loyalty.models.orders import Order, OrderLetter, OrderVerdict, OrderVerdicts, Refund
from whale_loyalty.models.programs import (
    DatesPreview,
    ExpirationPreview,
    Expiry,
    NoTierPreview,
    OrderPreview,
    Pending,
    Program,
    ProgramPreview,
    ProgramVersion,
    Tier,
    TierInput,
    TierPreview,
)
from whale_loyalty.models.rewards import Redemption, Reward, RewardRef, RewardValue, RewardVersion
from whale_loyalty.models.summary import Day, Summary, TierCount
from whale_loyalty.models.system import CallingKey, Clock, Pipeline, PipelineStep, ServiceState
from whale_loyalty.models.transactions import (
    AwardInput,
    BatchAnswer,
    LotRef,
    Redeemed,
    Transaction,
    Verdict,
)

__all__ = [
    "Anomaly",
    "AnomalySettings",
    "AwardInput",
    "Backtest",
    "BacktestDay",
    "BacktestDetector",
    "BatchAnswer",
    "CallingKey",
    "Clock",
    "CustomerStatus",
    "DatesPreview",
    "Day",
    "DeadLetter",
    "DeadLetterVerdict",
    "DeadLetterVerdicts",
    "Deviation",
    "EventInput",
    "EventVerdict",
    "EventsAnswer",
    "ExpirationForecast",
    "ExpirationPreview",
    "ExpiringPoints",
    "Expiry",
    "ForecastDay",
    "HeldTier",
    "LotRef",
    "Model",
    "NextTier",
    "NoTierPreview",
    "Order",
    "OrderLetter",
    "OrderPreview",
    "OrderVerdict",
    "OrderVerdicts",
    "Page",
    "Pending",
    "PendingPoints",
    "Pipeline",
    "PipelineStep",
    "Program",
    "ProgramPreview",
    "ProgramVersion",
    "RapidEarning",
    "Recall",
    "RecentTransaction",
    "Redeemed",
    "Redemption",
    "Refund",
    "Reward",
    "RewardRef",
    "RewardValue",
    "RewardVersion",
    "ServiceState",
    "SettingWarning",
    "Summary",
    "Tier",
    "TierCount",
    "TierInput",
    "TierPreview",
    "Transaction",
    "UnusualAmount",
    "Verdict",
]
