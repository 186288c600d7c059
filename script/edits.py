"""Which files of the application were saved, for what has to start anew then."""

from pathlib import Path

CODE = {".py", ".lua"}


class Edits:
    """What happens to the code below a folder from now on."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.seen = self._stamps()

    def since(self) -> list[Path]:
        """The files that were made, changed or removed since the last question, in order."""
        before, self.seen = self.seen, self._stamps()
        return sorted(path for path in before.keys() | self.seen.keys() if before.get(path) != self.seen.get(path))

    def _stamps(self):
        found = {}
        for path in self.folder.rglob("*"):
            if path.suffix in CODE:
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # removed just now
                    continue
        return found
