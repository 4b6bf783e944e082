"""How many lines a connector costs: what must be written, and what is merely declared."""

import ast
import inspect
import io
import sys
import tokenize
from dataclasses import dataclass

from integrations.connectors.base import Connector

MOST_METHOD_LINES = 50
MOST_DECLARED_LINES = 60

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True, slots=True)
class LineCount:
    """`methods` counts methods and helper functions, `declared` everything else in the module."""

    methods: int
    declared: int


def count_lines(connector: type[Connector]) -> LineCount:
    """Lines of a connector's module as they stand after `ruff format` at 100 columns.

    Blank lines, comments, docstrings and imports do not count.
    """
    return count_source(inspect.getsource(sys.modules[connector.__module__]))


def count_source(source: str) -> LineCount:
    tree = ast.parse(source)
    uncounted: set[int] = set()
    written: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            uncounted |= _span(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            written |= _span(node)
            for decorator in node.decorator_list:
                written |= _span(decorator)
    lines = _lines_with_code(source) - uncounted
    return LineCount(methods=len(lines & written), declared=len(lines - written))


def _is_docstring(node: ast.AST) -> bool:
    """Also true of a bare string below a constant, which documents it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _span(node: ast.AST) -> set[int]:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    return set(range(first, last + 1))


def _lines_with_code(source: str) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines
