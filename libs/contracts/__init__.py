"""The schemas that services and callers share; they are only ever extended."""
