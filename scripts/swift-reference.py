#!/usr/bin/env python3
"""Writes one page of the public Swift interface out of symbol graphs, where DocC is not at hand.

usage: swift-reference.py GRAPHS PAGE
GRAPHS is the folder that swift-symbolgraph-extract wrote to. Ends with 1 when it holds no public symbol.
"""

import html
import json
import pathlib
import sys

# What the compiler adds to every value type, and says nothing of this library.
ADDED = {"Swift.Equatable", "Swift.Hashable", "Swift.Error", "Swift.AsyncSequence", "_Concurrency.AsyncSequence"}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
pre{white-space:pre-wrap;margin:1.2em 0 .2em;font-weight:600}section section{margin-left:1.5em}p{margin:.3em 0}"""


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: swift-reference.py GRAPHS PAGE")
    symbols: dict[str, dict] = {}
    owner: dict[str, str] = {}
    for file in sorted(pathlib.Path(sys.argv[1]).glob("*.symbols.json")):
        graph = json.loads(file.read_text())
        for symbol in graph["symbols"]:
            symbols.setdefault(symbol["identifier"]["precise"], symbol)
        for edge in graph["relationships"]:
            inherited = edge.get("sourceOrigin", {}).get("displayName", "")
            if edge["kind"] == "memberOf" and inherited.rsplit(".", 1)[0] not in ADDED:
                owner[edge["source"]] = edge["target"]
            elif edge["kind"] == "memberOf":
                symbols.pop(edge["source"], None)

    def path(key: str) -> list[str]:
        return symbols[key]["pathComponents"]

    # The generated scaffolding is public for the compiler's sake.
    shown = {key for key in symbols if not any(part.startswith(("FfiConverter", "uniffi", "Uniffi")) for part in path(key))}
    members: dict[str, list[str]] = {}
    for key in shown:
        members.setdefault(owner.get(key, ""), []).append(key)

    def entry(key: str, depth: int) -> str:
        symbol = symbols[key]
        words = "".join(fragment["spelling"] for fragment in symbol.get("declarationFragments", []))
        text = "\n".join(line["text"] for line in symbol.get("docComment", {}).get("lines", []))
        said = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part.strip())
        inner = "".join(entry(member, depth + 1) for member in sorted(members.get(key, []), key=path)) if depth < 4 else ""
        return f'<section id="{html.escape(".".join(path(key)))}"><pre>{html.escape(words)}</pre>{said}{inner}</section>\n'

    # Members of types of other modules hang on types that are not listed.
    tops = [key for key in shown if owner.get(key, "") not in shown]
    if not tops:
        sys.exit("the symbol graphs hold no public symbol")
    body = "".join(entry(key, 0) for key in sorted(tops, key=path))
    pathlib.Path(sys.argv[2]).write_text(
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Unspool for Swift</title><style>{STYLE}</style>\n'
        f"<h1>Unspool for Swift</h1>\n{body}</html>\n"
    )
    print(f"{len(shown)} public symbols")


main()
