"""A TLS connection to a broker that does not confirm its end is closed all the same."""

import asyncio
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from libs.kernel.kafka import KafkaSecurity
from libs.messaging import closing
from libs.messaging.security import tls_context


class Transport:
    """Closes when it is aborted, and otherwise as `confirms` says."""

    def __init__(self, *, confirms: bool) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self.transport = self
        self.was_aborted = False
        self._confirms = confirms

    def close(self) -> None:
        if self._confirms:
            self.lost.set_result(None)

    def abort(self) -> None:
        self.was_aborted = True
        self.lost.set_result(None)


def connection(transport: Transport) -> Any:
    connection = AIOKafkaConnection("broker", 9093)
    connection._reader, connection._writer = object(), transport
    connection._read_task = asyncio.ensure_future(asyncio.sleep(0))
    connection._closed_fut = transport.lost
    return connection


@pytest.mark.parametrize("confirms", [False, True])
async def test_a_connection_is_closed_in_time_by_a_client_with_tls(
    confirms: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AIOKafkaConnection, "close", AIOKafkaConnection.close)
    monkeypatch.setattr(closing, "CLOSE_SECONDS", 0.01)
    tls_context(KafkaSecurity(kafka_security_protocol="SSL"))
    transport = Transport(confirms=confirms)
    closed = connection(transport).close()
    async with asyncio.timeout(60):
        await closed
    await asyncio.sleep(0.05)
    assert transport.was_aborted is not confirms
