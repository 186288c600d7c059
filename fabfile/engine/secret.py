"""A text that hides itself: no repr, no log line and no plan ever shows it."""


class Secret:
    """One secret text. `str()` and `repr()` show dots; only `reveal()` gives it away, at the edge that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text):
        self._text = text.reveal() if isinstance(text, Secret) else text

    def reveal(self):
        """The text itself. Call this where it is sent off, and nowhere else."""
        return self._text

    def __eq__(self, other):
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self):
        return hash((Secret, self._text))

    def __bool__(self):
        return bool(self._text)

    def __repr__(self):
        return "Secret(...)"

    def __str__(self):
        return "••••••"

    def __format__(self, spec):
        return format(str(self), spec)

    def __reduce__(self):
        raise TypeError("a Secret is never written out: reveal() it where it must go")


def revealed(value):
    """The same value with every Secret in it (inside dicts, lists and tuples) given away, ready to be sent off."""
    match value:
        case Secret():
            return value.reveal()
        case dict():
            return {key: revealed(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(revealed(item) for item in value)
    return value
