"""The package as it is installed."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import typing
from pathlib import Path

import unspool
from unspool import HostError, UnspoolError, _bindings


#: What the package adds to the generated names.
BY_HAND = {"Duration", "log_batches"}


def test_the_wheel_is_what_is_tested() -> None:
    assert Path(unspool.__file__).is_relative_to(sys.prefix)
    assert importlib.metadata.version("unspool")


def test_everything_the_generator_made_for_apps_is_exported() -> None:
    generated: typing.Any = _bindings
    plumbing = {name for name in generated.__all__ if name.endswith(("Protocol", "Impl"))}
    # In a library for debugging alone: what ships has no such name to export.
    assert set(unspool.__all__) - BY_HAND == set(generated.__all__) - plumbing - {"Inspector"}


def test_the_stub_says_what_the_module_has() -> None:
    stub = ast.parse(Path(_bindings.__file__).with_suffix(".pyi").read_text())
    for entry in stub.body:
        if isinstance(entry, ast.ClassDef):
            kind = getattr(_bindings, entry.name)
            for member in entry.body:
                if isinstance(member, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    assert hasattr(kind, member.name), f"{entry.name}.{member.name}"


def test_errors_have_the_words_of_the_core() -> None:
    assert str(UnspoolError.ShutDown()) == "the session or the feed has ended; open a new one"
    assert str(UnspoolError.Config("no names")) == "no names; correct it and call again"
    assert str(HostError.SignIn()) == "sign in again"
    assert "no names" in repr(UnspoolError.Config("no names"))
