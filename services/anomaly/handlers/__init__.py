"""The use cases of anomaly."""
