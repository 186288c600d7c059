"""What is said to who tries too often."""

import math


class TooManyAttempts(Exception):
    """Refused before anything was computed; `wait` is in how many whole seconds the next try will be let through."""

    def __init__(self, wait: float):
        self.wait = max(1, math.ceil(wait))
        super().__init__(f"Too many attempts. Please try again in {in_words(self.wait)}.")


def in_words(seconds: int) -> str:
    """A time as people say it, never too short: "40 seconds", "3 minutes"."""
    if seconds < 90:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{math.ceil(minutes / 60)} hours"
