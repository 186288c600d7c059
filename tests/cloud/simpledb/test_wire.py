"""The query protocol byte by byte: plain HTTP in GET and POST, numbering, XML, errors, regions."""

import base64
import http.client
import socket
from urllib.parse import urlencode, urlsplit

import pytest

from .asking import NAMESPACE, error_of, put_one


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_may_be_a_get_or_a_post(ask, get, method):
    status, root = ask(put_one(), method)
    assert (status, root.tag) == (200, f"{NAMESPACE}PutAttributesResponse")
    assert [child.tag for child in root] == [f"{NAMESPACE}ResponseMetadata"]
    assert root.findtext(f"*/{NAMESPACE}BoxUsage") == "0.0000219909"
    assert len(root.findtext(f"*/{NAMESPACE}RequestId")) == 36
    assert get("a") == ["colour=red"]


ITEM = {"Item.0.ItemName": "a", "Item.0.Attribute.0.Name": "n", "Item.0.Attribute.0.Value": "1"}


@pytest.mark.parametrize(
    "parameters",
    [{"Action": "CreateDomain"}, {"Action": "DeleteAttributes", "ItemName": "a"}, {"Action": "DeleteDomain"}]
    + [{"Action": "BatchPutAttributes", **ITEM}, {"Action": "BatchDeleteAttributes", **ITEM}],
)
def test_a_write_is_answered_without_a_result(ask, parameters):
    status, root = ask(parameters)
    assert (status, root.tag) == (200, f"{NAMESPACE}{parameters['Action']}Response")
    assert [part.tag for part in root.iter()][1:] == [
        f"{NAMESPACE}{name}" for name in ("ResponseMetadata", "RequestId", "BoxUsage")
    ]


def test_an_empty_result_is_an_empty_element(ask, domain):
    nothing = {"Action": "Select", "SelectExpression": f"select * from `{domain}`"}
    for parameters in ({"Action": "GetAttributes", "ItemName": "nobody"}, nothing):
        _, root = ask(parameters)
        result = root.find(f"{NAMESPACE}{parameters['Action']}Result")
        assert result is not None
        assert len(result) == 0


def test_an_error_has_no_namespace_and_a_request_id_of_its_own_spelling(ask):
    status, root = ask({"Action": "DomainMetadata", "DomainName": "never-made"})
    assert (status, root.tag) == (400, "Response")
    assert root.findtext("Errors/Error/Code") == "NoSuchDomain"
    assert float(root.findtext("Errors/Error/BoxUsage")) > 0
    assert len(root.findtext("RequestID")) == 36


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({}, (400, "MissingAction", "No action was supplied with this request.")),
        ({"Action": "Query"}, (400, "InvalidAction", "The action Query is not valid for this web service.")),
        (
            {"Action": "ListDomains", "Version": "2007-11-07"},
            (400, "NoSuchVersion", "The requested version (2007-11-07) of service AmazonSimpleDB does not exist."),
        ),
        (
            {"Action": "ListDomains", "Version": None},
            (400, "MissingParameter", "The request must contain the parameter Version."),
        ),
        (
            {"Action": "GetAttributes", "ItemName": "a", "ConsistentRead": "yes"},
            (
                400,
                "InvalidParameterValue",
                "Value (yes) for parameter ConsistentRead is invalid. "
                "The ConsistentRead flag should be either true or false.",
            ),
        ),
        (
            put_one() | {"Attribute.1.Replace": "maybe"},
            (
                400,
                "InvalidParameterValue",
                "Value (maybe) for parameter Replace is invalid. The Replace flag should be either true or false.",
            ),
        ),
        (
            put_one() | {"Expected.1.Name": "a", "Expected.1.Exists": "perhaps"},
            (
                400,
                "InvalidParameterValue",
                "Value (perhaps) for parameter Expected.Exists is invalid. "
                "Expected.Exists should be either true or false.",
            ),
        ),
        (
            put_one() | {"Replace": "true"},
            (400, "FeatureDeprecated", "The replace flag must be specified per attribute, not per item."),
        ),
        (
            put_one() | {"Expected.1.Name": "a", "Expected.2.Name": "b"},
            (400, "MultipleExpectedNames", "Only one Expected.Name can be specified"),
        ),
        (
            put_one() | {"Expected.Name": "a", "Expected.1.Value": "1", "Expected.2.Value": "2"},
            (400, "MultipleExpectedValues", "Only one Expected.Value can be specified"),
        ),
        (
            put_one() | {"Expected.Name": "a", "Expected.1.Exists": "true", "Expected.2.Exists": "false"},
            (400, "MultipleExistsConditions", "Only one Exists condition can be specified"),
        ),
        (
            put_one() | {"Expected.Exists": "false"},
            (400, "MissingParameter", "The request must contain the parameter Name"),
        ),
    ],
)
def test_a_malformed_request_says_what_is_wrong(ask, parameters, error):
    assert error_of(ask(parameters)) == error


