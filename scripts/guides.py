#!/usr/bin/env python3
"""Takes the code out of the embedding guides, so that the tests compile and run what the pages say.

usage: guides.py OUT
Writes, and touches only what has changed:
    OUT/kotlin/AndroidGuide.kt   blocks `kotlin` and `kotlin android` of docs/guides/android.md, one file, imports first
    OUT/kotlin/Trust.kt          the one of them that names a package of its own
    OUT/kotlin/Inspector.kt      blocks `kotlin` of docs/inspector.md
    OUT/kotlin/Packages.kt       blocks `kotlin` of docs/packages.md
    OUT/swift/IosGuide.swift     blocks `swift` of docs/guides/ios.md, docs/inspector.md and docs/packages.md
    OUT/ios/IosScreens.swift     blocks `swift ios` of docs/guides/ios.md, whose frameworks only Apple has
    OUT/python/cells.json        blocks `python` of docs/guides/python.md, in order: [{"line": 1, "code": "..."}]
    OUT/python/inspector.json    those of docs/inspector.md
docs/guides/rust.md shows a file that is compiled; a test of unspool-e2e compares them.
A block of one of these languages that is marked otherwise, and a page that has none, is an error: nothing slips through unread.
"""

import json
import pathlib
import re
import sys

PAGES = pathlib.Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
# What a page may hold: code that is taken out, by its mark, and what people alone read.
TAKEN = {
    "guides/android.md": {"kotlin", "kotlin android"},
    "guides/ios.md": {"swift", "swift ios"},
    "guides/python.md": {"python"},
    "inspector.md": {"kotlin", "swift", "python"},
    "packages.md": {"kotlin", "swift"},
}
READ = {"sh", "kts", "xml", "toml", "text", "rust"}


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


def kotlin(page: str) -> dict[str, str]:
    """Kotlin files by name: one of all blocks, imports first, each block under its place on the page; and each block that names a
    package of its own, under the name of what it declares."""
    imports: list[str] = []
    bodies = []
    files = {}
    for mark, line, text in blocks(page):
        if not mark.startswith("kotlin"):
            continue
        if text.startswith("package "):
            declared = re.search(r"^(?:object|class) (\w+)", text, re.MULTILINE)
            files[f"{declared[1] if declared else line}.kt"] = f"// {page}:{line}\n{text}"
            continue
        rows = text.splitlines()
        imports += [row for row in rows if row.startswith("import ")]
        bodies.append(f"// {page}:{line}\n" + "\n".join(row for row in rows if not row.startswith("import ")).strip())
    return files | {"": "\n\n".join(["package dev.unspool.guide", "\n".join(sorted(set(imports))), *bodies]) + "\n"}


def swift(page: str, mark: str = "swift") -> str:
    """One Swift file of the blocks with that mark."""
    return "\n".join(f"// {page}:{line}\n{text}" for found, line, text in blocks(page) if found == mark)


def swift_program(page: str) -> str:
    """The lines of a program, as a function that can be compiled beside others."""
    rows = [row for mark, _, text in blocks(page) if mark == "swift" for row in text.splitlines() if not row.startswith("import ")]
    return "\n".join([f"// {page}", "func program() async throws {", *rows, "}"]) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: guides.py OUT")
    out = pathlib.Path(sys.argv[1])
    for page, name in {"guides/android.md": "AndroidGuide.kt", "inspector.md": "Inspector.kt", "packages.md": "Packages.kt"}.items():
        for own, text in kotlin(page).items():
            write(out / "kotlin" / (own or name), text)
    write(out / "swift" / "IosGuide.swift", "\n".join([swift("guides/ios.md"), swift("inspector.md"), swift_program("packages.md")]))
    write(out / "ios" / "IosScreens.swift", swift("guides/ios.md", "swift ios"))
    for page in ("guides/python.md", "inspector.md"):
        cells = [{"line": line, "code": text} for mark, line, text in blocks(page) if mark == "python"]
        write(out / "python" / ("inspector.json" if page == "inspector.md" else "cells.json"), json.dumps(cells, indent=1) + "\n")


main()
