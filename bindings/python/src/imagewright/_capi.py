# SPDX-License-Identifier: Apache-2.0
"""The C interface, as include/imagewright.h declares it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, Optional

ProgressFn = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)


def _open() -> ctypes.CDLL:
    named = os.environ.get("IMAGEWRIGHT_LIBRARY")
    beside = Path(__file__).with_name("libimagewright.so")
    return ctypes.CDLL(named or str(beside))


_lib = _open()


def _declare(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_lib, name)
    function.restype = result
    function.argtypes = list(arguments)
    return function


_handle = ctypes.c_void_p
_text = ctypes.c_char_p

version = _declare("iw_version", _text)
string_free = _declare("iw_string_free", None, _handle)

error_code = _declare("iw_error_code", ctypes.c_int, _handle)
error_json = _declare("iw_error_json", _text, _handle)
error_free = _declare("iw_error_free", None, _handle)

monitor_new = _declare("iw_monitor_new", _handle, ProgressFn, _handle)
monitor_cancel = _declare("iw_monitor_cancel", None, _handle)
monitor_free = _declare("iw_monitor_free", None, _handle)

run = _declare(
    "iw_run", _handle, _handle, _text, _text, ctypes.POINTER(_handle)
)

image_open = _declare("iw_image_open", _handle, _text, ctypes.POINTER(_handle))
image_size = _declare("iw_image_size", ctypes.c_uint64, _handle)
image_read = _declare(
    "iw_image_read",
    _handle,
    _handle,
    ctypes.c_uint64,
    ctypes.c_void_p,
    ctypes.c_size_t,
)
image_close = _declare("iw_image_close", None, _handle)


def take_string(pointer: Optional[int]) -> str:
    """The text at a pointer that the library gave away."""
    text = ctypes.string_at(pointer or 0) if pointer else b""
    string_free(pointer)
    return text.decode()
