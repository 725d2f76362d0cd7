"""Ports are chosen for services before the services listen on them, and checked before a stack starts."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tools.stack import config, ports
from tools.stack.errors import StackError


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that a process listens on."""
    with socket.socket() as listener:
        listener.bind((config.LOOPBACK, config.free_port()))
        listener.listen()
        yield listener.getsockname()[1]


def test_no_port_is_chosen_twice_and_none_that_is_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_FREE_COUNT", 200)
    excluded = range(config._FREE_FROM, config._FREE_FROM + 100)
    assigned = config.free_ports(40, apart_from=excluded)
    assert len(set(assigned)) == len(assigned)
    assert set(assigned).isdisjoint(excluded)


def test_the_error_has_the_command_that_moves_all_ports_in_use(busy: int) -> None:
    first = busy - 2
    needed = {
        "WHALE_GATEWAY_PORT": [busy],
        "WHALE_KAFKA_PORT": [config.free_port(apart_from={busy})],
        "WHALE_METRICS_PORT": list(range(first, first + 5)),
    }
    with pytest.raises(StackError) as caught:
        ports.check_free(needed)
    text = str(caught.value)
    assert f"{busy} (WHALE_GATEWAY_PORT)" in text
    assert "(WHALE_METRICS_PORT)" in text
    assert "WHALE_KAFKA_PORT" not in text
    command = dict(word.split("=") for word in text.rpartition(": ")[2].split()[:-2])
    assert set(command) == {"WHALE_GATEWAY_PORT", "WHALE_METRICS_PORT"}
    metrics = int(command["WHALE_METRICS_PORT"])
    assigned = {"gateway": [int(command["WHALE_GATEWAY_PORT"])]}
    ports.check_free(assigned | {"metrics": list(range(metrics, metrics + 5))})


def test_a_suggested_port_resembles_the_one_in_use(
    busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ports._find_free([8_080], set())[0] % 10_000 >= 8_080
    assert ports._find_free([31_000], {10_000, 10_001})[0] > 10_001
    monkeypatch.setattr(ports, "_END", 0)
    with pytest.raises(StackError, match="No ports are free"):
        ports.check_free({"WHALE_GATEWAY_PORT": [busy]})


def test_settings_never_get_the_same_ports() -> None:
    with contextlib.ExitStack() as listeners:
        needed = {}
        for name in ("WHALE_GATEWAY_PORT", "WHALE_KAFKA_PORT", "WHALE_REDIS_PORT"):
            # So high that none of them has a similar port below the ephemeral ones.
            listener = listeners.enter_context(socket.socket())
            listener.bind((config.LOOPBACK, 0))
            needed[name] = [listener.getsockname()[1]]
        with pytest.raises(StackError) as caught:
            ports.check_free(needed)
    command = str(caught.value).rpartition(": ")[2].split()[:-2]
    assert len({word.partition("=")[2] for word in command}) == len(needed)
