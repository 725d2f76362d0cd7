"""PostgreSQL: engines, transactions, migrations, and the gatherer for group commit."""
