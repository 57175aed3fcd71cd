"""Puts what the build of the core made into the wheel: the library, the generated module and its type stub.

scripts/wheel-python.sh lays them out in one folder and names it in UNSPOOL_WHEEL_PARTS.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARTS = ("libunspool_ffi.so", "_bindings.py", "_bindings.pyi")


class Parts(BuildHookInterface):
    """The hook hatchling looks for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = os.environ.get("UNSPOOL_WHEEL_PARTS")
        if not folder:
            raise RuntimeError("UNSPOOL_WHEEL_PARTS names no folder: build the wheel with scripts/wheel-python.sh")
        for part in PARTS:
            path = Path(folder) / part
            if not path.is_file():
                raise RuntimeError(f"{path} is missing: build the wheel with scripts/wheel-python.sh")
            build_data["force_include"][str(path)] = f"unspool/{part}"
        # The library is loaded by ctypes and knows no version of Python; it does know its platform.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
