"""PostgreSQL: engines, transactions, migrations, and the group_commit for group commit."""
