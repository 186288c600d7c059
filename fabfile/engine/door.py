"""The collection behind `fab`: it knows a mistyped task and says which one was meant."""

import difflib
import sys

from invoke import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser

from .errors import Refusal


class FrontDoor(Collection):
    """A Collection that looks at the command line before Invoke does, only to say more where Invoke would fail.

    Invoke copies the collection into one of its own class, so this is the only moment that we have.
    """

    def check(self, words=None):
        """Raise a Refusal with the nearest names if these words (by default fab's own) name a task we do not have."""
        words = unparsed() if words is None else words
        if not words:
            return
        known = set(self.task_names) | {alias for aliases in self.task_names.values() for alias in aliases}
        if known.issuperset(words):
            return
        contexts = self.to_contexts()
        try:
            Parser(contexts=contexts).parse_argv(words)
        except ParseError as error:
            strange = [word for word in words if word[:1] != "-" and str(error) == f"No idea what {word!r} is!"]
            if strange:
                raise Refusal(f"There is no task `{strange[0]}`: {meant(strange[0], sorted(known))}") from None


def unparsed():
    """What of the running fab's command line follows its own flags; nothing if it is not fab that runs."""
    main = sys.modules.get("fabric.main")
    core = main and getattr(main.program, "core", None)
    return list(core.unparsed) if core else []


def meant(word, names):
    """What to do instead: the names whose last part is this, or else that are near."""
    near = [name for name in names if name.rpartition(".")[2] == word.replace("-", "_")]
    near = near or difflib.get_close_matches(word, names, 3, 0.6)
    return f"did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else "`fab --list` shows all."
