"""One page of a language's reference: contents at the side, an entry for each declaration with what is said of it.

For swift-reference.py and python-reference.py; Rust and Kotlin have tools of their own.
"""

import html
import re
from dataclasses import dataclass, field

STYLE = """body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;grid-template-columns:16em minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;box-sizing:border-box;padding:1em;font-size:14px;background:#f4f4f6}
nav a{display:block;color:#223;text-decoration:none}nav a:hover{text-decoration:underline}nav a.first{font-weight:700}
main{max-width:56em;padding:1em 2em}h1{margin:.2em 0}h2{border-top:1px solid #ccd;padding-top:.6em;margin:1.2em 0 .2em}
pre{white-space:pre-wrap;margin:1em 0 .2em;font-weight:600}section section{margin-left:1.5em}p,ul{margin:.3em 0}
code{background:#eef;padding:0 .2em;border-radius:3px}
@media(max-width:50em){body{display:block}nav{position:static;height:12em}}
@media(prefers-color-scheme:dark){body{background:#16161a;color:#ddd}nav{background:#1e1e24}nav a,a{color:#acf}code{background:#2a2a33}h2{border-color:#334}}"""


@dataclass
class Entry:
    """A declaration, what is said of it, and what belongs to it."""

    name: str
    declaration: str
    said: str = ""
    members: list["Entry"] = field(default_factory=list)


def words(text: str) -> str:
    """Documentation as HTML: paragraphs, lists, code in backticks of Markdown's or Python's kind."""
    out = []
    for part in re.split(r"\n\s*\n", text.strip()):
        part = html.escape(part, quote=False)
        part = re.sub(r":\w+:`([^`]+)`", r"<code>\1</code>", part)
        part = re.sub(r"``([^`]+)``|`([^`]+)`", lambda m: f"<code>{m[1] or m[2]}</code>", part)
        part = re.sub(r"\[(<code>[^<]+</code>)\](?:\([^)]*\))?", r"\1", part)
        if part.startswith("# "):
            part = f"<b>{part[2:]}</b>"
        lines = part.split("\n")
        if all(line.startswith(("- ", "* ", "  ")) for line in lines):
            items = re.split(r"(?:^|\n)[-*] ", part)[1:]
            out.append("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")
        elif part:
            out.append(f"<p>{part}</p>")
    return "".join(out)


def section(entry: Entry, place: str, depth: int) -> str:
    """An entry with its members below it."""
    inner = "".join(section(member, f"{place}.{member.name}", depth + 1) for member in entry.members)
    head = f"<h2>{html.escape(entry.name)}</h2>" if depth == 0 else ""
    return (
        f'<section id="{html.escape(place)}">{head}<pre>{html.escape(entry.declaration)}</pre>'
        f"{words(entry.said)}{inner}</section>\n"
    )


def page(title: str, introduction: str, first: list[str], entries: list[Entry]) -> str:
    """The page: entries of the names in `first` before the others, which go by their names."""
    order = sorted(entries, key=lambda e: (first.index(e.name) if e.name in first else len(first), e.name.lower()))
    links = "".join(
        f'<a href="#{html.escape(e.name)}"{" class=first" if e.name in first else ""}>{html.escape(e.name)}</a>' for e in order
    )
    body = "".join(section(entry, entry.name, 0) for entry in order)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>\n"
        f'<nav aria-label="Contents"><a href="../index.html">The reference of every language</a><hr>{links}</nav>\n'
        f"<main><h1>{html.escape(title)}</h1>{words(introduction)}\n{body}</main></html>\n"
    )
