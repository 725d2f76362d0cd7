"""The services: each owns its store, and none imports another."""
