"""Anomaly in its store."""
