"""The notebook of docs/guides/python.md: its cells run one after the other, as a notebook runs them."""

from __future__ import annotations

import ast
import json
import os
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from support import Origin, in_time


async def run_cell(code: CodeType, names: dict[str, Any]) -> None:
    """A cell may await outside of functions."""
    result = eval(code, names)
    if code.co_flags & CO_COROUTINE:
        await result


async def test_the_notebook_of_the_guide_runs_cell_by_cell(
    origin: Origin, core: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNSPOOL_BACKEND", origin.url)
    monkeypatch.setenv("UNSPOOL_STATE", str(core))
    cells = json.loads(Path(os.environ["UNSPOOL_GUIDES"], "python", "cells.json").read_text())
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in cells:
        where = f"docs/guides/python.md, line {cell['line']}"
        code = compile(cell["code"], where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await in_time(where, run_cell(code, names))
    said = capsys.readouterr().out
    assert "plays without a network" in said
    assert "[CancelledError(" in said
    assert said.rstrip().endswith("True"), "the shutdown was clean"
    liked = await origin.likes("ada")
    assert len(liked) == 1
    records = await origin.records(names["session"].status().installation)
    assert len(records) == names["report"].outgoing.recorded > 0
