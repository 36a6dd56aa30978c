"""Reading and writing YAML so that a mistake in a file never goes unseen, and a file of any kind costs little to read.

As PyYAML reads YAML 1.1, but: values are those of JSON (no dates, sets or bytes), a key is text and given once, numbers
are finite, `1e-3` is one (as in YAML 1.2), and anchors may not blow a file up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from nas_sr.errors import UsageError

LARGEST_BYTES = 1 << 17
DEEPEST = 50
LARGEST_VALUES = 20_000  # with every alias written out
_MERGE = "tag:yaml.org,2002:merge"
_FLOAT = "tag:yaml.org,2002:float"
_STR = "tag:yaml.org,2002:str"
_NOT_IN_JSON = ("timestamp", "binary", "set", "omap", "pairs")
_WITH_EXPONENT = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Plain values only."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth == DEEPEST:
            raise _Mistake(problem=f"nested more than {DEEPEST} deep", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _check_size(node, {}, set())
            _check_keys(node, set())
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError) as error:  # PyYAML's own of `!!int x`, `!!bool x`
            raise _mistake(f"'{_shown(node)}' is no {node.tag.rpartition(':')[2]}", node) from error

    def not_in_json(self, node: yaml.Node) -> str:
        """A date without quotes is text; whatever is tagged as something else than JSON has is refused."""
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith("timestamp"):
            return str(self.construct_scalar(node))
        raise _mistake(f"values of type {node.tag.rpartition(':')[2]} have no use in a config", node)

    def finite_float(self, node: yaml.ScalarNode) -> float:
        value = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise _mistake(f"numbers must be finite, but got {_shown(node)}", node)
        return value


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back equal."""


_Loader.add_constructor(_FLOAT, _Loader.finite_float)
for _name in _NOT_IN_JSON:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.not_in_json)
for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver(_FLOAT, _WITH_EXPONENT, list("-+0123456789."))


def load_yaml(path: Path) -> Any:
    """The plain values in a YAML file.

    Raises:
        UsageError: unreadable, too large, not YAML, a key given twice or a number that is not finite; with the line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise UsageError(f"{path}: not a config: larger than {LARGEST_BYTES >> 10} KiB")
        return yaml.load(content, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        kind = "" if isinstance(error, _Mistake) else "not valid YAML: "
        raise UsageError(f"{path}{line}: {kind}{error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise UsageError(f"{path}: not valid YAML: {error.reason} at position {error.position}") from None
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def parse_scalars(texts: Iterable[str], where: str) -> dict[str, bool | int | float | str | None]:
    """`NAME=VALUE` of an option that is given several times, by name; a value is read as a file's would be.

    Raises:
        UsageError: not of that form, a list or a mapping, or a name given twice; begins with `where`.
    """
    found: dict[str, bool | int | float | str | None] = {}
    for text in texts:
        name, separator, written = text.partition("=")
        name = name.strip()
        try:
            value = yaml.load(written, _Loader)
        except yaml.YAMLError:
            value = ()
        if not name or not separator or not (value is None or isinstance(value, (bool, int, float, str))):
            raise UsageError(f"{where} must be NAME=VALUE with one number, word or truth value, but got '{text}'")
        if name in found:
            raise UsageError(f"{where} {name} is given twice")
        found[name] = value
    return found


def dump_yaml(value: Any) -> str:
    """Plain values as YAML, in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


class _Mistake(yaml.MarkedYAMLError):
    """Valid YAML that is refused here."""


def _mistake(text: str, node: yaml.Node) -> _Mistake:
    return _Mistake(problem=text, problem_mark=node.start_mark)


def _shown(node: yaml.Node) -> str:
    text = str(node.value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _check_size(node: yaml.Node, known: dict[int, int], above: set[int]) -> int:
    """How many values a node is with every alias written out; whoever reads the values meets each of them.

    Args:
        node: where to count.
        known: counts by a node's id; filled.
        above: ids of the nodes that this one lies in.
    """
    if id(node) in above:
        raise _mistake("a value contains itself", node)
    if id(node) not in known:
        inside = {*above, id(node)}
        known[id(node)] = 1 + sum(_check_size(each, known, inside) for each in _children(node))
        if known[id(node)] > LARGEST_VALUES:
            raise _mistake(f"more than {LARGEST_VALUES:,} values, with every alias written out", node)
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_keys(node: yaml.Node, seen: set[int]) -> None:
    """Refuses a key given twice in one mapping. What `<<` merges may be given again: that is what it is for."""
    if id(node) in seen:
        return
    seen.add(id(node))
    first: dict[str, yaml.Node] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.tag not in (_STR, _MERGE) or not isinstance(key, yaml.ScalarNode):
            raise _mistake(f"a key must be text, but got {_shown(key)}; quotes make any key text", key)
        name = key.value
        if name in first:
            line = first[name].start_mark.line + 1
            raise _mistake(f"key '{_shown(key)}' is given twice, first in line {line}", key)
        first[name] = key
    for each in _children(node):
        _check_keys(each, seen)
