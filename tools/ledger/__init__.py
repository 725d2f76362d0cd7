"""Operators' commands on the ledger: list pending orders and refunds, verify it, rebuild its days."""
