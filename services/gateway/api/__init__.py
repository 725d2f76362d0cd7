"""The HTTP side of the gateway: /v1 and the pages outside it."""
