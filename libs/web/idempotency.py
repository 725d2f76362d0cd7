"""Idempotency keys over HTTP: the header, and the digest of the request that a key stands for."""

import re
from decimal import Context, Decimal
from hashlib import blake2b
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from libs.contracts.headers import IDEMPOTENCY_KEY
from libs.web.body import Faults

# Printable ASCII; a quoted key, as the header's draft standard has it, is the same as a bare one.
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def key_of(header: str | None, faults: Faults) -> str | None:
    """The key in the header, or None without one; an invalid key is a fault."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        faults.header(
            IDEMPOTENCY_KEY,
            "must have 1 to 255 printable ASCII characters, bare or in double quotes",
        )
        return None
    return key


def fingerprint(*, method: str, path: str, query: str, body: bytes) -> bytes:
    """A digest of what the request means: the order of members and parameters, white space and the
    spelling of numbers make no difference. `path` has the store's real id, and `body` passed its
    checks: it is JSON of bounded depth, with numbers of bounded size."""
    meaning = [method, path, sorted(parse_qsl(query, keep_blank_values=True)), _meaning(body)]
    return blake2b(msgspec.msgpack.encode(meaning, order="sorted"), digest_size=16).digest()


def _meaning(body: bytes) -> object:
    try:
        return _plain(_json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body


def _plain(value: object) -> object:
    """The value with equal numbers spelled in the same way."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case bool():
            return value
        case int() | Decimal():
            return str(Decimal(value).normalize(_EXACT))
        case _:
            return value


# Wider than any number within the bounds; a longer number is refused later.
_EXACT: Final = Context(prec=100, Emax=999_999, Emin=-999_999)
_json: Final = msgspec.json.Decoder(float_hook=Decimal)
