"""The gateway: API keys, rate limits, and forwarding /v1 to the services."""
