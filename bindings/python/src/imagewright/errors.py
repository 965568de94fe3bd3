# SPDX-License-Identifier: Apache-2.0
"""One exception for each kind of error."""

from __future__ import annotations

import json
from typing import Any, Optional

from . import _capi


class ImagewrightError(Exception):
    """What failed, where, and what to do about it.

    ``kind`` is stable; ``code`` is the exit code of the command for it.
    """

    kind: str = "unknown"

    def __init__(
        self,
        message: str,
        *,
        code: int = 1,
        errno: Optional[int] = None,
        path: Optional[str] = None,
        offset: Optional[int] = None,
        hint: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.errno = errno
        self.path = path
        self.offset = offset
        self.hint = hint


class InternalError(ImagewrightError):
    """A defect of imagewright."""

    kind = "internal"


class InvalidArgumentError(ImagewrightError):
    """An argument, or several together, make no sense."""

    kind = "invalid-argument"


class MediumError(ImagewrightError):
    """Reading or writing failed."""

    kind = "io"


class UnsupportedError(ImagewrightError):
    """Valid, but not implemented, or not by this kernel."""

    kind = "unsupported"


class CorruptError(ImagewrightError):
    """The input breaks its own format."""

    kind = "corrupt"


class RecipeError(ImagewrightError):
    """The recipe is wrong."""

    kind = "recipe"


class VerifyError(ImagewrightError):
    """A checksum, a signature or a check failed."""

    kind = "verify"


class PrivilegeError(ImagewrightError):
    """A privilege is missing."""

    kind = "privilege"


class CommandError(ImagewrightError):
    """A command, on the host or in the image, failed."""

    kind = "command"


class BusyError(ImagewrightError):
    """Somebody else holds what is needed."""

    kind = "busy"


class NotFoundError(ImagewrightError):
    """A file, package or partition is not there."""

    kind = "not-found"


class NoSpaceError(ImagewrightError):
    """No space is left, on the host or in the image."""

    kind = "no-space"


class NetworkError(ImagewrightError):
    """The network or a server failed."""

    kind = "network"


class CleanupError(ImagewrightError):
    """The work was done, but not everything could be released."""

    kind = "cleanup"


class CancelledError(ImagewrightError):
    """The work was cancelled."""

    kind = "cancelled"


BY_KIND: dict[str, type[ImagewrightError]] = {
    error.kind: error for error in ImagewrightError.__subclasses__()
}


def check(handle: Optional[int]) -> None:
    """Raises what the library returned; frees it."""
    if not handle:
        return
    try:
        code: int = _capi.error_code(handle)
        document: dict[str, Any] = json.loads(_capi.error_json(handle))
    finally:
        _capi.error_free(handle)
    kind = BY_KIND.get(document.pop("kind"), ImagewrightError)
    raise kind(document.pop("message"), code=code, **document)
