"""What the routes of redemption use: the parts that its composition root puts into the app's state."""

from libs.web.requests import AnyRequest
from services.redemption.handlers.resources import Resources


def resources_of(request: AnyRequest) -> Resources:
    """The resources of the app that received the request."""
    resources: Resources = request.app.state["resources"]
    return resources
