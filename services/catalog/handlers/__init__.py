"""The use cases of catalog."""
