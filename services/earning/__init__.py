"""Earning: programs, accounts and the points ledger; the only writer of balances."""
