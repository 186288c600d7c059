"""The API itself: who may ask, how errors are said, what the OpenAPI document holds."""

from django.views.decorators.debug import sensitive_variables
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from webapp.api import links, tokens
from webapp.api.endpoints import router
from webapp.api.problems import CONTENT_TYPE, KINDS, Problem, Refused, answer, plain
from webapp.limits.errors import TooManyAttempts
from webapp.outage import RETRY_AFTER, note_outage, store_away
from webapp.users.store import Changed

TITLE = "Hydra"
ABOUT = """\
Accounts and short links for mobile and desktop clients. Sign up, then make a token with name and password, and send it
with every request as `Authorization: Bearer TOKEN`. A token counts until it expires, is revoked, the password changes,
or the account is locked or deleted. There are no cookies."""


# For the document.
WAIT = {"description": "In how many seconds to try again", "schema": {"type": "integer"}}


class TokenAuth(HttpBearer):
    """The token in the Authorization header, and nowhere else."""

    @sensitive_variables()  # or an error report would show the header
    def __call__(self, request):
        return super().__call__(request)

    @sensitive_variables()
    def authenticate(self, request, token):
        """The ApiToken, which Ninja keeps as request.auth."""
        return tokens.find(token)


class Service(NinjaAPI):
    """Ninja, with errors as problems and an OpenAPI document that says so."""

    def get_openapi_operation_id(self, operation):
        """The endpoint's own name, which becomes that of a generated client's method."""
        return operation.view_func.__name__

    def get_openapi_schema(self, **options):
        """As Ninja's, with the problems that each operation names in `x-problems`."""
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"] |= {"Problem": told(Problem)} | told(Problem, parts=True)
        content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for operations in schema["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                sent = ["malformed"] if "requestBody" in operation else []
                for name in [*sent, *operation.pop("x-problems", ()), "store-away"]:
                    kind = KINDS[name]
                    before = responses.get(kind.status)
                    words = f"{before['description']}, or `{name}`" if before else f"`{name}`"
                    responses[kind.status] = {"description": words, "content": content}
                    if name in ("too-many-attempts", "store-away"):
                        responses[kind.status]["headers"] = {"Retry-After": WAIT}
        return schema


def told(model, parts=False) -> dict:
    """A model as JSON Schema, or the schemas that it refers to by name."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    found = schema.pop("$defs", {})
    return found if parts else schema


api = Service(title=TITLE, version="1", description=ABOUT, docs_url=None, auth=TokenAuth(), urls_namespace="api-v1")
api.add_router("", router)
api.add_router("", links.router)


@api.exception_handler(Refused)
def refused(request, error):
    """What an endpoint would not do."""
    return answer(error.name, error.detail, error.errors, **error.headers)


@api.exception_handler(AuthenticationError)
def no_token(request, error):
    """No token, or none that counts; which of the two is not said."""
    return answer("no-token")


@api.exception_handler(ValidationError)
def invalid(request, error):
    """What the schema would not take. Never with what was sent, which may be a password."""
    return answer("invalid", errors=[(place(each["loc"]), each["msg"]) for each in error.errors])


def place(found: tuple) -> str:
    """Where a mistake is. Ninja says first where it looked, `body` and the name of the argument, or `query`."""
    return "/".join(map(str, found[2:] if found[0] == "body" else found[1:]))


@api.exception_handler(HttpError)
def other(request, error):
    """What Ninja itself refuses: no JSON, for instance."""
    return plain(error.status_code)


@api.exception_handler(TooManyAttempts)
def later(request, error):
    """Refused before anything was computed."""
    return answer("too-many-attempts", str(error), Retry_After=str(error.wait))


@api.exception_handler(Changed)
def changed(request, error):
    """Another client was first."""
    return answer("changed")


@api.exception_handler(Exception)
def away(request, error):
    """A store that is out of reach; whatever else is a bug, and Django's."""
    store = store_away(error)
    if store is None:
        raise error
    note_outage(store, error)
    return answer("store-away", Retry_After=str(RETRY_AFTER))
