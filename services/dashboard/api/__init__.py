"""HTTP: a module per page, which parses a request, calls a handler and renders its view."""
