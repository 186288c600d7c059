"""What CloudWatch measures, drawn in the terminal. Looks only."""

import shutil
import sys
from datetime import UTC, datetime, timedelta

from fabric import task

from . import ec2
from .database import Database
from .ec2 import Machine
from .engine import chart
from .engine import show as screen
from .engine.errors import Refusal
from .engine.stage import stage_of

# How old the start may be for a period to have data: CloudWatch keeps 60 s for 15 days, 300 s for 63, 3600 s for 455.
KEPT = ((timedelta(days=15), 60), (timedelta(days=63), 300), (timedelta(days=455), 3600))
ROUND = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


def period_for(span, columns):
    """The shortest period, in seconds, that data of that age has and that `columns` points can show."""
    least = next((period for age, period in KEPT if span <= age), None)
    if least is None:
        raise Refusal("CloudWatch keeps data for 455 days: ask for fewer hours")
    return next((it for it in ROUND if it % least == 0 and span.total_seconds() / it <= columns), ROUND[-1])


def series(world, namespace, dimension, id, hours, columns, now):
    """Average and maximum CPU in percent: {"period", "points": [(time, average, maximum), ...]}, oldest first."""
    span = timedelta(hours=hours)
    period = period_for(span, columns)
    metric = {"Namespace": namespace, "MetricName": "CPUUtilization", "Dimensions": [{"Name": dimension, "Value": id}]}
    queries = [
        {"Id": stat.lower(), "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
        for stat in ("Average", "Maximum")
    ]
    start = datetime.fromtimestamp((now - span).timestamp() // period * period, UTC)
    answer = world.read(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=queries,
        StartTime=start,
        EndTime=now,
        ScanBy="TimestampAscending",
    )
    found = {it["Id"]: dict(zip(it["Timestamps"], it["Values"], strict=True)) for it in answer["MetricDataResults"]}
    times = sorted(found.get("average", {}))
    points = [(at, found["average"][at], found.get("maximum", {}).get(at, found["average"][at])) for at in times]
    return {"period": period, "start": start, "points": points}


def young(data, now):
    """The same, begun no sooner than ten minutes ago or at the first point: a new machine has no hour to show."""
    first = data["points"][0][0] if data["points"] else data["start"]
    return data | {"start": max(data["start"], min(first, now - timedelta(minutes=10)))}


def number(text):
    """A number from the command line."""
    try:
        return float(text)
    except ValueError:
        raise Refusal(f"{text} is no number of hours: --hours 24, for instance") from None


def spread(data, now):
    """The averages on an even grid from start to now, None where nothing was measured: a gap is no zero."""
    slots = int((now - data["start"]).total_seconds() // data["period"]) + 1
    grid = [None] * slots
    for at, average, _ in data["points"]:
        index = int((at - data["start"]).total_seconds() // data["period"])
        if 0 <= index < slots:
            grid[index] = average
    return grid


def draw(title, data, now):
    """Print one chart: numbers first, then the line, then the time axis."""
    points = data["points"]
    print(screen.paint(title, "bold"))
    if not points:
        print("  nothing measured in this time: it may be stopped, or too new\n")
        return
    averages, maxima = [it[1] for it in points], [it[2] for it in points]
    age = max(0, int((now - points[-1][0]).total_seconds()))
    print(
        f"  now {averages[-1]:.1f} %   average {sum(averages) / len(averages):.1f} %   highest {max(maxima):.1f} %   "
        f"{len(points)} points of {data['period']} s, the newest begun {age} s ago"
    )
    width = min(100, shutil.get_terminal_size().columns - 12)
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    ceiling = next(it for it in (1, 2, 5, 10, 25, 50, 100, 10_000) if max(averages) <= it)
    rows, _ = (chart.ascii_line if plain else chart.line)(spread(data, now), width, 6, ceiling)
    for index, row in enumerate(rows):
        label = f"{ceiling:4g} %" if index == 0 else f"{0:4g} %" if index == len(rows) - 1 else " " * 6
        print(f"{label} {'|' if plain else '┤'}{screen.paint(row, 'cyan')}")
    first = data["start"].astimezone().strftime("%a %H:%M")
    print(f"{'':7}{first.ljust(width - 5)}{now.astimezone().strftime('%H:%M %Z')}\n")


def targets(stage, name):
    """(title, namespace, dimension, id) of what has a CPU: the databases first, then the machines."""
    for want in stage.of(Database):
        if not name or name in (want.name, want.name.removeprefix(f"{stage.name}-")):
            yield f"database {want.name}", "AWS/RDS", "DBInstanceIdentifier", want.name
    for want in stage.of(Machine):
        if not name or name in (want.name, want.name.removeprefix(f"{stage.name}-")):
            id = ec2.machine_id(stage.world, want.name)
            if isinstance(id, str):
                yield f"machine {want.name} ({id})", "AWS/EC2", "InstanceId", id


@task(
    help={
        "name": "only this database or machine",
        "hours": "how far back; by default 1, or as long as there is anything to see",
        "json": "print JSON, for programs, instead of lines for people",
    }
)
def cpu(c, name="", hours="", json=False):
    """Draw the CPU use of the stage's databases and machines, as CloudWatch measured it."""
    stage = stage_of(c)
    trim, hours = not hours, number(hours or "1")
    if not 0 < hours <= 455 * 24:
        raise Refusal("--hours has to be more than 0 and at most 10920, the 455 days that CloudWatch keeps")
    now = datetime.now(UTC)
    columns = min(100, shutil.get_terminal_size().columns - 12) * 2
    found = [
        (title, id, series(stage.world, namespace, dimension, id, hours, columns, now))
        for title, namespace, dimension, id in targets(stage, name)
    ]
    if not found:
        there = ", ".join(want.name for want in stage.of(Database, Machine)) or "none"
        named = f" named {name}" if name else ""
        raise Refusal(f"{stage.name} has no database or running machine{named}: stages.py lists {there}")
    if json:
        rows = [
            {
                "name": title,
                "id": id,
                "period": data["period"],
                "points": [
                    {"time": at.isoformat(), "average": low, "maximum": high} for at, low, high in data["points"]
                ],
            }
            for title, id, data in found
        ]
        return screen.as_json(rows)
    for title, _, data in found:
        draw(f"CPU of {title}", young(data, now) if trim else data, now)


@task(help={"json": "print JSON, for programs, instead of lines for people"})
def metrics(c, json=False):
    """List which metrics CloudWatch has of this stage's databases and machines."""
    stage = stage_of(c)
    rows = []
    for title, namespace, dimension, id in targets(stage, ""):
        answer = stage.world.read(
            "cloudwatch", "list_metrics", Namespace=namespace, Dimensions=[{"Name": dimension, "Value": id}]
        )
        rows += [{"of": title, "metric": it["MetricName"]} for it in answer["Metrics"]]
    if json:
        return screen.as_json(rows)
    screen.table([row.values() for row in rows])
