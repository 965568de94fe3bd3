# SPDX-License-Identifier: Apache-2.0
"""Kubernetes node images of cloud images, offline."""

from . import errors
from ._capi import version as _version
from ._image import Image
from ._run import Event, Progress, Run, run, start
from .errors import (
    BusyError,
    CancelledError,
    CleanupError,
    CommandError,
    CorruptError,
    ImagewrightError,
    InternalError,
    InvalidArgumentError,
    MediumError,
    NetworkError,
    NoSpaceError,
    NotFoundError,
    PrivilegeError,
    RecipeError,
    UnsupportedError,
    VerifyError,
)
from .operations import (
    build,
    compact,
    convert,
    diff,
    fetch,
    info,
    inspect,
    package,
    plan,
    provision,
    sbom,
    sysprep,
    verify,
)

__version__: str = _version().decode()

__all__ = [
    "BusyError",
    "CancelledError",
    "CleanupError",
    "CommandError",
    "CorruptError",
    "Event",
    "Image",
    "ImagewrightError",
    "InternalError",
    "InvalidArgumentError",
    "MediumError",
    "NetworkError",
    "NoSpaceError",
    "NotFoundError",
    "PrivilegeError",
    "Progress",
    "RecipeError",
    "Run",
    "UnsupportedError",
    "VerifyError",
    "build",
    "compact",
    "convert",
    "diff",
    "errors",
    "fetch",
    "info",
    "inspect",
    "package",
    "plan",
    "provision",
    "run",
    "sbom",
    "start",
    "sysprep",
    "verify",
]
