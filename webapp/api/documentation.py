"""The OpenAPI document as a page that needs no script: what each operation takes and answers."""

from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Field:
    """One field of a body, or a parameter of the address; `parts` are the fields of each, if it is a list."""

    name: str
    kind: str
    about: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What comes back with one status: fields, or the names of the problems it may be."""

    status: str
    fields: tuple[Field, ...] = ()
    many: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of one address; `open` if it needs no token."""

    id: str
    method: str
    path: str
    about: str
    open: bool
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]

    @property
    def summary(self) -> str:
        """What it does, in its first sentence."""
        return self.about.partition(". ")[0].rstrip(".")


def marked(text: str) -> SafeString:
    """As HTML, where text in backticks, which the document has for Markdown, is code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", it) if n % 2 else it,) for n, it in enumerate(parts))
    )


def operations(document: dict) -> list[Operation]:
    """Every operation of an OpenAPI document, in its order."""
    schemas = document["components"]["schemas"]
    return [
        Operation(
            id=each["operationId"],
            method=method.upper(),
            path=path,
            about=" ".join(each.get("description", each["summary"]).split()),
            open=not each.get("security"),
            fields=parameters_of(each) + fields_of(body_of(each.get("requestBody", {})), schemas)[0],
            answers=tuple(answer_of(str(status), told, schemas) for status, told in sorted_by_status(each)),
        )
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    ]


def parameters_of(operation: dict) -> tuple[Field, ...]:
    """What may stand in the query; what stands in the path is seen there."""
    return tuple(
        Field(each["name"], kind_of(each["schema"], each["required"]), marked(each["schema"].get("description", "")))
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    )


def sorted_by_status(operation: dict) -> list[tuple]:
    """The answers, successes first."""
    return sorted(operation["responses"].items(), key=lambda item: str(item[0]))


def body_of(told: dict) -> dict:
    """The schema of a request or an answer; empty where there is no body."""
    return next((content["schema"] for content in told.get("content", {}).values()), {})


def answer_of(status: str, told: dict, schemas: dict) -> Answer:
    """One answer."""
    if any("problem" in kind for kind in told.get("content", {})):
        return Answer(status, problems=tuple(told["description"].split("`")[1::2]))
    fields, many = fields_of(body_of(told), schemas)
    return Answer(status, fields, many)


def fields_of(schema: dict, schemas: dict) -> tuple[tuple[Field, ...], bool]:
    """The fields of a schema, or of what it is a list of, and whether it is a list."""
    many = schema.get("type") == "array"
    name = (schema["items"] if many else schema).get("$ref", "").rpartition("/")[2]
    found = schemas.get(name, {})
    required = found.get("required", ())
    fields = tuple(
        Field(name, kind_of(told, name in required), marked(told.get("description", "")), parts_of(told, schemas))
        for name, told in found.get("properties", {}).items()
    )
    return fields, many


def parts_of(told: dict, schemas: dict) -> tuple[str, ...]:
    """The names of the fields of what a field is a list of."""
    name = told.get("items", {}).get("$ref", "").rpartition("/")[2]
    return tuple(schemas.get(name, {}).get("properties", ()))


def kind_of(told: dict, required: bool) -> str:
    """What a value is, in words."""
    types = [told, *told.get("anyOf", ())]
    if any(each.get("format") == "date-time" for each in types):
        return "time" if required else "time, may be missing"
    words = [told.get("type", "text").replace("string", "text").replace("integer", "number")]
    if "maximum" in told:
        words.append(f"{told['minimum']} to {told['maximum']}")
    if not required:
        default = told.get("default")
        words.append(f"{default} if missing" if default else "may be missing")
    return ", ".join(words)
