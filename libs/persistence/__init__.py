"""PostgreSQL: engines, transactions, migrations, group commit, and idempotency keys."""
