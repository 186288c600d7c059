"""What the API answers when it does not do what it was asked: RFC 9457, always in this one shape."""

import http
import json
from dataclasses import dataclass

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its name, with which its address in the documentation ends, and what it says of itself."""

    name: str
    status: int
    title: str
    advice: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("malformed", 400, "This is no request", "Send JSON in UTF-8."),
        Kind("no-token", 401, "No token that counts", "Send `Authorization: Bearer TOKEN`; sign in for a new token."),
        Kind("wrong-credentials", 401, "Wrong name or password", "Nothing is said about which of the two it is."),
        Kind("wrong-password", 403, "Wrong password", "The password is asked for again before what matters."),
        Kind("not-found", 404, "There is nothing here", "What was there may be gone."),
        Kind("method-not-allowed", 405, "Not by this method", "The header Allow says which do."),
        Kind("changed", 409, "Changed meanwhile", "Read it again and decide anew."),
        Kind("too-many-tokens", 409, "Too many tokens", "Revoke one first."),
        Kind("invalid", 422, "Something is wrong with what was sent", "`errors` says what, and where by JSON Pointer."),
        Kind("too-many-attempts", 429, "Too many attempts", "Retry-After says in how many seconds to try again."),
        Kind("error", 500, "Something went wrong", "The error has been noted."),
        Kind("store-away", 503, "A store does not answer", "Nothing was decided. Retry-After says when to try again."),
    )
}


class Mistake(Schema):
    """One thing that is wrong with what was sent."""

    pointer: str = Field(description="Where, as a JSON Pointer into the body: `#/email`. Or which parameter")
    detail: str


class Problem(Schema):
    """RFC 9457; content type application/problem+json."""

    type: str = Field(description="Which kind of problem: compare this one")
    title: str
    status: int
    detail: str = Field("", description="A sentence for people")
    errors: list[Mistake] = []


class Refused(Exception):
    """An endpoint's way to answer with a problem; `errors` are (field, sentence) pairs."""

    def __init__(self, name: str, detail: str = "", errors=(), **headers: str):
        super().__init__(name)
        self.name, self.detail, self.errors, self.headers = name, detail, errors, headers


def answer(name: str, detail: str = "", errors=(), **headers: str) -> HttpResponse:
    """The response that says this; header names have _ for -."""
    kind = KINDS[name]
    told = {"type": f"/api/#{name}", "title": kind.title, "status": kind.status, "detail": detail or kind.advice}
    if errors:
        told["errors"] = [{"pointer": f"#/{field}" if field else "#", "detail": words} for field, words in errors]
    return response(kind.status, told, headers)


def plain(status: int) -> HttpResponse:
    """The response for a status that has no kind of its own."""
    for kind in KINDS.values():
        if kind.status == status and status not in (401, 409):
            return answer(kind.name)
    return response(status, {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status}, {})


def response(status: int, told: dict, headers: dict[str, str]) -> HttpResponse:
    """As HTTP."""
    made = HttpResponse(json.dumps(told, ensure_ascii=False), status=status, content_type=CONTENT_TYPE)
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    if status == 401:
        made.headers["WWW-Authenticate"] = 'Bearer realm="hydra"'
    return made
