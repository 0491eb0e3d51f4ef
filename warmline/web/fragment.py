"""The answer of a live page, which asks for all of itself again and again and mostly has it already."""

from datetime import datetime

from flask import Response, current_app, render_template, request

from warmline.contacts import screens


def fresh(template: str, shown: object, now: datetime, **more: object) -> Response:
    """What a live page shows; 304 while the browser has it, and then nothing is rendered.

    `shown` is all of what `template` says but for the time of day: its version is the answer's ETag.
    https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
    """
    version = screens.version(shown)
    if request.if_none_match.contains_weak(version):
        response = Response(status=304)
    else:
        response = current_app.make_response(render_template(template, now=now, **more))
    response.set_etag(version)
    return response
