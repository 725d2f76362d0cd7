"""Idempotency keys over HTTP: the header, and the digest of the request that a key belongs to."""

import re
from decimal import Context, Decimal
from hashlib import blake2b
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from libs.contracts.headers import IDEMPOTENCY_KEY
from libs.web.body import Faults

# Printable ASCII. The header's draft standard quotes the key; a quoted key equals an unquoted one.
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def key_of(header: str | None, faults: Faults) -> str | None:
    """The key in the header, or None without one; an invalid key is added to `faults`."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        faults.header(
            IDEMPOTENCY_KEY,
            "must have 1 to 255 printable ASCII characters, optionally in double quotes",
        )
        return None
    return key


def fingerprint(*, method: str, path: str, query: str, body: bytes) -> bytes:
    """A digest of the request's meaning: the order of fields and parameters, white space and the
    notation of numbers make no difference. `path` has the store's id instead of `me`. `body` passed
    its checks: it is JSON of bounded depth, with numbers of bounded size."""
    parameters = sorted(parse_qsl(query, keep_blank_values=True))
    canonical = [method, path, parameters, _canonical_body(body)]
    return blake2b(msgspec.msgpack.encode(canonical, order="sorted"), digest_size=16).digest()


def _canonical_body(body: bytes) -> object:
    try:
        return _canonical(_json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body


def _canonical(value: object) -> object:
    """The value with equal numbers written in the same way."""
    match value:
        case dict():
            return {name: _canonical(member) for name, member in value.items()}
        case list():
            return [_canonical(item) for item in value]
        case bool():
            return value
        case int() | Decimal():
            return str(Decimal(value).normalize(_EXACT))
        case _:
            return value


# Wider than any number within the bounds; a longer number is refused later.
_EXACT: Final = Context(prec=100, Emax=999_999, Emin=-999_999)
_json: Final = msgspec.json.Decoder(float_hook=Decimal)