def test_the_method_and_the_path_are_checked(ask):
    assert error_of(ask({"Action": "ListDomains"}, method="PUT"))[1] == "UnsupportedHttpVerb"
    assert error_of(ask({"Action": "ListDomains"}, path="/elsewhere"))[1] == "InvalidURI"


@pytest.mark.parametrize("number", ["0", "1", "7", "0012"])
def test_a_list_may_begin_at_any_number_and_have_gaps(ask, get, number):
    ask(put_one(number=number) | {"Attribute.99.Name": "size", "Attribute.99.Value": "1"})
    assert get("a") == ["colour=red", "size=1"]


@pytest.mark.parametrize("prefix", ["Expected", "Expected.0", "Expected.1"])
def test_a_condition_may_be_numbered_or_not(ask, prefix):
    ask(put_one())
    other = {f"{prefix}.Name": "colour", f"{prefix}.Value": "blue"}
    assert error_of(ask(put_one() | other))[1] == "ConditionalCheckFailed"
    same = {f"{prefix}.Name": "colour", f"{prefix}.Value": "red", f"{prefix}.Exists": "true"}
    assert ask(put_one() | same)[0] == 200


@pytest.mark.parametrize("parameter", ["AttributeName", "AttributeName.0", "AttributeName.3"])
def test_a_wanted_name_may_be_numbered_or_not(ask, put, parameter):
    put("a", "colour=red", "size=1")
    _, root = ask({"Action": "GetAttributes", "ItemName": "a", parameter: "size"})
    assert [name.text for name in root.iter(f"{NAMESPACE}Name")] == ["size"]


def test_an_unknown_parameter_is_ignored(ask, get):
    assert ask(put_one() | {"Signature": "x", "Other.1.Name": "y"})[0] == 200
    assert get("a") == ["colour=red"]


