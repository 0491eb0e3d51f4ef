"""The least that an honest webhook costs: Flask, Twilio's signature, and (or not) one row that is committed."""

import os

from flask import Flask, Response, abort, request
from sqlalchemy import Column, MetaData, String, Table
from twilio.request_validator import RequestValidator

from warmline import db

ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response><Say>Hello.</Say></Response>'
calls = Table("floor_call", MetaData(), Column("id", String(34), primary_key=True))


def create_app() -> Flask:
    app, validator = Flask(__name__), RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
    engine, base = db.connect(os.environ["DATABASE_URL"]), os.environ["PUBLIC_BASE_URL"]
    calls.create(engine, checkfirst=True)

    @app.post("/<kind>")
    def answer(kind: str) -> Response:
        signature = request.headers.get("X-Twilio-Signature", "")
        if not validator.validate(base + request.path, request.form, signature):
            abort(403)
        if kind == "stored":
            with engine.connect().execution_options(write=True) as connection, connection.begin():
                connection.execute(calls.insert().values(id=request.form["CallSid"]))
        return Response(ANSWER, mimetype="text/xml")

    return app
