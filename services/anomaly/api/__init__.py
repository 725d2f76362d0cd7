"""Anomaly over HTTP: the part of /v1 that the gateway forwards here."""
