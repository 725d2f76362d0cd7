"""The HTTP API of earning: requests become domain commands, results become responses."""
