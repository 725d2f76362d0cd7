"""The gateway over HTTP: /v1, and the pages beside it."""
