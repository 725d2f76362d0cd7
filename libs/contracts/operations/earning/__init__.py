"""The operations of the earning service, in the order of the reference."""

from typing import Final

from libs.contracts.operations.earning.clock import CLOCK
from libs.contracts.operations.earning.customers import CUSTOMERS
from libs.contracts.operations.earning.orders import ORDERS
from libs.contracts.operations.earning.points import POINTS
from libs.contracts.operations.earning.programs import PROGRAMS
from libs.contracts.operations.earning.transactions import TRANSACTIONS
from libs.contracts.operations.operation import Operation

EARNING: Final[tuple[Operation, ...]] = (
    *PROGRAMS,
    *POINTS,
    *ORDERS,
    *CUSTOMERS,
    *CLOCK,
    *TRANSACTIONS,
)
