"""The database of earning: the batch that writes the ledger, and the queries that read it."""
