"""What a key is and what it may do."""

import hashlib
import hmac
import re
import secrets
from typing import Final, Literal

from msgspec import Struct

from libs.contracts.operations import Scope

SCOPES: Final[tuple[Scope, ...]] = ("read", "earn", "redeem", "manage", "admin")
# What a key gets unless it is asked for otherwise: all that a shop's backend needs.
USUAL_SCOPES: Final[tuple[Scope, ...]] = ("read", "earn", "redeem", "manage")

# What is kept of a key to tell it from others: a small part of its 256 bits, not enough to use it.
PREFIX_LENGTH: Final = 20
# The least that names a key to revoke.
SHORTEST_PREFIX: Final = 12

DEMO_KEY: Final = "wk_test_demo_key_for_local_use_only"

_FORM: Final = re.compile(r"wk_(live|test)_[A-Za-z0-9_-]{20,128}")
# The same for people.
KEY_RULE: Final = "It begins with wk_live_ or wk_test_, and at least 20 characters follow."
_KEY_BYTES: Final = 32


class ApiKey(Struct, frozen=True):
    """A key as it is known: never the key itself."""

    digest: bytes
    store_id: str
    name: str
    scopes: frozenset[str]

    @property
    def id(self) -> str:
        """Identifies the key without revealing it: the first half of its digest, in hexadecimal."""
        return self.digest[:16].hex()


def new_key(label: Literal["live", "test"] = "live") -> str:
    """A fresh key, 256 random bits; the label is for people, the data is the same."""
    return f"wk_{label}_{secrets.token_urlsafe(_KEY_BYTES)}"


def is_key(text: str) -> bool:
    """Whether `text` has the form of a key at all."""
    return _FORM.fullmatch(text) is not None


def digest_of(key: str, secret: bytes) -> bytes:
    """What is stored of a key. A fast keyed hash is right for 256 random bits: there is nothing to
    guess, and without the secret the table is of no use."""
    return hmac.digest(secret, key.encode(), hashlib.sha256)
