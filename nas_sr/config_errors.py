"""Turns pydantic's report of a wrong value into the one line a user reads."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nas_sr.errors import printable, unknown_name


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem: key, rule and the value that broke it; an unknown key lists the known ones."""
    problem = error.errors()[0]
    # Beside keys, pydantic's path names the union members and validators it passed through.
    path = tuple(part for part in problem["loc"] if not str(part).startswith(("function-", "list[")))
    key = printable(".".join(str(part) for part in path))
    if problem["type"] == "extra_forbidden":
        return str(unknown_name("key", key, _known_keys(model, path[:-1])))
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    says_it_all = problem["type"] in ("missing", "value_error")  # our own rules name the value themselves
    return f"{key}: {message}" + ("" if says_it_all else f", but got {problem['input']!r}")


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Dotted names of the keys allowed at `path`; of the whole model where the path cannot be followed."""
    owner: Any = model
    for part in path:
        if isinstance(part, str):  # the items of a list have the keys of its one kind of section
            fields = getattr(owner, "model_fields", {})
            owner = _section(fields[part].annotation) if part in fields else None
    prefix = [str(part) for part in path] if hasattr(owner, "model_fields") else []
    fields = owner.model_fields if hasattr(owner, "model_fields") else model.model_fields
    return [".".join([*prefix, name]) for name in fields]


def _section(annotation: Any) -> Any:
    """The config class in `X`, `X | None` or `tuple[X, ...]`; None for a plain value."""
    return next((each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")), None)
