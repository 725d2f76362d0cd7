"""The async client's tree: which method sends which operation."""

from whale_loyalty._method import AsyncResource, async_call, async_paged
from whale_loyalty._operations import accounts, anomalies, events, orders, programs, rewards, system
from whale_loyalty._transport import AsyncTransport


class AsyncPrograms(AsyncResource):
    """Programs: the earning rate and the tiers."""

    list = async_paged(programs.list_programs)
    create = async_call(programs.create)
    retrieve = async_call(programs.retrieve)
    update = async_call(programs.update)
    preview = async_call(programs.preview)
    preview_new = async_call(programs.preview_new)
    versions = async_paged(programs.list_versions)


class AsyncCustomers(AsyncResource):
    """The store's customers."""

    list = async_paged(accounts.list_customers)
    retrieve = async_call(accounts.get)
    update = async_call(accounts.update_customer)
    expirations = async_paged(accounts.list_expirations)
    pending = async_paged(accounts.list_pending)


class AsyncRewards(AsyncResource):
    """The rewards catalog."""

    list = async_paged(rewards.list_rewards)
    create = async_call(rewards.create)
    retrieve = async_call(rewards.retrieve)
    update = async_call(rewards.update)
    delete = async_call(rewards.delete)
    versions = async_paged(rewards.list_versions)


class AsyncTransactions(AsyncResource):
    """The ledger's transactions."""

    list = async_paged(accounts.list_transactions)
    retrieve = async_call(accounts.retrieve_transaction)


class AsyncOrders(AsyncResource):
    """What became of the shop's orders."""

    list = async_paged(orders.list_orders)
    release = async_call(orders.release)
    recheck = async_call(orders.recheck)


class AsyncRefunds(AsyncResource):
    """Refunds of the shop's orders."""

    list = async_paged(orders.list_refunds)


class AsyncDeadLetters(AsyncResource):
    """Orders and refunds that could not be processed."""

    list = async_paged(orders.list_dead_letters)
    retrieve = async_call(orders.retrieve_dead_letter)
    replay = async_call(orders.replay_dead_letter)
    replay_many = async_call(orders.replay_dead_letters)
    drop = async_call(orders.drop_dead_letter)


class AsyncAnomalies(AsyncResource):
    """Suspicious earnings and their review."""

    list = async_paged(anomalies.list_anomalies)
    retrieve = async_call(anomalies.retrieve)
    update = async_call(anomalies.update)


class AsyncAnomalyDetection(AsyncResource):
    """The settings of the anomaly detectors."""

    get = async_call(anomalies.get_settings)
    update = async_call(anomalies.update_settings)
    backtest = async_call(anomalies.backtest)


class AsyncRedemptions(AsyncResource):
    """Redemptions of rewards, and their status."""

    list = async_paged(rewards.list_redemptions)
    retrieve = async_call(rewards.retrieve_redemption)
    cancel = async_call(rewards.cancel)
    use = async_call(rewards.use)
    use_code = async_call(rewards.use_code)


class AsyncClock(AsyncResource):
    """The store's clock, on a local system."""

    get = async_call(system.get_clock)
    move = async_call(system.move_clock)


class AsyncLoyalty(AsyncResource):
    """Points and rewards."""

    earn = async_call(accounts.earn)
    earn_batch = async_call(accounts.earn_batch)
    adjust = async_call(accounts.adjust)
    redeem = async_call(accounts.redeem)
    summary = async_call(accounts.summary)
    expirations = async_call(accounts.forecast_expirations)
    pipeline = async_call(system.get_pipeline)

    # Second names: of the methods of `AsyncPrograms`, and of `AsyncCustomers.retrieve`.
    create = async_call(programs.create)
    update = async_call(programs.update)
    list = async_paged(programs.list_programs)
    retrieve = async_call(programs.retrieve)
    get = async_call(accounts.get)

    def __init__(self, transport: AsyncTransport) -> None:
        super().__init__(transport)
        self.customers = AsyncCustomers(transport)
        self.rewards = AsyncRewards(transport)
        self.transactions = AsyncTransactions(transport)
        self.orders = AsyncOrders(transport)
        self.refunds = AsyncRefunds(transport)
        self.dead_letters = AsyncDeadLetters(transport)
        self.anomalies = AsyncAnomalies(transport)
        self.anomaly_settings = AsyncAnomalyDetection(transport)
        self.redemptions = AsyncRedemptions(transport)
        self.clock = AsyncClock(transport)


class AsyncEvents(AsyncResource):
    """Events over REST, for shops that do not publish to Kafka."""

    send = async_call(events.send)
    send_batch = async_call(events.send_batch)
    order_completed = async_call(events.order_completed)
    order_refunded = async_call(events.order_refunded)
    order_fulfilled = async_call(events.order_fulfilled)


class AsyncKey(AsyncResource):
    """The client's own API key."""

    retrieve = async_call(system.get_key)
