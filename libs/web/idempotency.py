"""Idempotency keys on the wire: the header, and the digest of the request it stands for."""

import re
from hashlib import blake2b
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from libs.kernel.errors import Fault, InvalidRequest

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Hit"

# Printable ASCII; a quoted key, as the header's draft standard has it, is the same as a bare one.
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def key_of(header: str | None) -> str | None:
    """The key in the header, or None without one; raises InvalidRequest for a faulty one."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        detail = "1-255 printable characters, bare or in double quotes"
        raise InvalidRequest(
            f"{HEADER}: {detail}", errors=[Fault(detail=detail, header=HEADER)]
        )
    return key


def fingerprint(*, method: str, path: str, query: str, body: bytes) -> bytes:
    """A digest of what the request means: the order of members and parameters, white space and the
    spelling of numbers make no difference. `path` has the store's real id."""
    meaning = [method, path, sorted(parse_qsl(query, keep_blank_values=True)), _meaning(body)]
    return blake2b(msgspec.msgpack.encode(meaning, order="sorted"), digest_size=16).digest()


def _meaning(body: bytes) -> object:
    try:
        return _plain(msgspec.json.decode(body, float_hook=_number))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body


def _number(text: str) -> object:
    from decimal import Decimal

    value = Decimal(text)
    return int(value) if value == value.to_integral_value() and abs(value) < 10**18 else str(value.normalize())


def _plain(value: object) -> object:
    """Integers too large for msgpack as text; the rest as it is."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case int() if abs(value) >= 2**63:
            return str(value)
        case _:
            return value
