"""The collection behind `fab`: it knows a mistyped task and says which one was meant."""

import difflib
import sys

from invoke import Collection
from invoke.exceptions import ParseError
from invoke.parser import Parser

from .errors import Refusal


class FrontDoor(Collection):
    """A Collection that reads the command line once before Invoke does, only to say more where Invoke would fail."""

    def to_contexts(self, *args, **kwargs):
        """Invoke's own contexts; a Refusal with the nearest names if the command line names a task we do not have."""
        contexts = super().to_contexts(*args, **kwargs)
        words = self.words()
        try:
            Parser(contexts=contexts).parse_argv(words)
        except ParseError as error:
            self.suggest(str(error), words, contexts)
        except Exception:  # noqa: BLE001 - Invoke reads the same line next, and it is Invoke that shall say what is wrong
            pass
        return contexts

    @staticmethod
    def words():
        """What of the command line follows Fabric's own flags."""
        words = sys.argv[1:]
        while words and words[0].startswith("-"):
            words = words[1:]
        return words

    @staticmethod
    def suggest(error, words, contexts):
        names = [name for context in contexts for name in (context.name, *context.aliases) if name]
        for word in words:
            if repr(word) in error and word not in names:
                near = difflib.get_close_matches(word, names, 3, 0.6)
                tail = [name for name in names if name.rpartition(".")[2] == word.replace("-", "_")]
                meant = near or tail
                more = (
                    f"did you mean {' or '.join(f'`{name}`' for name in meant)}?"
                    if meant
                    else "`fab --list` shows all."
                )
                raise Refusal(f"There is no task `{word}`: {more}")
