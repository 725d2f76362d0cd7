"""The gateway: keys, limits, and the way from /v1 to the services."""
