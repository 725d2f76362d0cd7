"""What the gateway does with a request before it forwards it."""
