"""The blocking client's tree: which method sends which operation."""

from whale_loyalty._method import Resource, call, paged
from whale_loyalty._operations import accounts, anomalies, events, orders, programs, rewards, system
from whale_loyalty._transport import Transport


class Programs(Resource):
    """Programs: the earning rate and the tiers."""

    list = paged(programs.list_programs)
    create = call(programs.create)
    retrieve = call(programs.retrieve)
    update = call(programs.update)
    preview = call(programs.preview)
    preview_new = call(programs.preview_new)
    versions = paged(programs.list_versions)


class Customers(Resource):
    """The store's customers."""

    list = paged(accounts.list_customers)
    retrieve = call(accounts.get)
    update = call(accounts.update_customer)
    expirations = paged(accounts.list_expirations)
    pending = paged(accounts.list_pending)


class Rewards(Resource):
    """The rewards catalog."""

    list = paged(rewards.list_rewards)
    create = call(rewards.create)
    retrieve = call(rewards.retrieve)
    update = call(rewards.update)
    delete = call(rewards.delete)
    versions = paged(rewards.list_versions)


class Transactions(Resource):
    """The ledger's transactions."""

    list = paged(accounts.list_transactions)
    retrieve = call(accounts.retrieve_transaction)


class Orders(Resource):
    """What became of the shop's orders."""

    list = paged(orders.list_orders)
    release = call(orders.release)
    recheck = call(orders.recheck)


class Refunds(Resource):
    """Refunds of the shop's orders."""

    list = paged(orders.list_refunds)


class DeadLetters(Resource):
    """Orders and refunds that could not be processed."""

    list = paged(orders.list_dead_letters)
    retrieve = call(orders.retrieve_dead_letter)
    replay = call(orders.replay_dead_letter)
    replay_many = call(orders.replay_dead_letters)
    drop = call(orders.drop_dead_letter)


class Anomalies(Resource):
    """Suspicious earnings and their review."""

    list = paged(anomalies.list_anomalies)
    retrieve = call(anomalies.retrieve)
    update = call(anomalies.update)


class AnomalyDetection(Resource):
    """The settings of the anomaly detectors."""

    get = call(anomalies.get_settings)
    update = call(anomalies.update_settings)
    backtest = call(anomalies.backtest)


class Redemptions(Resource):
    """Redemptions of rewards, and their status."""

    list = paged(rewards.list_redemptions)
    retrieve = call(rewards.retrieve_redemption)
    cancel = call(rewards.cancel)
    use = call(rewards.use)
    use_code = call(rewards.use_code)


class Clock(Resource):
    """The store's clock, on a local system."""

    get = call(system.get_clock)
    move = call(system.move_clock)


class Loyalty(Resource):
    """Points and rewards."""

    earn = call(accounts.earn)
    earn_batch = call(accounts.earn_batch)
    adjust = call(accounts.adjust)
    redeem = call(accounts.redeem)
    summary = call(accounts.summary)
    expirations = call(accounts.forecast_expirations)
    pipeline = call(system.get_pipeline)

    # Second names: of the methods of `Programs`, and of `Customers.retrieve`.
    create = call(programs.create)
    update = call(programs.update)
    list = paged(programs.list_programs)
    retrieve = call(programs.retrieve)
    get = call(accounts.get)

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.customers = Customers(transport)
        self.rewards = Rewards(transport)
        self.transactions = Transactions(transport)
        self.orders = Orders(transport)
        self.refunds = Refunds(transport)
        self.dead_letters = DeadLetters(transport)
        self.anomalies = Anomalies(transport)
        self.anomaly_settings = AnomalyDetection(transport)
        self.redemptions = Redemptions(transport)
        self.clock = Clock(transport)


class Events(Resource):
    """Events over REST, for shops that do not publish to Kafka."""

    send = call(events.send)
    send_batch = call(events.send_batch)
    order_completed = call(events.order_completed)
    order_refunded = call(events.order_refunded)
    order_fulfilled = call(events.order_fulfilled)


class Key(Resource):
    """The client's own API key."""

    retrieve = call(system.get_key)
