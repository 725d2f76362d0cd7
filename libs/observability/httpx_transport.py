"""The requests of an httpx client as a part of the current trace."""

import httpx

from libs.observability import tracing


class TracedTransport(httpx.AsyncHTTPTransport):
    """Sends requests to the gateway, each with a span of its own."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx, with the current trace in the request's headers."""
        with tracing.span(f"{request.method} gateway", "client") as span:
            request.headers[tracing.HEADER] = tracing.traceparent(tracing.current())
            response = await super().handle_async_request(request)
            span.set_http_status(response.status_code)
            return response
