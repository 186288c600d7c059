"""CloudWatch as the local cloud serves it: metrics in a store of their own, read as AWS's limits allow.

Alarms and dashboards stay moto's. What the cloud itself measures comes from `metric_sampler`.
"""

import base64
import json
import re
from datetime import UTC, datetime

import moto.cloudwatch.urls as urls
from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from . import metric_math
from .metric_sampler import Sampler
from .metric_store import DAY, HOUR, MINUTE, MetricStore

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
PERCENTILE = re.compile(r"p(100(\.0+)?|\d{1,2}(\.\d+)?)")
AT_ONCE = 1440  # data points of GetMetricStatistics
PER_PAGE = 100_800  # of GetMetricData
QUERIES = 500
DATA = 1000  # metrics in one PutMetricData
DIMENSIONS = 30


class LocalBackend(CloudWatchBackend):
    """moto's CloudWatch, whose metrics are in `store`. Both are set on the class, since moto makes the backends."""

    cloud = store = None

    @property
    def _url_module(self):
        return urls  # moto derives it from a class's module, and this is not moto's

    def now(self):
        return int(self.cloud.clock().timestamp())

    # -- put -------------------------------------------------------------------------------------------------------

    def put_metric_data(self, namespace, metric_data):
        _check_namespace(namespace)
        if len(metric_data) > DATA:
            raise InvalidParameterValue(f"The collection MetricData must not have a size greater than {DATA}.")
        for number, datum in enumerate(metric_data, 1):
            self._validate_parameters_put_metric_data(datum, number)
            self._check_datum(datum, f"MetricData.member.{number}")
        for datum in metric_data:
            time = _seconds(datum["Timestamp"]) if datum.get("Timestamp") else self.now()
            span = 1 if datum.get("StorageResolution") == 1 else MINUTE
            head = (time // span * span, span, datum.get("Unit") or "None")
            self.store.put(namespace, datum["MetricName"], _dimensions(datum), [(*head, *row) for row in _rows(datum)])

    def _check_datum(self, datum, where):
        if not datum.get("MetricName"):
            raise InvalidParameterValue(f"The parameter {where}.MetricName is required.")
        if len(datum.get("Dimensions") or ()) > DIMENSIONS:
            raise InvalidParameterValue(
                f"The collection {where}.Dimensions must not have a size greater than {DIMENSIONS}."
            )
        if not any(key in datum for key in ("Value", "Values", "StatisticValues")):
            every = f"{where}.Value, {where}.Values or {where}.StatisticValues"
            raise InvalidParameterValue(f"At least one of the parameters {every} must be specified.")
        if datum.get("Timestamp"):
            age = self.now() - _seconds(datum["Timestamp"])
            if age > 14 * DAY or age < -2 * HOUR:
                raise InvalidParameterValue(
                    f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past and no "
                    "more than two hours in the future."
                )

    # -- read ------------------------------------------------------------------------------------------------------

    def series(self, metric, start, end, period, unit=None):
        """{(time, unit): Bin} of one metric as AWS shows it: nothing where the period is too fine for the start."""
        age = self.now() - start
        step = HOUR if age > 63 * DAY else 300 if age > 15 * DAY else MINUTE if age > 3 * HOUR else 1
        if period % step:
            return {}
        start = start // max(step, min(period, MINUTE)) * max(step, min(period, MINUTE))
        return self.store.bins(metric["Namespace"], metric["MetricName"], _dimensions(metric), start, end, period, unit)

    def statistics(self, metric, start, end, period, wanted, percentiles, unit):
        """The data points of GetMetricStatistics."""
        _check_period(period)
        if start >= end:
            raise InvalidParameterCombination("The parameter StartTime must be less than the parameter EndTime.")
        count = (end - start) // period
        if count > AT_ONCE:
            raise InvalidParameterCombination(
                f"You have requested up to {count:,} datapoints, which exceeds the limit of {AT_ONCE:,}. You may "
                "reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        points = []
        for (time, there), found in self.series(metric, start, end, period, unit).items():
            point = {"Timestamp": datetime.fromtimestamp(time, UTC).replace(tzinfo=None), "Unit": there}
            point |= {name: found.statistic(name) for name in wanted}
            if percentiles:
                values = {name: found.statistic(name) for name in percentiles}
                point["ExtendedStatistics"] = {name: value for name, value in values.items() if value is not None}
            points.append(point)
        return points

    def data(self, queries, start, end):
        """[(query, {time: value}, period)] of GetMetricData, for the queries whose data is to be returned."""
        if start >= end:
            raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
        by_id = _checked(queries)
        known = {}
        for id, query in by_id.items():
            if "MetricStat" in query:
                known[id] = self._measured(query["MetricStat"], start, end)
        metrics = list(known)
        for id, query in by_id.items():
            self._resolve(id, query, by_id, known, metrics, ())
        return [(query, known[id]) for id, query in by_id.items() if query.get("ReturnData") is not False]

    def _measured(self, wanted, start, end):
        period, statistic = int(wanted["Period"]), wanted["Stat"]
        merged = {}
        for (time, _), found in sorted(self.series(wanted["Metric"], start, end, period, wanted.get("Unit")).items()):
            value = found.statistic(statistic)
            if value is not None:
                merged[time] = value
        return merged

    def _resolve(self, id, query, by_id, known, metrics, above):
        if id in known:
            return
        if id in above:
            raise ValidationError(f"Error in expression '{id}': it depends on itself.")
        expression = query["Expression"]
        try:
            for name in metric_math.names(expression)[0]:
                if name in by_id:
                    self._resolve(name, by_id[name], by_id, known, metrics, (*above, id))
            known[id] = metric_math.work_out(expression, known, metrics)
        except metric_math.MathError as error:
            raise ValidationError(f"Error in expression '{id}': {error}") from error


class LocalAnswers(CloudWatchResponse):
    """moto's CloudWatch answers, with reading as AWS limits it."""

    def put_metric_data(self):
        data = [*(self._get_param("MetricData") or []), *self._entities()]
        self.cloudwatch_backend.put_metric_data(self._get_param("Namespace"), data)
        return EmptyResult()

    def _entities(self):
        rows = self._get_param("EntityMetricData") or []
        return [datum for row in rows for datum in row.get("MetricData") or []]

    def get_metric_statistics(self):
        statistics, percentiles = self._get_param("Statistics") or [], self._get_param("ExtendedStatistics") or []
        if not statistics and not percentiles:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        if statistics and percentiles:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics, not both")
        for name in statistics:
            if name not in STATISTICS:
                raise InvalidParameterValue(f"The value {name} for parameter Statistics is invalid.")
        for name in percentiles:
            if not PERCENTILE.fullmatch(name):
                raise InvalidParameterValue(f"The value {name} for parameter ExtendedStatistics is invalid.")
        asked = {name: self._get_param(name) for name in ("Namespace", "MetricName", "Dimensions")}
        start, end = _seconds(self._get_param("StartTime")), _seconds(self._get_param("EndTime"))
        period, unit = int(self._get_param("Period")), self._get_param("Unit")
        points = self.cloudwatch_backend.statistics(asked, start, end, period, statistics, percentiles, unit)
        return ActionResult({"Label": asked["MetricName"], "Datapoints": points})

    def get_metric_data(self):
        params = self._get_params()
        start, end = _seconds(params["StartTime"]), _seconds(params["EndTime"])
        newest_first = (params.get("ScanBy") or "TimestampDescending") == "TimestampDescending"
        rows = self.cloudwatch_backend.data(params.get("MetricDataQueries") or [], start, end)
        points = [(sorted(series.items(), reverse=newest_first)) for _, series in rows]
        most = min(int(params.get("MaxDatapoints") or PER_PAGE), PER_PAGE)
        position = _position(params.get("NextToken"))
        results, next_position = _page([query for query, _ in rows], points, position, most)
        answer = {"MetricDataResults": results, "Messages": []}
        return ActionResult(answer | ({"NextToken": _token(next_position)} if next_position else {}))

    def list_metrics(self):
        params = self._get_params()
        filters = [(one["Name"], one.get("Value")) for one in params.get("Dimensions") or []]
        backend = self.cloudwatch_backend
        found, after = backend.store.list(
            backend.now(),
            params.get("Namespace"),
            params.get("MetricName"),
            filters,
            recent=params.get("RecentlyActive") == "PT3H",
            after=_position(params.get("NextToken")),
        )
        metrics = [
            {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            }
            for namespace, name, dimensions in found
        ]
        return ActionResult({"Metrics": metrics} | ({"NextToken": _token(after)} if after else {}))


def _page(queries, points, position, most):
    """(results, where the next page begins or 0): up to `most` points from `position` on, over all queries."""
    results, passed = [], 0
    end = position + most
    for query, series in zip(queries, points, strict=True):
        first, last = max(position - passed, 0), min(end - passed, len(series))
        begins_here = passed >= position and passed < end
        if first < last or (not series and begins_here):
            part = series[first:last]
            results.append(
                {
                    "Id": query["Id"],
                    "Label": _label(query),
                    "Timestamps": [datetime.fromtimestamp(time, UTC).replace(tzinfo=None) for time, _ in part],
                    "Values": [float(value) for _, value in part],
                    "StatusCode": "PartialData" if last < len(series) else "Complete",
                }
            )
        passed += len(series)
    return results, end if end < passed else 0


def _label(query):
    if query.get("Label"):
        return query["Label"]
    return query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]


def _checked(queries):
    """{id: query}, refused as AWS refuses them."""
    if not queries or len(queries) > QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must have from 1 to {QUERIES} members.")
    by_id = {}
    for number, query in enumerate(queries, 1):
        where, id = f"MetricDataQueries.member.{number}", query.get("Id") or ""
        if not re.fullmatch(r"[a-z]\w*", id):
            raise ValidationError(
                f"The value {id} for parameter {where}.Id is not valid: it begins with a small letter."
            )
        if id in by_id:
            raise ValidationError(f"The values for parameter id in MetricDataQueries are not unique: {id}.")
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValidationError(f"Exactly one of {where}.MetricStat and {where}.Expression is required.")
        if "MetricStat" in query:
            wanted = query["MetricStat"]
            if wanted["Stat"] not in STATISTICS and not PERCENTILE.fullmatch(wanted["Stat"]):
                raise ValidationError(
                    f"The value {wanted['Stat']} for parameter {where}.MetricStat.Stat is not supported."
                )
            _check_period(int(wanted["Period"]), ValidationError)
        by_id[id] = query
    return by_id


def _check_period(period, error=InvalidParameterValue):
    if period < 1 or (period not in (1, 5, 10, 30) and period % 60):
        raise error(f"The parameter Period must be 1, 5, 10, 30 or a multiple of 60; it is {period}.")


def _check_namespace(namespace):
    if not namespace or not re.fullmatch(r"[\w.\-/#: ]{1,255}", namespace) or namespace.startswith(":"):
        raise InvalidParameterValue(f"The value {namespace} for parameter Namespace is invalid.")
    if namespace.startswith("AWS/"):
        raise InvalidParameterValue(
            f"The value {namespace} for parameter Namespace is invalid. Namespaces that start with AWS/ are AWS's own."
        )


def _rows(datum):
    """[(count, sum, least, most)] of one datum: a value, values with counts, or a set of statistics."""
    if datum.get("StatisticValues"):
        it = datum["StatisticValues"]
        return [tuple(float(it[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))]
    if datum.get("Values"):
        values = [float(value) for value in datum["Values"]]
        counts = [float(count) for count in datum.get("Counts") or [1] * len(values)]
        return [(count, value * count, value, value) for value, count in zip(values, counts, strict=True)]
    value = float(datum["Value"])
    return [(1.0, value, value, value)]


def _dimensions(it):
    return {one["Name"]: one["Value"] for one in it.get("Dimensions") or []}


def _seconds(time):
    """Whole seconds since the epoch. Clients send a time with its zone, or UTC without."""
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return int(time)


def _token(position):
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position(token):
    if not token:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(token)))
    except (ValueError, TypeError) as error:
        raise InvalidParameterValue("Request parameter NextToken is invalid") from error


def install(cloud):
    """Put the store in the place of moto's metrics, and measure what runs. Call it before CloudWatch's first use."""
    store = MetricStore(cloud.place.home / "metrics.db")
    LocalBackend.cloud, LocalBackend.store = cloud, store
    cloudwatch_backends.backend = LocalBackend
    urls.url_paths["{0}/$"] = LocalAnswers.dispatch
    sampler = Sampler(cloud, store)
    cloud.parts["metrics"] = store
    cloud.at_start(lambda _: sampler.start())
    cloud.at_stop(lambda _: sampler.stop())
