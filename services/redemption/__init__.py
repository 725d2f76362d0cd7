"""Redemption: points spent on rewards, exactly once."""
