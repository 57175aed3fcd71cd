#!/usr/bin/env python3
"""Fails when a Kotlin, Swift or Python block of the documentation is not, line for line, part of a tested example."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTED = {
    "kotlin": "bindings/kotlin/src/test/kotlin/dev/unspool/Example.kt",
    "swift": "bindings/swift/Tests/UnspoolCoreTests/Example.swift",
    "python": "bindings/python/tests/example.py",
}


def flat(text: str) -> str:
    """The lines that say something, without their indentation."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


broken = checked = 0
for page in ("README.md", "docs/bindings.md"):
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE):
        if language not in TESTED:
            continue
        checked += 1
        if flat(block) not in flat((ROOT / TESTED[language]).read_text()):
            broken += 1
            print(f"{page}: its {language} example is not what {TESTED[language]} runs", file=sys.stderr)
if not checked:
    print("no example was found in the documentation", file=sys.stderr)
sys.exit(1 if broken or not checked else 0)
