"""HTTP: requests, problem responses, pages, idempotency keys, health, and the server of every service."""
