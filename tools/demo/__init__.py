"""`make demo`: a real shop's order history, published, posted, and checked to the point."""
