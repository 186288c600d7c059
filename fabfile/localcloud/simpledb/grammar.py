"""The language of Select: from an expression's text to a Query.

Where AWS's guide is silent on precedence, `not` binds closest, then `and`, then `or`, then `intersection`.
"""

import re

from .errors import Refused, invalid
from .expressions import ITEM_NAME, And, Intersection, Not, Or, Order, Presence, Query, Test, predicates
from .parameters import domain_name

MOST_PREDICATES = 20
MOST_VALUES = 20
MOST_OUTPUT = 256
LARGEST_PAGE = 2500
DEEPEST = 50  # levels of parentheses, so that no text can exhaust the interpreter's stack

RESERVED = frozenset(
    ["or", "and", "not", "from", "where", "select", "like", "null", "is", "order", "by", "asc", "desc", "in"]
    + ["between", "intersection", "limit", "every"]
)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
      | `(?P<name>(?:[^`]|``)+)`
      | '(?P<single>(?:[^']|'')*)'
      | "(?P<double>(?:[^"]|"")*)"
      | (?P<integer>-?[0-9]{1,18})(?![A-Za-z0-9_$])
      | (?P<symbol>!=|<=|>=|[=<>(),*])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)


def parse(text):
    """The Query of a Select expression. Raises Refused for bad syntax, broken limits, an impossible sort."""
    query = _Parser(text).query()
    _check_limits(query)
    _check_order(query)
    return query


def _check_limits(query):
    domain_name(query.domain)
    if isinstance(query.output, tuple) and len(query.output) > MOST_OUTPUT:
        raise Refused("TooManyRequestedAttributes")
    if query.limit is not None and not (
        query.limit >= 1 and (query.output == "count(*)" or query.limit <= LARGEST_PAGE)
    ):
        raise invalid(query.limit, "MaxNumberOfItems", f"MaxNumberOfItems must be between 1 and {LARGEST_PAGE}.")
    found = list(predicates(query.where))
    if len(found) > MOST_PREDICATES:
        raise Refused("InvalidNumberPredicates")
    if sum(len(test.values) if _is_in(test) else 1 for test in found) > MOST_VALUES:
        raise Refused("InvalidNumberValueTests")


def _is_in(predicate):
    return isinstance(predicate, Test) and predicate.operator == "in"


def _check_order(query):
    if query.order is None:
        return
    on_key = (predicate for predicate in predicates(query.where) if predicate.key == query.order.key)
    if all(isinstance(predicate, Presence) and not predicate.present for predicate in on_key):
        raise Refused("InvalidSortExpression")


def _tokens(text):
    tokens, at = [], 0
    while True:
        match = _TOKEN.match(text, at)
        if not match:
            raise Refused("InvalidQueryExpression")
        kind, value = match.lastgroup, match[match.lastgroup]
        if kind == "word" and value.lower() in RESERVED:
            kind, value = "keyword", value.lower()
        elif kind in ("single", "double"):
            quote = "'" if kind == "single" else '"'
            kind, value = "value", value.replace(quote * 2, quote)
        elif kind == "name":
            value = value.replace("``", "`")
        tokens.append((kind, value))
        if kind == "end":
            return tokens
        at = match.end()


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, text):
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def query(self):
        self._need("keyword", "select")
        output = self._output()
        self._need("keyword", "from")
        domain = self._name()
        where = self._intersection() if self._have("keyword", "where") else None
        order = self._order() if self._have("keyword", "order") else None
        limit = int(self._need("integer")) if self._have("keyword", "limit") else None
        self._need("end")
        return Query(output, domain, where, order, limit)

    def _output(self):
        if self._have("symbol", "*"):
            return "*"
        if self._function("itemname"):
            return "itemName()"
        if self._function("count", "*"):
            return "count(*)"
        return tuple(self._separated(self._name))

    def _order(self):
        self._need("keyword", "by")
        key = self._key()
        descending = self._have("keyword", "desc")
        if not descending:
            self._have("keyword", "asc")
        return Order(key, descending)

    def _intersection(self):
        return self._chain(self._or, "intersection", Intersection)

    def _or(self):
        return self._chain(self._and, "or", Or)

    def _and(self):
        return self._chain(self._not, "and", And)

    def _chain(self, rule, word, node):
        parts = [rule()]
        while self._have("keyword", word):
            parts.append(rule())
        return parts[0] if len(parts) == 1 else node(tuple(parts))

    def _not(self):
        self._depth += 1
        if self._depth > DEEPEST:
            raise Refused("InvalidQueryExpression")
        if self._have("keyword", "not"):
            node = Not(self._not())
        elif self._have("symbol", "("):
            node = self._intersection()
            self._need("symbol", ")")
        else:
            node = self._predicate()
        self._depth -= 1
        return node

    def _predicate(self):
        every = self._have("keyword", "every")
        if every:
            self._need("symbol", "(")
        key = self._key()
        if every:
            self._need("symbol", ")")
        return self._comparison(key, every)

    def _comparison(self, key, every):
        if self._have("keyword", "is"):
            absent = not self._have("keyword", "not")
            self._need("keyword", "null")
            return Presence(key, not absent, every)
        if self._have("keyword", "between"):
            low = self._need("value")
            self._need("keyword", "and")
            return Test(key, "between", (low, self._need("value")), every)
        if self._have("keyword", "in"):
            self._need("symbol", "(")
            values = tuple(self._separated(lambda: self._need("value")))
            self._need("symbol", ")")
            return Test(key, "in", values, every)
        negated = self._have("keyword", "not")
        if negated or self._next() == ("keyword", "like"):
            self._need("keyword", "like")
            return Test(key, "like", (self._need("value"),), every, negated)
        operator = self._need("symbol")
        if operator not in ("=", "!=", "<", "<=", ">", ">="):
            raise Refused("InvalidQueryExpression")
        return Test(key, operator, (self._need("value"),), every)

    def _key(self):
        return ITEM_NAME if self._function("itemname") else self._name()

    def _name(self):
        return self._need("name") if self._next()[0] == "name" else self._need("word")

    def _separated(self, rule):
        found = [rule()]
        while self._have("symbol", ","):
            found.append(rule())
        return found

    def _function(self, name, *inside):
        """Take `name(inside)` if it comes next; without its parentheses such a word is a name like any other."""
        kind, word = self._next()
        wanted = [("symbol", symbol) for symbol in ("(", *inside, ")")]
        if kind != "word" or word.lower() != name or self._tokens[self._at + 1 :][: len(wanted)] != wanted:
            return False
        self._at += 1 + len(wanted)
        return True

    def _next(self):
        return self._tokens[self._at]

    def _have(self, *token):
        if self._tokens[self._at] != token:
            return False
        self._at += 1
        return True

    def _need(self, kind, value=None):
        found = self._tokens[self._at]
        if found[0] != kind or value not in (None, found[1]):
            raise Refused("InvalidQueryExpression")
        self._at += 1
        return found[1]
