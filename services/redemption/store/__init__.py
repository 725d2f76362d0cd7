"""Redemption's database: the batch that changes redemptions, and the queries."""
