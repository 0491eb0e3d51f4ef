"""The answer of a live page, which asks for all of itself again and again and mostly has it already."""

from collections.abc import Callable

from flask import Response, current_app, request


def fresh(version: str, render: Callable[[], str]) -> Response:
    """What a live page shows; 304 while the browser has this version, and then nothing is rendered.

    https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
    """
    if request.if_none_match.contains_weak(version):
        response = Response(status=304)
    else:
        response = current_app.make_response(render())
    response.set_etag(version)
    return response
