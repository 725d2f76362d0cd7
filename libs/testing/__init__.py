"""Helpers for tests of any package."""
