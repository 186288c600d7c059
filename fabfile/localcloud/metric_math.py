"""Metric math: arithmetic between metrics, and the functions of it that are served.

A value is a number, a series ({time: number}) or a list of series. Missing points stay missing: a sum of two series has
a point where both have one, the SUM of a list where any has.
"""

import ast
import operator


class MathError(Exception):
    """The expression cannot be read or worked out; the message says why."""


_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FOLDS = {
    "SUM": sum,
    "MIN": min,
    "MAX": max,
    "AVG": lambda values: sum(values) / len(values),
}


def names(expression):
    """The ids of other queries that an expression names, and whether it asks for all of them: (set, bool)."""
    tree = _parsed(expression)
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    functions = {node.id for node in calls if isinstance(node, ast.Name)}
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in calls}
    return found, "METRICS" in functions


def work_out(expression, known, metrics):
    """The series that an expression gives. `known` is {id: series}; `metrics` the metrics' ids, for METRICS()."""
    try:
        result = _Work(known, metrics).value(_parsed(expression).body)
    except (OverflowError, ValueError) as error:
        raise MathError(f"{expression}: {error}") from error
    if isinstance(result, list):
        raise MathError(f"{expression} gives several time series, and one is wanted")
    if not isinstance(result, dict):
        raise MathError(f"{expression} gives a single number, and a time series is wanted")
    return result


def _parsed(expression):
    try:
        return ast.parse(expression.replace("^", "**").strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise MathError(f"{expression!r} cannot be read") from error


class _Work:
    def __init__(self, known, metrics):
        self.known, self.metrics = known, metrics

    def value(self, node):
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Name(id=name):
                if name not in self.known:
                    raise MathError(f"there is no query with the id {name}")
                return self.known[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _pointwise(operator.sub, 0, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _pointwise(_OPERATORS[type(op)], self.value(left), self.value(right))
            case ast.List(elts=elements):
                return [self._series(element) for element in elements]
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self._call(function.upper(), arguments)
        raise MathError(f"{ast.unparse(node)} is not served in metric math here")

    def _series(self, node):
        value = self.value(node)
        if not isinstance(value, dict):
            raise MathError(f"{ast.unparse(node)} is not a time series")
        return value

    def _call(self, function, arguments):
        if function == "METRICS":
            wanted = [self._text(argument) for argument in arguments]
            ids = [id for id in self.metrics if all(text in id for text in wanted)]
            return [self.known[id] for id in ids]
        if len(arguments) == 2 and function == "FILL":
            return self._fill(*arguments)
        if len(arguments) != 1:
            raise MathError(f"{function} takes one argument here")
        value = self.value(arguments[0])
        if function == "ABS":
            return _pointwise(lambda _, number: abs(number), 0, value)
        if function not in _FOLDS:
            raise MathError(f"{function} is not served in metric math here")
        return _fold(_FOLDS[function], value)

    def _fill(self, series, filler):
        """Every gap between the times that any metric has, filled with one number."""
        series, number = self._series(series), self.value(filler)
        if not isinstance(number, int | float):
            raise MathError("FILL fills with a number here")
        times = {time for id in self.metrics for time in self.known[id]}
        return {time: series.get(time, number) for time in sorted(times | set(series))}

    @staticmethod
    def _text(node):
        match node:
            case ast.Constant(value=str() as text):
                return text
        raise MathError("METRICS takes a text")


def _fold(fold, value):
    """Over a list: a series with each time's points folded. Over one series: a single number."""
    if isinstance(value, dict):
        return fold(value.values()) if value else 0
    if not isinstance(value, list):
        raise MathError("a function over a single number")
    times = sorted({time for series in value for time in series})
    return {time: fold([series[time] for series in value if time in series]) for time in times}


def _pointwise(apply, left, right):
    if isinstance(left, list) or isinstance(right, list):
        several, other = (left, right) if isinstance(left, list) else (right, left)
        if isinstance(other, list):
            raise MathError("arithmetic between two lists of time series")
        swapped = several is right
        return [_pointwise(apply, *((other, one) if swapped else (one, other))) for one in several]
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = ((time, left[time], right[time]) for time in left if time in right)
    elif isinstance(left, dict):
        pairs = ((time, value, right) for time, value in left.items())
    elif isinstance(right, dict):
        pairs = ((time, left, value) for time, value in right.items())
    else:
        return _apply(apply, left, right)
    worked = ((time, _apply(apply, a, b)) for time, a, b in pairs)
    return {time: value for time, value in worked if value is not None}


def _apply(apply, left, right):
    try:
        value = apply(left, right)
    except ZeroDivisionError:
        return None  # CloudWatch shows no point there
    return value if isinstance(value, int | float) else None
