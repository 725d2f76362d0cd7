"""Redemption in its store."""
