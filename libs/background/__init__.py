"""Work that a service does by itself, alongside its requests and consumers."""
