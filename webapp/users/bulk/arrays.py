"""Reads a JSON array of any length element by element, in constant memory."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

LONGEST = 1 << 20  # characters of one element
_CHUNK = 1 << 18
_BETWEEN = " \t\r\n,"


class Broken(ValueError):
    """It is no array from here on, or is cut off; `number` counts the elements from 1."""

    def __init__(self, number: int):
        super().__init__(f"element {number} is no JSON, or the array is cut off there")
        self.number = number


def elements(file: BinaryIO) -> Iterator[Any]:
    """Each element of the array with which the rest of the file begins. Raises Broken.

    Bytes that are no UTF-8 become half surrogate pairs, which no text that is checked can hold.
    """
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    parse = json.JSONDecoder().raw_decode
    text, at, number, ended = decode(file.read(_CHUNK)).lstrip(), 1, 1, False
    if not text.startswith("["):
        raise Broken(number)
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if text[at : at + 1] == "]":
            return
        try:
            element, end = parse(text, at) if at < len(text) else (None, 0)
        except (ValueError, RecursionError):
            end = 0
        # What ends where the text ends may go on: 12 may become 123.
        if end and (end < len(text) or ended):
            yield element
            number, at = number + 1, end
            continue
        if ended or len(text) - at > LONGEST + _CHUNK:
            raise Broken(number)
        chunk = file.read(_CHUNK)
        ended = not chunk
        text, at = text[at:] + decode(chunk, ended), 0
