"""The use cases of redemption."""
