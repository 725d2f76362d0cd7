"""API keys: their form, what is stored of them, and their scopes."""

import base64
import hashlib
import hmac
import re
from typing import Final, Literal, get_args

from msgspec import Struct

from libs.contracts.operations import Scope

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
# The scopes of a key unless others are named: all that a shop's backend needs.
DEFAULT_SCOPES: Final[tuple[Scope, ...]] = ("read", "earn", "redeem", "manage")

# So many characters of a key are stored to identify it: too few of its 256 bits to use it.
PREFIX_LENGTH: Final = 20
# Lists show these: enough to name a key that is to be revoked.
PREFIX_SHOWN: Final = 16
# A key to revoke is named by at least so many characters.
MIN_PREFIX_LENGTH: Final = 12

DEMO_KEY: Final = "wk_test_demo_key_for_local_use_only"

_FORM: Final = re.compile(r"wk_(live|test)_[A-Za-z0-9_-]{20,128}")
# The form in words.
KEY_RULE: Final = "An API key begins with wk_live_ or wk_test_, followed by at least 20 characters."
RANDOM_BYTES: Final = 32


class ApiKey(Struct, frozen=True):
    """What is known of a key, which is never the key itself."""

    digest: bytes
    store_id: str
    name: str
    scopes: frozenset[str]

    @property
    def id(self) -> str:
        """Identifies the key without revealing it: the first half of its digest, in hexadecimal."""
        return self.digest[:16].hex()


def make_key(random_bytes: bytes, label: Literal["live", "test"] = "live") -> str:
    """A key out of RANDOM_BYTES random bytes. The label is for people: both see the same data."""
    encoded = base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode()
    return f"wk_{label}_{encoded}"


def is_key(text: str) -> bool:
    """Whether `text` has the form of a key."""
    return _FORM.fullmatch(text) is not None


def digest_of(key: str, secret: bytes) -> bytes:
    """The digest that is stored in place of a key. A fast keyed hash is enough for 256 random bits,
    which nobody can guess; without the secret a stolen table is of no use."""
    return hmac.digest(secret, key.encode(), hashlib.sha256)
