"""What an operator asks of the ledger: what waits, whether it adds up, its projections anew."""
