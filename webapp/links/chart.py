"""A bar chart as the numbers of an SVG: the template only writes them down."""

from dataclasses import dataclass

WIDTH, HEIGHT, GAP = 600, 120, 2  # units of the drawing, which is as wide as its place


@dataclass(frozen=True)
class Bar:
    """One bar: what it stands for, its value, and where it is drawn."""

    label: str
    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Bars from left to right, and a sentence for who cannot see them."""

    name: str
    bars: list[Bar]
    most: int
    first: str
    last: str
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def chart_of(name: str, values: list[tuple[str, int]], at: str = "at") -> Chart:
    """The chart of these (label, value) pairs, of which there is one at least; `at` is said before a label."""
    most = max(value for _, value in values)
    step = WIDTH / len(values)
    bars = []
    for number, (label, value) in enumerate(values):
        # A single click among thousands is to be seen, too.
        height = max(2, round(value / most * HEIGHT, 1)) if value else 0
        bars.append(Bar(label, value, round(number * step, 2), HEIGHT - height, round(step - GAP, 2), height))
    return Chart(name, bars, most, values[0][0], values[-1][0], summary(values, most, at))


def summary(values: list[tuple[str, int]], most: int, at: str) -> str:
    """What the chart shows, in words."""
    total = sum(value for _, value in values)
    if not total:
        return "No clicks."
    best = next(label for label, value in values if value == most)
    clicks = "1 click" if total == 1 else f"{total:,} clicks"
    return f"{clicks} from {values[0][0]} to {values[-1][0]}; the most, {most:,}, {at} {best}."
