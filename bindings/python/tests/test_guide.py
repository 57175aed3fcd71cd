"""The notebook of docs/guides/python.md: its cells run one after the other, as a notebook runs them. The lines of docs/inspector.md."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import urllib.request
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import unspool
from support import Origin, in_time


async def run_cell(code: CodeType, names: dict[str, Any]) -> None:
    """A cell may await outside of functions."""
    result = eval(code, names)
    if code.co_flags & CO_COROUTINE:
        await result


async def run_cells(name: str, names: dict[str, Any]) -> None:
    """Those of a page, in order."""
    for cell in json.loads(Path(os.environ["UNSPOOL_GUIDES"], "python", f"{name}.json").read_text()):
        where = f"{name}, line {cell['line']}"
        code = compile(cell["code"], where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await in_time(where, run_cell(code, names))


async def test_the_notebook_of_the_guide_runs_cell_by_cell(
    origin: Origin, core: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNSPOOL_BACKEND", origin.url)
    monkeypatch.setenv("UNSPOOL_STATE", str(core))
    names: dict[str, Any] = {"__name__": "notebook"}
    await run_cells("cells", names)
    said = capsys.readouterr().out
    assert "plays without a network" in said
    assert "[CancelledError(" in said
    assert said.rstrip().endswith("True"), "the shutdown was clean"
    liked = await origin.likes("ada")
    assert len(liked) == 1
    records = await origin.records(names["session"].status().installation)
    assert len(records) == names["report"].outgoing.recorded > 0


async def test_the_lines_of_the_inspectors_page_serve_it(
    origin: Origin, core: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = unspool.SessionConfig(data_dir=str(core), account="ada", backend=origin.url, token="ada")
    async with await unspool.Unspool.open(config) as session:
        names: dict[str, Any] = {"session": session}  # they hold the inspector, which ends with its last handle
        await run_cells("inspector", names)
        address = capsys.readouterr().out.strip()
        with await asyncio.to_thread(urllib.request.urlopen, address, timeout=20) as page:
            assert b"<html" in page.read()
