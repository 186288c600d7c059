"""CloudWatch as a client meets it: what is put, what is measured, and what AWS's limits let one read of it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from .endpoint import endpoint

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


@pytest.fixture(scope="module")
def found():
    """A daemon of our own, with nothing behind it."""
    with endpoint("memory") as running:
        yield running


@pytest.fixture(scope="module")
def cloudwatch(found):
    return found.client("cloudwatch")


def put(cloudwatch, namespace, values, name="Visits", dimensions=(), unit="Count", **more):
    """Put one value a minute, from NOW on."""
    for minute, value in enumerate(values):
        datum = {"MetricName": name, "Timestamp": NOW + timedelta(minutes=minute), "Value": value, "Unit": unit, **more}
        datum["Dimensions"] = [{"Name": key, "Value": text} for key, text in dimensions]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])


def statistics(cloudwatch, namespace, *wanted, minutes=60, period=60, start=NOW, name="Visits", **more):
    """The data points, oldest first."""
    key = "ExtendedStatistics" if wanted and wanted[0].startswith("p") else "Statistics"
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        StartTime=start,
        EndTime=start + timedelta(minutes=minutes),
        Period=period,
        **{key: list(wanted)},
        **more,
    )
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def query(id, namespace, period=60, stat="Sum", dimensions=(), shown=True, name="Visits"):
    metric = {"Namespace": namespace, "MetricName": name}
    metric["Dimensions"] = [{"Name": key, "Value": text} for key, text in dimensions]
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, "ReturnData": shown}


def data(cloudwatch, *queries, start=NOW, minutes=60, **more):
    """{id: [values]} of one page."""
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=start, EndTime=start + timedelta(minutes=minutes), **more
    )
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


def refusal(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response["Error"]


# -- statistics -----------------------------------------------------------------------------------------------------


def test_bins_are_aligned_to_the_period(cloudwatch):
    put(cloudwatch, "Aligned", [1, 2, 3, 4, 5, 6, 7])

    points = statistics(cloudwatch, "Aligned", "Sum", "Average", "SampleCount", period=300)

    assert [point["Timestamp"] for point in points] == [NOW, NOW + timedelta(minutes=5)]
    assert [(point["Sum"], point["Average"], point["SampleCount"]) for point in points] == [(15, 3, 5), (13, 6.5, 2)]


def test_the_start_is_included_and_the_end_is_not(cloudwatch):
    put(cloudwatch, "Ends", [1, 2, 3])

    points = statistics(cloudwatch, "Ends", "Sum", start=NOW + timedelta(minutes=1), minutes=1)

    assert [point["Sum"] for point in points] == [2]


def test_dimensions_must_be_exactly_those_of_the_metric(cloudwatch):
    put(cloudwatch, "Exact", [1], dimensions=[("Page", "home"), ("Host", "a")])
    home = {"Name": "Page", "Value": "home"}

    assert statistics(cloudwatch, "Exact", "Sum") == []
    assert statistics(cloudwatch, "Exact", "Sum", Dimensions=[home]) == []
    assert len(statistics(cloudwatch, "Exact", "Sum", Dimensions=[{"Name": "Host", "Value": "a"}, home])) == 1


def test_another_namespace_is_another_metric(cloudwatch):
    put(cloudwatch, "One", [1], dimensions=[("Page", "same")])
    put(cloudwatch, "Other", [50], dimensions=[("Page", "same")])

    assert data(cloudwatch, query("a", "One", dimensions=[("Page", "same")])) == {"a": [1]}


def test_units_are_kept_apart_and_can_be_asked_for(cloudwatch):
    put(cloudwatch, "Units", [1], unit="Seconds")
    put(cloudwatch, "Units", [1000], unit="Milliseconds")

    assert {(p["Unit"], p["Sum"]) for p in statistics(cloudwatch, "Units", "Sum")} == {
        ("Seconds", 1),
        ("Milliseconds", 1000),
    }
    assert [p["Sum"] for p in statistics(cloudwatch, "Units", "Sum", Unit="Seconds")] == [1]


def test_values_with_counts_and_sets_of_statistics_add_up(cloudwatch):
    counted = {"MetricName": "Visits", "Timestamp": NOW, "Values": [1, 5], "Counts": [3, 1]}
    summed = {"MetricName": "Visits", "Timestamp": NOW}
    summed["StatisticValues"] = {"SampleCount": 2, "Sum": 20, "Minimum": 4, "Maximum": 16}
    cloudwatch.put_metric_data(Namespace="Sets", MetricData=[counted, summed])

    point = statistics(cloudwatch, "Sets", "SampleCount", "Sum", "Minimum", "Maximum", "Average")[0]

    assert [point[name] for name in ("SampleCount", "Sum", "Minimum", "Maximum")] == [6, 28, 1, 16]


def test_percentiles_come_from_the_values(cloudwatch):
    datum = {"MetricName": "Visits", "Timestamp": NOW, "Values": [float(n) for n in range(1, 101)]}
    cloudwatch.put_metric_data(Namespace="Percent", MetricData=[datum])

    point = statistics(cloudwatch, "Percent", "p50", "p99", "p99.9")[0]

    assert point["ExtendedStatistics"] == {"p50": 50, "p99": 99, "p99.9": 100}
    assert data(cloudwatch, query("a", "Percent", stat="p99")) == {"a": [99]}


def test_a_metric_nobody_put_has_no_points(cloudwatch):
    assert statistics(cloudwatch, "Nobody", "Sum") == []


# -- limits ---------------------------------------------------------------------------------------------------------


def test_more_than_1440_points_are_refused_in_awss_words(cloudwatch):
    error = refusal(statistics, cloudwatch, "Limits", "Sum", minutes=4 * 24 * 60, start=NOW - timedelta(days=4))

    assert error["Code"] == "InvalidParameterCombination"
    assert error["Message"].startswith("You have requested up to 5,760 datapoints, which exceeds the limit of 1,440.")


def test_exactly_1440_points_are_allowed(cloudwatch):
    assert statistics(cloudwatch, "Limits", "Sum", minutes=24 * 60, start=NOW - timedelta(days=1)) == []


@pytest.mark.parametrize("period", [7, 45, 90, 3601])
def test_a_period_is_1_5_10_30_or_a_multiple_of_60(cloudwatch, period):
    assert refusal(statistics, cloudwatch, "Limits", "Sum", period=period)["Code"] == "InvalidParameterValue"


def test_a_start_after_the_end_is_refused(cloudwatch):
    assert refusal(statistics, cloudwatch, "Limits", "Sum", minutes=-5)["Code"] == "InvalidParameterCombination"


def test_statistics_and_percentiles_are_not_asked_together(cloudwatch):
    error = refusal(statistics, cloudwatch, "Limits", "p50", Statistics=["Sum"])

    assert error["Code"] == "InvalidParameterCombination"


def test_awss_own_namespaces_are_not_for_users(cloudwatch):
    datum = {"MetricName": "CPUUtilization", "Value": 1}

    assert (
        refusal(cloudwatch.put_metric_data, Namespace="AWS/RDS", MetricData=[datum])["Code"] == "InvalidParameterValue"
    )


@pytest.mark.parametrize("away", [timedelta(days=-15), timedelta(hours=3)])
def test_what_is_too_old_or_not_yet_is_not_taken(cloudwatch, away):
    datum = {"MetricName": "Visits", "Value": 1, "Timestamp": datetime.now(UTC) + away}

    assert refusal(cloudwatch.put_metric_data, Namespace="Late", MetricData=[datum])["Code"] == "InvalidParameterValue"


def test_a_period_too_fine_for_the_start_gives_no_data_and_no_error(cloudwatch):
    put(cloudwatch, "Fine", [1])
    start = datetime.now(UTC) - timedelta(days=16)

    assert statistics(cloudwatch, "Fine", "Sum", start=start, minutes=17 * 24 * 60, period=3600)
    assert data(cloudwatch, query("a", "Fine", period=60), start=start, minutes=17 * 24 * 60) == {"a": []}


# -- metric data ----------------------------------------------------------------------------------------------------


def test_the_newest_point_comes_first_unless_asked_otherwise(cloudwatch):
    put(cloudwatch, "Order", [1, 2, 3])

    assert data(cloudwatch, query("a", "Order")) == {"a": [3, 2, 1]}
    assert data(cloudwatch, query("a", "Order"), ScanBy="TimestampAscending") == {"a": [1, 2, 3]}


def test_pages_go_on_where_the_last_one_ended(cloudwatch):
    put(cloudwatch, "Pages", [1, 2, 3, 4, 5])
    put(cloudwatch, "Pages", [9], name="Single")
    asked = {"ScanBy": "TimestampAscending", "StartTime": NOW, "EndTime": NOW + timedelta(hours=1), "MaxDatapoints": 2}
    asked["MetricDataQueries"] = [
        query("a", "Pages"),
        query("empty", "Pages", name="None"),
        query("b", "Pages", name="Single"),
    ]

    first = cloudwatch.get_metric_data(**asked)
    pages = [*cloudwatch.get_paginator("get_metric_data").paginate(**asked)]

    assert first["NextToken"]
    assert first["MetricDataResults"][0]["StatusCode"] == "PartialData"
    rows = [result for page in pages for result in page["MetricDataResults"]]
    values = {id: [v for row in rows if row["Id"] == id for v in row["Values"]] for id in ("a", "empty", "b")}
    assert values == {"a": [1, 2, 3, 4, 5], "empty": [], "b": [9]}
    assert all(sum(len(result["Values"]) for result in page["MetricDataResults"]) <= 2 for page in pages)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("a", [1, 2]),
        ("a*2", [2, 4]),
        ("a+b", [11, 22]),
        ("(b-a)/a", [9, 9]),
        ("100*(a/b)", [10, 10]),
        ("a^2", [1, 4]),
        ("-a", [-1, -2]),
        ("SUM(METRICS())", [11, 22]),
        ("AVG(METRICS())", [5.5, 11]),
        ("MAX([a,b])", [10, 20]),
        ("MIN(METRICS())", [1, 2]),
        ("a/SUM(a)", [1 / 3, 2 / 3]),
        ('SUM(METRICS("a"))', [1, 2]),
    ],
)
def test_metric_math(cloudwatch, expression, wanted):
    namespace = "Maths"
    put_once(cloudwatch, namespace)

    found = data(
        cloudwatch,
        query("a", namespace, stat="Maximum", name="Small", shown=False),
        query("b", namespace, stat="Maximum", name="Large", shown=False),
        {"Id": "e", "Expression": expression},
        ScanBy="TimestampAscending",
    )

    assert found == {"e": pytest.approx(wanted)}


def put_once(cloudwatch, namespace):
    put(cloudwatch, namespace, [1, 2], name="Small")
    put(cloudwatch, namespace, [10, 20], name="Large")


@pytest.mark.parametrize(
    "expression", ["a+", "SEARCH('x', 'Sum')", "nobody*2", "e*2", "SUM(a)", "__import__('os')", "METRICS()"]
)
def test_an_expression_that_cannot_be_worked_out_is_refused(cloudwatch, expression):
    put_once(cloudwatch, "Maths")
    queries = [query(id, "Maths", name=name) for id, name in (("a", "Small"), ("b", "Large"))]

    error = refusal(data, cloudwatch, *queries, {"Id": "e", "Expression": expression})

    assert error["Code"] == "ValidationError"


def test_queries_are_told_apart_by_their_ids(cloudwatch):
    assert refusal(data, cloudwatch, query("a", "X"), query("a", "X"))["Code"] == "ValidationError"
    assert refusal(data, cloudwatch, query("Big", "X"))["Code"] == "ValidationError"


# -- lists ----------------------------------------------------------------------------------------------------------


def test_metrics_are_listed_once_each_with_their_dimensions(cloudwatch):
    put(cloudwatch, "Lists", [1, 2], dimensions=[("Page", "home")])
    put(cloudwatch, "Lists", [1], dimensions=[("Page", "about")])

    every = cloudwatch.list_metrics(Namespace="Lists")["Metrics"]
    home = cloudwatch.list_metrics(Namespace="Lists", Dimensions=[{"Name": "Page", "Value": "home"}])["Metrics"]

    assert len(every) == 2
    assert [metric["Dimensions"] for metric in home] == [[{"Name": "Page", "Value": "home"}]]


def test_a_long_list_comes_in_pages(cloudwatch):
    data = [{"MetricName": f"Many{number}", "Value": 1} for number in range(501)]
    cloudwatch.put_metric_data(Namespace="Many", MetricData=data)

    pages = [*cloudwatch.get_paginator("list_metrics").paginate(Namespace="Many")]

    assert [len(page["Metrics"]) for page in pages] == [500, 1]


def test_the_query_protocol_of_the_aws_cli_is_understood_too(found, cloudwatch):
    put(cloudwatch, "Cli", [4, 6])
    asked = {"Action": "GetMetricStatistics", "Version": "2010-08-01", "Namespace": "Cli", "MetricName": "Visits"}
    asked |= {"Period": 300, "Statistics.member.1": "Sum"}
    asked |= {"StartTime": NOW.isoformat(), "EndTime": (NOW + timedelta(hours=1)).isoformat()}
    request = AWSRequest("POST", found.url + "/", data=urlencode(asked))
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(Credentials(found.access_key, found.secret_key), "monitoring", "us-west-2").add_auth(request)

    answer = URLLib3Session().send(request.prepare())

    assert "<Sum>10.0</Sum>" in answer.text


def test_alarms_and_dashboards_are_still_there(cloudwatch):
    cloudwatch.put_dashboard(DashboardName="one", DashboardBody="{}")
    cloudwatch.put_metric_alarm(
        AlarmName="high", MetricName="Visits", Namespace="Alarms", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip

    assert cloudwatch.get_dashboard(DashboardName="one")["DashboardBody"] == "{}"
    assert cloudwatch.describe_alarms(AlarmNames=["high"])["MetricAlarms"]
