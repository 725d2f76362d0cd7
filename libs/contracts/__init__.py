"""The schemas that services and callers share: append-only."""
