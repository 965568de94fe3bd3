# SPDX-License-Identifier: Apache-2.0
"""An image, read as a disk."""

from __future__ import annotations

import ctypes
import json
import os
from types import TracebackType
from typing import Any, Optional, Union

from . import _capi
from .errors import check


class Image:
    """An open image: its disk's bytes. Needs no privilege. ::

        with imagewright.Image("node.qcow2") as image:
            table = image.read(512, 512)
    """

    def __init__(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        format: Optional[str] = None,
        snapshot: Optional[str] = None,
        member: Optional[str] = None,
        backing_anywhere: bool = False,
    ) -> None:
        self._handle: Optional[int] = None
        document: dict[str, Any] = {"path": os.fspath(path)}
        if format is not None:
            document["format"] = format
        if snapshot is not None:
            document["snapshot"] = snapshot
        if member is not None:
            document["member"] = member
        document["backingAnywhere"] = backing_anywhere
        handle = ctypes.c_void_p()
        request = json.dumps(document).encode()
        check(_capi.image_open(request, ctypes.byref(handle)))
        self._handle = handle.value

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return int(_capi.image_size(self._open()))

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes at ``offset``."""
        if offset < 0 or length < 0:
            raise ValueError("offset and length are not negative")
        buffer = ctypes.create_string_buffer(length)
        check(_capi.image_read(self._open(), offset, buffer, length))
        return buffer.raw

    def close(self) -> None:
        """Closes it; again does nothing."""
        handle, self._handle = self._handle, None
        _capi.image_close(handle)

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("the image is closed")
        return self._handle

    def __enter__(self) -> Image:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()
