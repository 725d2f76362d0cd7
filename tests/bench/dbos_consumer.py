"""DBOS's Kafka consumer: a durable workflow per order, with one transaction on the ledger.

`python -m tests.bench.dbos_consumer LEDGER SYSTEM KAFKA TOPIC EXECUTOR`, both databases' addresses for
psycopg. DBOS is no dependency: it runs in an environment of its own.
"""

import sys
import threading

from dbos import DBOS, KafkaMessage, SQLAlchemyDatasource

from tests.bench.order_transaction import post

# As often as a consumer polls that is in a hurry; the default is a second.
_POLLING_SECONDS = 0.05
# The least that a broker allows: the consumer of the round before was killed, and must not be waited for.
_SESSION_MS = 6_000


def consume(ledger: str, system: str, kafka: str, topic: str, executor: str) -> None:
    DBOS(
        config={
            "name": "bench",
            "application_version": "1",
            "executor_id": executor,
            "system_database_url": system,
            "kafka_queue_polling_interval_sec": _POLLING_SECONDS,
            "log_level": "WARNING",
        }
    )
    datasource = SQLAlchemyDatasource.create(ledger)

    @datasource.transaction(isolation_level="READ COMMITTED")  # type: ignore[untyped-decorator]
    def post_order(value: bytes) -> None:
        post(datasource.sql_session(), value)

    consumer = {
        "bootstrap.servers": kafka,
        "group.id": "bench-dbos",
        "session.timeout.ms": _SESSION_MS,
    }

    @DBOS.kafka_consumer(consumer, [topic])  # type: ignore[untyped-decorator]
    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def handle(message: KafkaMessage) -> None:
        post_order(message.value)

    DBOS.launch()
    threading.Event().wait()


if __name__ == "__main__":
    consume(*sys.argv[1:])
