"""HTTP: problems, bodies, pages, idempotency, health, and the frame that every service's app has."""
