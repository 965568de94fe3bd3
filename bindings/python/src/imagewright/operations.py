# SPDX-License-Identifier: Apache-2.0
"""One function an operation; results are the documents of ``--json``.

Keyword arguments are the fields of the requests (``bindings/README.md``) in
Python's spelling: ``work_dir`` is ``workDir``, ``from_`` is ``from``. ``None``
is not sent. ``input`` is a path, a URL or a mapping such as
``{"image": "a.qcow2", "sha256": ...}``; ``image`` is a path or a mapping such
as ``{"path": "a.qcow2", "root": 1}``; ``recipe`` and ``locked`` are the path
of a file or its content as a mapping.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from ._run import Progress, run

Path = Union[str, "os.PathLike[str]"]
Document = Mapping[str, Any]
Result = dict[str, Any]

# What these fields become when they are a path.
_PATH_OF = {
    "input": "image",
    "image": "path",
    "before": "path",
    "after": "path",
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _field(name: str, value: Any) -> Any:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str) and name in _PATH_OF:
        return {_PATH_OF[name]: value}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_field("", one) for one in value]
    return value


def _call(operation: str, arguments: dict[str, Any]) -> Result:
    """Runs what a function of this module was called with: its locals."""
    progress = arguments.pop("progress")
    request = {
        _camel(name): _field(name, value)
        for name, value in arguments.items()
        if value is not None
    }
    result: Result = run(operation, request, progress)
    return result


def fetch(
    input: Union[Path, Document], *, progress: Optional[Progress] = None
) -> Result:
    """Fetches and verifies an image; its path in the cache, its digest."""
    return _call("fetch", locals())


def info(
    image: Union[Path, Document],
    *,
    brief: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What an image file is; ``brief`` leaves its data unread."""
    return _call("info", locals())


def convert(
    image: Union[Path, Document],
    output: Path,
    *,
    format: Optional[str] = None,
    compression: Optional[str] = None,
    digest: bool = False,
    progress: Optional[Progress] = None,
) -> Result:
    """Writes an image in another format."""
    return _call("convert", locals())


def compact(
    image: Union[Path, Document],
    *,
    compression: Optional[str] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Rewrites an image in place without what is not used. Needs root."""
    return _call("compact", locals())


def plan(
    output: Path,
    *,
    input: Union[Path, Document, None] = None,
    recipe: Union[Path, Document, None] = None,
    formats: Optional[Sequence[Document]] = None,
    from_: Optional[str] = None,
    until: Optional[str] = None,
    lock: Optional[Path] = None,
    locked: Union[Path, Document, None] = None,
    bundle: Optional[Path] = None,
    offline: Optional[bool] = None,
    packages: Optional[Sequence[Path]] = None,
    mirror: Optional[str] = None,
    source_date: Optional[int] = None,
    sign_key: Optional[Path] = None,
    sign_password: Optional[str] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    repair_table: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What :func:`build` would do with the same arguments."""
    return _call("plan", locals())


def build(
    output: Path,
    *,
    input: Union[Path, Document, None] = None,
    recipe: Union[Path, Document, None] = None,
    formats: Optional[Sequence[Document]] = None,
    from_: Optional[str] = None,
    until: Optional[str] = None,
    lock: Optional[Path] = None,
    locked: Union[Path, Document, None] = None,
    bundle: Optional[Path] = None,
    offline: Optional[bool] = None,
    packages: Optional[Sequence[Path]] = None,
    mirror: Optional[str] = None,
    source_date: Optional[int] = None,
    sign_key: Optional[Path] = None,
    sign_password: Optional[str] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    repair_table: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Builds node images into the directory ``output``, of ``input`` or of the
    recipe's source. Needs root.

    ``until`` a stage it stops, ``from_`` the next it continues: ``"fetch"``,
    ``"provision"``, ``"package"``. Of ``lock``, a file to write, ``locked``, a
    lock to obey, and ``bundle``, the directory of one, only one is said;
    ``source_date`` is seconds since 1970.
    """
    return _call("build", locals())


def lock(
    output: Path,
    *,
    input: Union[Path, Document, None] = None,
    recipe: Union[Path, Document, None] = None,
    source_date: Optional[int] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Does a build as far as to know what it takes; the lock, which is also
    written to the file ``output``. Needs root."""
    return _call("lock", locals())


def bundle(
    input: Union[Path, Document],
    locked: Union[Path, Document],
    output: Path,
    *,
    packages: Optional[Sequence[Path]] = None,
    mirror: Optional[str] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Gathers what a lock names in the new directory ``output``, for builds
    without a network."""
    return _call("bundle", locals())


def provision(
    input: Union[Path, Document],
    recipe: Union[Path, Document],
    *,
    output: Optional[Path] = None,
    format: Optional[Document] = None,
    dry_run: Optional[bool] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    no_selinux_relabel: Optional[bool] = None,
    repair_table: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Changes an image by a recipe, in place unless ``output``. Needs root."""
    return _call("provision", locals())


def customize(
    input: Union[Path, Document],
    steps: Sequence[Union[str, Document]],
    *,
    disk_size: Optional[str] = None,
    password_crypto: Optional[str] = None,
    output: Optional[Path] = None,
    format: Optional[Document] = None,
    dry_run: Optional[bool] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    no_selinux_relabel: Optional[bool] = None,
    repair_table: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Changes an image by the steps of a recipe, such as
    ``{"install": "jq"}``, in place unless ``output``. Needs root."""
    return _call("customize", locals())


def sysprep(
    image: Union[Path, Document],
    *,
    enable: Optional[Sequence[str]] = None,
    disable: Optional[Sequence[str]] = None,
    output: Optional[Path] = None,
    compression: Optional[str] = None,
    dry_run: Optional[bool] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Cleans an image of what must not be shipped. Needs root."""
    return _call("sysprep", locals())


def verify(
    image: Union[Path, Document],
    *,
    recipe: Union[Path, Document, None] = None,
    goss: Optional[Sequence[Path]] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Checks an image offline; ``passed`` says whether all is well. Needs
    root."""
    return _call("verify", locals())


def package(
    input: Union[Path, Document],
    output: Path,
    *,
    recipe: Union[Path, Document, None] = None,
    formats: Optional[Sequence[Document]] = None,
    no_clean_up: Optional[bool] = None,
    dry_run: Optional[bool] = None,
    work_dir: Optional[Path] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Cleans an image and writes it into the directory ``output`` in any
    formats, with manifest and checksums. Needs root."""
    return _call("package", locals())


def inspect(
    image: Union[Path, Document],
    *,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What is in an image. Needs root unless its filesystems are ext."""
    return _call("inspect", locals())


def sbom(
    image: Union[Path, Document],
    *,
    format: Optional[str] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """The bill of materials of an image, ``"spdx"`` or ``"cyclonedx"``. Needs
    root unless its filesystems are ext."""
    return _call("sbom", locals())


def diff(
    before: Union[Path, Document],
    after: Union[Path, Document],
    *,
    strict: Optional[bool] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """How two images differ; ``identical`` says whether they do. Needs root
    when ``strict``, and unless their filesystems are ext."""
    return _call("diff", locals())
