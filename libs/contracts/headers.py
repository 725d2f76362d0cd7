"""The names of the HTTP headers that callers, the gateway and the services share."""

from typing import Final

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
# On a response that is that of an earlier request with the same key.
IDEMPOTENCY_HIT: Final = "Idempotency-Hit"
REQUEST_ID: Final = "X-Request-Id"
# The gateway adds these after authentication.
KEY_ID: Final = "X-Whale-Key-Id"
KEY_NAME: Final = "X-Whale-Key-Name"
# Separated by commas. The gateway has checked the operation's scope; some responses depend on others.
KEY_SCOPES: Final = "X-Whale-Key-Scopes"
