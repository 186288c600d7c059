"""A line chart in the terminal, drawn with braille dots; gaps stay gaps. No I/O."""

from itertools import pairwise

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille cell, row by row


def line(points, width, height, ceiling=None):
    """Rows of text for `points` (a list of numbers, None where there is no data), `width` by `height` cells.

    A column of dots is the mean of the points that fall on it. `ceiling` is the value of the top; by default the
    largest point, at least 1. Returns (rows, ceiling).
    """
    known = [point for point in points if point is not None]
    ceiling = ceiling or max([1.0, *known])
    share = len(points) / (width * 2)  # of the points that falls on one column of dots
    starts = [round(column * share) for column in range(width * 2 + 1)]
    columns = [mean(points[start : max(start + 1, end)]) for start, end in pairwise(starts)]
    levels = [None if it is None else min(height * 4 - 1, int(it / ceiling * (height * 4 - 1) + 0.5)) for it in columns]
    cells = [[0] * width for _ in range(height)]
    before = None
    for column, level in enumerate(levels):
        if level is not None:
            low, high = sorted((level, level if before is None else before))
            for dot in range(low if low == level else low + 1, (high if high == level else high - 1) + 1):
                row = height * 4 - 1 - dot
                cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]
        before = level
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells], ceiling


def mean(points):
    known = [point for point in points if point is not None]
    return sum(known) / len(known) if known else None


def ascii_line(points, width, height, ceiling=None):
    """The same with stars, for terminals and files that know ASCII only."""
    rows, ceiling = line(points, width, height, ceiling)
    return ["".join(" " if cell == "\u2800" else "*" for cell in row) for row in rows], ceiling
