"""Work that a service does in the background, in addition to requests and consumers."""
