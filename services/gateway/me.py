"""Serve /Me: the User whom the token is bound to (RFC 7644 section 3.11)."""

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, g
from werkzeug.exceptions import MethodNotAllowed

from services.gateway import responses
from services.gateway.resources import Resources
from shared.scim.attributes import ResourceType
from shared.scim.errors import NotImplementedOperationError
from shared.scim.resource_types import USERS

ENDPOINT = "/Me"
View = Callable[[ResourceType, str], Response]


def blueprint(resources: Resources) -> Blueprint:
    """Return the routes; a token that is bound to nobody is told that there is no such thing."""
    routes = Blueprint("me", __name__)
    views: dict[str, View] = {
        "GET": resources.get,
        "PUT": resources.replace,
        "PATCH": resources.patch,
        "DELETE": resources.delete,
    }
    views["POST"] = partial(_refuse, sorted(views))
    for method, view in views.items():
        routes.add_url_rule(
            ENDPOINT, endpoint=f"me {method}", view_func=partial(_answer, resources, view), methods=[method]
        )
    return routes


def _answer(resources: Resources, view: View) -> Response:
    """Answer as the User's own URI does; Location is that URI in every answer that has no other."""
    user_id = g.principal.user_id
    if user_id is None:
        raise NotImplementedOperationError("This token is bound to no User: make one with muster token create --user")
    response = view(g.catalogue.by_name[USERS.name], str(user_id))
    base = responses.base_url(g.principal, resources.settings.public_url)
    response.headers.setdefault("Location", f"{base}{USERS.endpoint}/{user_id}")
    return response


def _refuse(methods: list[str], _: ResourceType, __: str) -> Response:
    """A bound User exists already, so a POST could create nobody."""
    raise MethodNotAllowed(valid_methods=methods)
