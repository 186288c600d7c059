"""How the tests ask SimpleDB, through boto3 and by plain HTTP."""

from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

NAMESPACE = "{http://sdb.amazonaws.com/doc/2009-04-15/}"
ROOT = Path(__file__).parents[3]


def client_of(url, region="us-west-2"):
    """A boto3 client that sends what it is given, also what botocore would refuse by itself."""
    return boto3.client(
        "sdb",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


def refusal(call, **arguments):
    """(code, HTTP status, message) of the error that the call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def pairs(*texts):
    """Attributes for boto3: pairs("colour=red", "size=1")."""
    return [dict(zip(("Name", "Value"), text.split("=", 1), strict=True)) for text in texts]


def put_one(name="colour", value="red", item="a", number="1"):
    """The parameters of a PutAttributes of one pair."""
    fields = {f"Attribute.{number}.Name": name, f"Attribute.{number}.Value": value}
    return {"Action": "PutAttributes", "ItemName": item, **fields}


def error_of(answer):
    """(HTTP status, code, message) of a refused request; `answer` is what the fixture `ask` gives."""
    status, root = answer
    return status, root.findtext("Errors/Error/Code"), root.findtext("Errors/Error/Message")
