"""The text of errors.

The generator for Python leaves out how the core words an error, which says what to do and is the same in every
language. It is asked for here, from the same function that the other languages call.
"""

from __future__ import annotations

from typing import Any

from . import _bindings

_generated: Any = _bindings


def _wording(name: str) -> Any:
    lower = getattr(_generated, f"_UniffiFfiConverterType{name}").lower
    function = getattr(_generated._UniffiLib, f"uniffi_unspool_ffi_fn_method_{name.lower()}_uniffi_trait_display")

    def text(error: Exception) -> str:
        buffer = _generated._uniffi_rust_call(function, lower(error))
        return str(_generated._UniffiFfiConverterString.lift(buffer))

    return text


def give_errors_their_text() -> None:
    """Makes ``str(error)`` the core's own words."""
    for kind in (_bindings.UnspoolError, _bindings.HostError):
        kind.__str__ = _wording(kind.__name__)  # type: ignore[method-assign]
