"""Logs, traces and metrics, configured once for all services."""
