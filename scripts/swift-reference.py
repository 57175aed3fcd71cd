#!/usr/bin/env python3
"""Writes one page of the public Swift interface out of symbol graphs, where DocC is not at hand.

usage: swift-reference.py GRAPHS PAGE
GRAPHS is the folder that swift-symbolgraph-extract wrote to. Ends with 1 when it holds no public symbol.
"""

import json
import pathlib
import sys

from reference import Entry, page

# What the compiler adds to every value type, and says nothing of this library.
ADDED = {"Swift.Equatable", "Swift.Hashable", "Swift.Error", "Swift.AsyncSequence", "_Concurrency.AsyncSequence"}
SCAFFOLDING = ("FfiConverter", "uniffi", "Uniffi")
INTRODUCTION = """`import UnspoolCore`. `Unspool.open` or `Unspool.withSession` begins; everything else hangs on the session it gives.

Calls that take a `cancel:` argument are the generated ones; the same call without it ends with the task that awaits it. The symbol
graphs beside this page are what DocC reads on a Mac."""


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: swift-reference.py GRAPHS PAGE")
    symbols: dict[str, dict] = {}
    owner: dict[str, str] = {}
    for file in sorted(pathlib.Path(sys.argv[1]).glob("*.symbols.json")):
        graph = json.loads(file.read_text())
        for symbol in graph["symbols"]:
            # The standard library's own, once for each type that has them.
            if symbol.get("docComment", {}).get("module", "Unspool").startswith("Unspool"):
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
    shown = {key for key in symbols if not any(part.startswith(SCAFFOLDING) for part in path(key))}
    members: dict[str, list[str]] = {}
    types = {path(key)[0]: key for key in shown if len(path(key)) == 1}
    for key in shown:
        # What a protocol of the generated code hands to a type hangs on neither in the graphs; its path says where it belongs.
        by_path = types.get(path(key)[0], "") if len(path(key)) > 1 else ""
        members.setdefault(owner[key] if owner.get(key) in shown else by_path, []).append(key)

    def entry(key: str, depth: int) -> Entry:
        symbol = symbols[key]
        declaration = "".join(fragment["spelling"] for fragment in symbol.get("declarationFragments", []))
        said = "\n".join(line["text"] for line in symbol.get("docComment", {}).get("lines", []))
        inner = [entry(member, depth + 1) for member in sorted(members.get(key, []), key=path)] if depth < 4 else []
        return Entry(path(key)[-1], declaration, said, inner)

    tops = [key for key in shown if len(path(key)) == 1]
    if not tops:
        sys.exit("the symbol graphs hold no public symbol")
    first = ["Unspool", "SessionConfig", "Feed", "Card", "FeedSnapshot", "Event", "UnspoolError"]
    pathlib.Path(sys.argv[2]).write_text(page("Unspool for Swift", INTRODUCTION, first, [entry(key, 0) for key in tops]))
    print(f"{len(shown)} public symbols")


main()
