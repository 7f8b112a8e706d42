"""Python text with the line breaks that a formatter would give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LINE = 120
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call, or with other brackets and no function a display such as a dictionary's."""

    function: str
    arguments: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()
    brackets: tuple[str, str] = ("(", ")")
    spread: bool = False  # an argument a line, however short


Expression = str | Call


def written(before: str, expression: Expression, after: str = "", *, indent: int = 0) -> list[str]:
    """Return the lines of a statement: on one line if it fits, else the arguments on one of their own, else on many.

    Args:
        before: such as "self.conv1 = ".
        expression: what follows.
        after: such as a comma.
        indent: levels of indentation.
    """
    margin = INDENT * indent
    line = f"{margin}{before}{_flat(expression)}{after}"
    if isinstance(expression, str) or (len(line) <= LINE and not _spreads(expression)):
        return [line]
    opening, closing = expression.brackets
    inside = f"{margin}{INDENT}{', '.join(_each(expression))}"
    if len(inside) <= LINE and opening == "(" and not _spreads(expression):
        lines = [inside]
    else:
        arguments = [("", each) for each in expression.arguments] + [(f"{k}=", each) for k, each in expression.named]
        lines = [line for name, each in arguments for line in written(name, each, ",", indent=indent + 1)]
    return [f"{margin}{before}{expression.function}{opening}", *lines, f"{margin}{closing}{after}"]


def _flat(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    opening, closing = expression.brackets
    return f"{expression.function}{opening}{', '.join(_each(expression))}{closing}"


def _each(call: Call) -> Iterator[str]:
    yield from map(_flat, call.arguments)
    yield from (f"{name}={_flat(argument)}" for name, argument in call.named)


def _spreads(expression: Expression) -> bool:
    if isinstance(expression, str):
        return False
    inside = (*expression.arguments, *(argument for _, argument in expression.named))
    return expression.spread or any(map(_spreads, inside))
