"""Fixtures: a reference server for each test, and a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Origin


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    running = Origin(tmp_path / "origin")
    yield running
    running.close()


@pytest.fixture
def core(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "core"
