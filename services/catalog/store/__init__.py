"""Catalog in its store."""
