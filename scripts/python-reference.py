#!/usr/bin/env python3
"""Writes one page of the Python package's public interface. Run by an interpreter that has the package.

usage: python-reference.py PAGE
"""

import inspect
import pathlib
import re
import sys

import unspool
from reference import Entry, page

FIRST = ["Unspool", "SessionConfig", "Feed", "Card", "FeedSnapshot", "Event", "UnspoolError"]


def said(thing: object) -> str:
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def signature(call: object) -> str:
    """Without the quotes of annotations that are strings, and without the module that generated code lives in."""
    try:
        text = str(inspect.signature(call))
    except (TypeError, ValueError):
        return "()"
    text = re.sub(r"\(self(?:, )?", "(", text)
    text = re.sub(r"'([^']*)'", r"\1", text).replace("unspool._bindings.", "").replace("typing.", "")
    # Generated code tells a value that was not given by an object of its own.
    text = re.sub(r"<object object at 0x[0-9a-f]+>", "...", text)
    text = re.sub(r"Union\[object, ([^=]*)\] = \.\.\.", r"\1 = ...", text)
    return re.sub(r"Optional\[([^\[\]]*(?:\[[^\[\]]*\])?)\]", r"\1 | None", text)


def entry(name: str, thing: object, depth: int) -> Entry:
    """A class with its calls, its cases and its fields, or a function."""
    if not inspect.isclass(thing):
        begin = "async def" if inspect.iscoroutinefunction(thing) or inspect.isasyncgenfunction(thing) else "def"
        return Entry(name, f"{begin} {name}{signature(thing)}", said(thing))
    members = []
    # What a base of this package declares belongs to the class; what Python's own declare does not.
    of = {key: value for base in reversed(thing.__mro__) if base.__module__.startswith("unspool") for key, value in vars(base).items()}
    for key, value in of.items():
        value = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if key.startswith("_") or not (inspect.isfunction(value) or inspect.isclass(value)) or depth > 1:
            continue
        members.append(entry(key, value, depth + 1))
    enumerated = getattr(thing, "__members__", {})
    members += [Entry(case, f"{name}.{case}", "") for case in enumerated]
    bases = [base.__name__ for base in thing.__bases__ if base is not object and base.__name__ != name]
    head = f"class {name}" + (f"({', '.join(bases)})" if bases else "")
    if not enumerated and "__init__" in vars(thing) and signature(thing) not in ("()", "(*args, **kwargs)"):
        head += f"\n    {name}{signature(thing)}"
    return Entry(name, head, said(thing), sorted(members, key=lambda member: member.name))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python-reference.py PAGE")
    entries = [entry(name, getattr(unspool, name), 0) for name in unspool.__all__ if getattr(unspool, name).__module__.startswith("unspool")]
    if not entries:
        sys.exit("the package exports nothing")
    pathlib.Path(sys.argv[1]).write_text(page("Unspool for Python", said(unspool), FIRST, entries))
    print(f"{len(entries)} public names")


main()
