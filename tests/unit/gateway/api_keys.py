"""API keys as tests use them."""

import secrets

from services.gateway.domain import RANDOM_BYTES, make_key


def random_key() -> str:
    return make_key(secrets.token_bytes(RANDOM_BYTES), "test")
