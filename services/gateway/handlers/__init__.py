"""What the gateway does with a request before a service sees it, and to have one see it."""
