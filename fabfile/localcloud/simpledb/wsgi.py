"""SimpleDB as a WSGI application, alone or in front of another one on the same endpoint."""

import io
from http import HTTPStatus

from .api import LARGEST_BODY, Request, is_simpledb, open_service

FORMS = ("application/x-www-form-urlencoded", "application/json")  # of the query protocol and of the export API


def application(folder, region="us-west-2", **options):
    """A WSGI application that serves SimpleDB from the data in `folder`; `options` are those of open_service."""
    simpledb = open_service(folder, region, **options)
    simpledb.start()
    return wrap(None, simpledb, always=True)


def wrap(application, simpledb, always=False):
    """A WSGI application that answers SimpleDB's requests itself and hands all others on, unread, to `application`.

    With `always` it answers every request; there is no other application then.
    """

    def serve(environ, start_response):
        request = read_request(environ)
        if not always and not is_simpledb(request):
            return application(environ, start_response)
        status, headers, body = simpledb.answer(request)
        start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return serve


def read_request(environ):
    """The Request of a WSGI environment, whose body can be read again."""
    body = b""
    if _may_be_simpledb(environ):
        length = int(environ["CONTENT_LENGTH"])
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            raise ConnectionError("the client went away in the middle of a body")
        environ["wsgi.input"] = io.BytesIO(body)
    return Request(
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO") or "/",
        environ.get("QUERY_STRING", ""),
        environ.get("HTTP_HOST", ""),
        body,
        environ.get("HTTP_AUTHORIZATION", ""),
    )


def _may_be_simpledb(environ):
    """Whether to look into the body: an upload to S3 must not be held in memory only to find that it is one."""
    if not environ.get("CONTENT_TYPE", "").startswith(FORMS):
        return False
    return 0 < int(environ.get("CONTENT_LENGTH") or 0) <= LARGEST_BODY
