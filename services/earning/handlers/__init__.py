"""The use cases of earning: one short function each, of a message and what it needs."""