def test_bytes_that_are_not_utf8_are_refused(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", "/?Action=ListDomains&Version=2009-04-15&x=%FF")
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"<Code>InvalidHttpRequest</Code>" in answer.read()
    connection.close()


@pytest.mark.parametrize(
    "text",
    ["a\x00", "\x01", "\x0b\x0c", "\x1f", "\x7f", "\x84", "\x9f", "\ufffe", "\uffff", "\U0001fffe"],
    ids=ascii,
)
def test_what_xml_cannot_carry_comes_back_in_base64(ask, domain, text):
    encoded = base64.b64encode(text.encode()).decode()
    ask(put_one(text, text, item=text), "POST")
    _, root = ask({"Action": "GetAttributes", "ItemName": text})
    name, value = root.find(f".//{NAMESPACE}Attribute")
    assert [(element.text, element.attrib) for element in (name, value)] == [(encoded, {"encoding": "base64"})] * 2
    _, root = ask({"Action": "Select", "SelectExpression": f"select itemName() from `{domain}`"})
    assert root.find(f".//{NAMESPACE}Item/{NAMESPACE}Name").attrib == {"encoding": "base64"}


@pytest.mark.parametrize("text", ["a\tb\nc", "a\rb\r\n", "<&>\"'", " ", "\x85", "e\u0301\U0001f600", "]]>"], ids=ascii)
def test_everything_else_comes_back_as_it_went_in(put, get, text):
    put(text, f"{text}={text}")
    assert get(text) == [f"{text}={text}"]


@pytest.mark.parametrize("encoded", ["item", "name", "value"])
def test_each_element_of_a_select_is_in_base64_for_itself(ask, domain, encoded):
    texts = {part: "\x01" if part == encoded else "plain" for part in ("item", "name", "value")}
    ask(put_one(texts["name"], texts["value"], texts["item"]))
    _, root = ask({"Action": "Select", "SelectExpression": f"select * from `{domain}`"})
    item, attribute = root.find(f".//{NAMESPACE}Item")
    marks = dict(zip(texts, (item, *attribute), strict=True))
    assert {part: element.attrib for part, element in marks.items() if element.attrib} == {
        encoded: {"encoding": "base64"}
    }
    assert {element.text for element in marks.values()} == {"AQ==", "plain"}


def test_a_name_in_base64_leaves_its_value_alone(ask):
    ask(put_one("\x01", "plain"))
    _, root = ask({"Action": "GetAttributes", "ItemName": "a"})
    name, value = root.find(f".//{NAMESPACE}Attribute")
    assert (name.attrib, value.attrib, value.text) == ({"encoding": "base64"}, {}, "plain")


def test_regions_are_told_by_the_host_and_hold_separate_domains(ask):
    ireland = "sdb.eu-west-1.amazonaws.com"
    ask({"Action": "CreateDomain", "DomainName": "only-ireland"}, host=ireland)
    look = {"Action": "DomainMetadata", "DomainName": "only-ireland"}
    assert ask(look, host=ireland)[0] == 200
    assert ask(look, host="sdb.eu-west-1.localhost:8123")[0] == 200
    assert error_of(ask(look))[1] == "NoSuchDomain"
    assert error_of(ask(look, host="sdb.amazonaws.com"))[1] == "NoSuchDomain"
    ask({"Action": "DeleteDomain", "DomainName": "only-ireland"}, host=ireland)


@pytest.mark.parametrize(("pairs", "usage"), [(1, 0.0000219909), (10, 0.0000221907), (100, 0.0002219907)])
def test_a_put_costs_with_the_cube_of_its_pairs(ask, pairs, usage):
    fields = {f"Attribute.{number}.{part}": f"x{number}" for number in range(pairs) for part in ("Name", "Value")}
    _, root = ask({"Action": "PutAttributes", "ItemName": "a", **fields}, "POST")
    assert float(root.findtext(f"*/{NAMESPACE}BoxUsage")) == pytest.approx(usage, rel=1e-4)


@pytest.mark.parametrize(
    ("parameters", "usage"),
    [
        ({"Action": "CreateDomain", "DomainName": "cost"}, 0.0055590278),
        ({"Action": "DeleteDomain", "DomainName": "cost"}, 0.0055590278),
        ({"Action": "ListDomains"}, 0.0000071759),
        ({"Action": "DomainMetadata"}, 0.0000071759),
        ({"Action": "GetAttributes", "ItemName": "nobody"}, 0.0000093202),
        ({"Action": "GetAttributes", "ItemName": "a"}, 0.0000093222),
        ({"Action": "DeleteAttributes", "ItemName": "nobody"}, 0.0000219907),
        ({"Action": "Select", "SelectExpression": "select itemName() from `%s`"}, 0.0000140080),
    ],
)
def test_a_call_costs_what_aws_was_seen_to_charge(ask, domain, put, parameters, usage):
    put("a", "n=1")
    parameters = {name: text.replace("%s", domain) for name, text in parameters.items()}
    _, root = ask(parameters)
    assert float(root.findtext(f"*/{NAMESPACE}BoxUsage")) == pytest.approx(usage, rel=1e-4)


@pytest.mark.parametrize(
    ("parameters", "usage"),
    [({"Action": "PutAttributes"}, "0.0000219907"), ({"Action": "Select", "SelectExpression": "x"}, "0.0000137200")],
)
def test_a_refusal_costs_too(ask, parameters, usage):
    _, root = ask(parameters)
    assert root.findtext("Errors/Error/BoxUsage") == usage


def test_a_request_without_any_credentials_is_served(ask):
    """A local endpoint does not verify signatures, and so does not ask for one."""
    assert ask({"Action": "ListDomains"})[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_method_other_than_get_and_post_is_refused_by_name(ask, method):
    message = f"The requested HTTP verb is not supported: {method}."
    assert error_of(ask({"Action": "ListDomains"}, method)) == (400, "UnsupportedHttpVerb", message)


def test_a_connection_serves_one_request_after_the_other(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for _ in range(3):
        connection.request("GET", "/?Action=ListDomains&Version=2009-04-15")
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/xml")
        assert answer.getheader("Server") == "Amazon SimpleDB"
        assert not answer.will_close
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET /" + b"x" * 70_000]
    + [
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["line", "header", "length", "body", "chunked"],
)
def test_what_is_not_http_is_answered_and_hung_up_on(url, sent):
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(sent)
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_half_a_body_is_never_acted_on(url, domain, client):
    body = urlencode({"Version": "2009-04-15", "DomainName": domain, **put_one(value="x" * 100)}).encode()
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-50])
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").read() == b""
    assert client.domain_metadata(DomainName=domain)["ItemCount"] == 0
