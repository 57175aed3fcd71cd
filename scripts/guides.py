#!/usr/bin/env python3
"""Takes the code out of the embedding guides, so that the tests compile and run what the pages say.

usage: guides.py OUT
Writes, and touches only what has changed:
    OUT/kotlin/AndroidGuide.kt   blocks `kotlin` and `kotlin android` of docs/guides/android.md, one file, imports first
    OUT/swift/IosGuide.swift     blocks `swift` of docs/guides/ios.md
    OUT/ios/IosScreens.swift     blocks `swift ios` of it, whose frameworks only Apple has
    OUT/python/cells.json        blocks `python` of docs/guides/python.md, in order: [{"line": 1, "code": "..."}]
A block of one of these languages that is marked otherwise, and a page that has none, is an error: nothing slips through unread.
"""

import json
import pathlib
import re
import sys

PAGES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "guides"
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
# What a page may hold: code that is taken out, by its mark, and what people alone read.
TAKEN = {
    "android.md": {"kotlin", "kotlin android"},
    "ios.md": {"swift", "swift ios"},
    "python.md": {"python"},
}
READ = {"sh", "kts", "xml", "toml"}


def blocks(page: str) -> list[tuple[str, int, str]]:
    """Mark, first line and text of every block that is taken."""
    text = (PAGES / page).read_text()
    found = [(match[1].strip(), text.count("\n", 0, match.start()) + 2, match[2]) for match in BLOCK.finditer(text)]
    strange = [f"{page}:{line - 1}: a block marked '{mark}'" for mark, line, _ in found if mark not in TAKEN[page] | READ]
    missing = [f"{page}: no block marked '{mark}'" for mark in sorted(TAKEN[page] - {mark for mark, _, _ in found})]
    if strange or missing:
        sys.exit("\n".join(strange + missing))
    return [block for block in found if block[0] in TAKEN[page]]


def write(path: pathlib.Path, text: str) -> None:
    """Unchanged files keep their time, so that builds on top of them have nothing to do."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def kotlin(page: str) -> str:
    """One Kotlin file: the imports of all blocks, then the blocks, each under its place on the page."""
    imports: list[str] = []
    bodies = []
    for _, line, text in blocks(page):
        rows = text.splitlines()
        imports += [row for row in rows if row.startswith("import ")]
        bodies.append(f"// {page}:{line}\n" + "\n".join(row for row in rows if not row.startswith("import ")).strip())
    return "\n\n".join(["package dev.unspool.guide", "\n".join(sorted(set(imports))), *bodies]) + "\n"


def swift(page: str, mark: str) -> str:
    """One Swift file of the blocks with that mark."""
    return "\n".join(f"// {page}:{line}\n{text}" for found, line, text in blocks(page) if found == mark)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: guides.py OUT")
    out = pathlib.Path(sys.argv[1])
    cells = [{"line": line, "code": text} for _, line, text in blocks("python.md")]
    write(out / "kotlin" / "AndroidGuide.kt", kotlin("android.md"))
    write(out / "swift" / "IosGuide.swift", swift("ios.md", "swift"))
    write(out / "ios" / "IosScreens.swift", swift("ios.md", "swift ios"))
    write(out / "python" / "cells.json", json.dumps(cells, indent=1) + "\n")


main()
