"""Catalog: the rewards a store offers."""
