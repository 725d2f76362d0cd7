"""The consumers of earning: orders and refunds of shops, resolutions of anomalies, dead letters."""
