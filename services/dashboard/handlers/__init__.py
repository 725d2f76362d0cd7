"""Use cases: a function per page, from the client of the API to what the page shows."""
