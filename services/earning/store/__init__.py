"""Earning's database: the batch that writes the ledger, and the queries that read it."""
