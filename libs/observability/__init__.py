"""Logs, traces and metrics, each decided once."""
