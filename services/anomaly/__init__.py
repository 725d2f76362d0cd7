"""Anomaly: suspicious earning, found, judged and acted on."""
