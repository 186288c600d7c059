"""The ten operations of 2009-04-15: from checked parameters to a result and its BoxUsage."""

import time
from dataclasses import dataclass

from . import parameters as form
from . import tokens, usage, wire
from .changes import Delete, Put
from .conditions import expectation
from .errors import Refused
from .select import select

VERSION = "2009-04-15"
WRITES = frozenset(["PutAttributes", "DeleteAttributes", "BatchPutAttributes", "BatchDeleteAttributes"])
MOST_DOMAINS = 100  # in one page of ListDomains


@dataclass(frozen=True)
class Result:
    """`xml` is the inside of the Result element; None for an operation that has none."""

    xml: str | None
    usage: float


def perform(store, region, parameters):
    """The Result of the operation that the parameters (a dict of texts) name. Raises Refused."""
    if not parameters.get("Action"):
        raise Refused("MissingAction")
    operation = ACTIONS.get(parameters["Action"])
    if operation is None:
        raise Refused("InvalidAction", parameters["Action"])
    version = form.required(parameters, "Version")
    if version != VERSION:
        raise Refused("NoSuchVersion", version)
    return operation(store, region, parameters)


def _create_domain(store, region, parameters):
    store.create_domain(region, form.domain(parameters))
    return Result(None, usage.DOMAIN)


def _delete_domain(store, region, parameters):
    store.delete_domain(region, form.domain(parameters))
    return Result(None, usage.DOMAIN)


def _list_domains(store, region, parameters):
    most = form.count(parameters, "MaxNumberOfDomains", MOST_DOMAINS)
    (after,) = tokens.unpack("ListDomains", parameters.get("NextToken")) or ("",)
    with store.read() as snapshot:
        names = snapshot.domains(region, after, most + 1)
    xml = "".join(f"<DomainName>{name}</DomainName>" for name in names[:most])
    if len(names) > most:
        xml += _next_token(tokens.pack("ListDomains", [names[most - 1]]))
    return Result(xml, usage.LOOK)


def _domain_metadata(store, region, parameters):
    name = form.domain(parameters)
    with store.read_domain(region, name, consistent=True) as (snapshot, id):
        found = snapshot.metadata(id)
    fields = {
        "ItemCount": found.items,
        "ItemNamesSizeBytes": found.item_bytes,
        "AttributeNameCount": found.names,
        "AttributeNamesSizeBytes": found.name_bytes,
        "AttributeValueCount": found.pairs,
        "AttributeValuesSizeBytes": found.value_bytes,
        "Timestamp": int(time.time()),
    }
    return Result("".join(f"<{field}>{value}</{field}>" for field, value in fields.items()), usage.LOOK)


def _put_attributes(store, region, parameters):
    domain, item, attributes = form.put(parameters)
    store.change(region, domain, [Put(item, attributes, expectation(parameters))])
    return Result(None, usage.write(len(attributes)))


def _delete_attributes(store, region, parameters):
    domain, item, attributes = form.delete(parameters)
    store.change(region, domain, [Delete(item, attributes, expectation(parameters))])
    return Result(None, usage.write(len(attributes)))


def _batch_put_attributes(store, region, parameters):
    domain, items = form.put_batch(parameters)
    store.change(region, domain, [Put(item.name, item.attributes) for item in items])
    return Result(None, usage.batch(len(item.attributes) for item in items))


def _batch_delete_attributes(store, region, parameters):
    domain, items = form.delete_batch(parameters)
    store.change(region, domain, [Delete(item.name, item.attributes) for item in items])
    return Result(None, usage.batch(len(item.attributes) for item in items))


def _get_attributes(store, region, parameters):
    domain, item, wanted = form.get(parameters)
    consistent = form.flag(parameters.get("ConsistentRead"), "ConsistentRead")
    with store.read_domain(region, domain, consistent) as (snapshot, id):
        pairs = snapshot.pairs(id, item)
    found = [pair for pair in pairs if pair[0] in wanted] if wanted else pairs
    return Result(wire.attributes(found), usage.get(len({name for name, _ in found})))


def _select(store, region, parameters):
    expression = form.required(parameters, "SelectExpression")
    consistent = form.flag(parameters.get("ConsistentRead"), "ConsistentRead")
    page = select(store, region, expression, parameters.get("NextToken"), consistent)
    xml = page.xml + (_next_token(page.next_token) if page.next_token else "")
    return Result(xml, usage.select(page.output, page.items))


def _next_token(token):
    return f"<NextToken>{token}</NextToken>"


ACTIONS = {
    "BatchDeleteAttributes": _batch_delete_attributes,
    "BatchPutAttributes": _batch_put_attributes,
    "CreateDomain": _create_domain,
    "DeleteAttributes": _delete_attributes,
    "DeleteDomain": _delete_domain,
    "DomainMetadata": _domain_metadata,
    "GetAttributes": _get_attributes,
    "ListDomains": _list_domains,
    "PutAttributes": _put_attributes,
    "Select": _select,
}
