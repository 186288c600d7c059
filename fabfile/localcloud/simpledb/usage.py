"""BoxUsage: the machine hours that SimpleDB says a call has cost, as fitted to recorded answers."""

DOMAIN = 0.0055590278  # to create or delete one
LOOK = 0.0000071759  # ListDomains, DomainMetadata
WRITE_REFUSED = 0.0000219907
SELECT_REFUSED = 0.0000137200


def write(pairs):
    """Of one Put or Delete that names so many pairs."""
    return 0.0000219907 + 2e-10 * pairs**3


def batch(pairs_of_items):
    """Of a batch, from the number of pairs of each item."""
    return sum(0.0000153935 + 2e-10 * pairs**3 for pairs in pairs_of_items)


def get(names):
    """Of a Get that returned so many different names."""
    return 0.0000093202 + 2e-9 * names**2


def select(output, items):
    """Of a Select page with so many items. `output` is as in Query."""
    each = {"itemName()": 8e-9, "count(*)": 1.1213e-8}.get(output, 9.0716e-6)
    return 0.0000140000 + each * items


def refused(action):
    """Of a call that was answered with an error."""
    return SELECT_REFUSED if action in ("Select", "GetAttributes") else WRITE_REFUSED
