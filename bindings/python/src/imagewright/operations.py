# SPDX-License-Identifier: Apache-2.0
"""One function an operation; results are the documents of ``--json``.

Keyword arguments are the fields of the requests (``bindings/README.md``) in
Python's spelling: ``work_dir`` is ``workDir``. ``None`` is not sent.
``input`` is a path, a URL or a mapping such as
``{"image": "a.qcow2", "sha256": ...}``; ``image`` is a path or a mapping such
as ``{"path": "a.qcow2", "root": 1}``; ``recipe`` is the path of a file or the
recipe as a mapping.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from ._run import Progress, run

Path = Union[str, "os.PathLike[str]"]
Document = Mapping[str, Any]
Result = dict[str, Any]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _run(operation: str, progress: Optional[Progress], **fields: Any) -> Any:
    request = {
        _camel(name): _plain(value)
        for name, value in fields.items()
        if value is not None
    }
    return run(operation, request, progress)


def _input(value: Union[Path, Document, None]) -> Optional[Document]:
    if value is None or isinstance(value, Mapping):
        return value
    return {"image": os.fspath(value)}


def _image(value: Union[Path, Document]) -> Document:
    return value if isinstance(value, Mapping) else {"path": os.fspath(value)}


def fetch(
    input: Union[Path, Document], *, progress: Optional[Progress] = None
) -> Result:
    """Fetches and verifies an image; its path in the cache, its digest."""
    result: Result = _run("fetch", progress, input=_input(input))
    return result


def info(
    image: Union[Path, Document],
    *,
    brief: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What an image file is; ``brief`` leaves its data unread."""
    result: Result = _run("info", progress, image=_image(image), brief=brief)
    return result


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
    result: Result = _run(
        "convert",
        progress,
        image=_image(image),
        output=output,
        format=format,
        compression=compression,
        digest=digest,
    )
    return result


def compact(
    image: Union[Path, Document],
    *,
    compression: Optional[str] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Rewrites an image in place without what is not used. Needs root."""
    result: Result = _run(
        "compact",
        progress,
        image=_image(image),
        compression=compression,
        work_dir=work_dir,
    )
    return result


def _build(
    operation: str, progress: Optional[Progress], fields: dict[str, Any]
) -> Result:
    fields["input"] = _input(fields["input"])
    result: Result = _run(operation, progress, **fields)
    return result


def plan(
    output: Path,
    *,
    input: Union[Path, Document, None] = None,
    recipe: Union[Path, Document, None] = None,
    formats: Optional[Sequence[Document]] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What :func:`build` would do."""
    fields = dict(
        output=output,
        input=input,
        recipe=recipe,
        formats=formats,
        work_dir=work_dir,
        no_network=no_network,
        own_fat=own_fat,
    )
    return _build("plan", progress, fields)


def build(
    output: Path,
    *,
    input: Union[Path, Document, None] = None,
    recipe: Union[Path, Document, None] = None,
    formats: Optional[Sequence[Document]] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Builds node images into the directory ``output``. Needs root."""
    fields = dict(
        output=output,
        input=input,
        recipe=recipe,
        formats=formats,
        work_dir=work_dir,
        no_network=no_network,
        own_fat=own_fat,
    )
    return _build("build", progress, fields)


def provision(
    input: Union[Path, Document],
    recipe: Union[Path, Document],
    *,
    output: Optional[Path] = None,
    format: Optional[Document] = None,
    work_dir: Optional[Path] = None,
    no_network: Optional[bool] = None,
    own_fat: Optional[bool] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """Changes an image by a recipe, in place unless ``output``. Needs root."""
    fields = dict(
        input=input,
        recipe=recipe,
        output=output,
        format=format,
        work_dir=work_dir,
        no_network=no_network,
        own_fat=own_fat,
    )
    return _build("provision", progress, fields)


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
    result: Result = _run(
        "sysprep",
        progress,
        image=_image(image),
        enable=enable,
        disable=disable,
        output=output,
        compression=compression,
        dry_run=dry_run,
        work_dir=work_dir,
    )
    return result


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
    result: Result = _run(
        "verify",
        progress,
        image=_image(image),
        recipe=recipe,
        goss=None if goss is None else [os.fspath(path) for path in goss],
        work_dir=work_dir,
    )
    return result


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
    fields = dict(
        input=input,
        output=output,
        recipe=recipe,
        formats=formats,
        no_clean_up=no_clean_up,
        dry_run=dry_run,
        work_dir=work_dir,
        own_fat=own_fat,
    )
    return _build("package", progress, fields)


def inspect(
    image: Union[Path, Document],
    *,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """What is in an image. Needs root unless its filesystems are ext."""
    result: Result = _run(
        "inspect", progress, image=_image(image), work_dir=work_dir
    )
    return result


def sbom(
    image: Union[Path, Document],
    *,
    format: Optional[str] = None,
    work_dir: Optional[Path] = None,
    progress: Optional[Progress] = None,
) -> Result:
    """The bill of materials of an image, ``"spdx"`` or ``"cyclonedx"``. Needs
    root unless its filesystems are ext."""
    result: Result = _run(
        "sbom",
        progress,
        image=_image(image),
        format=format,
        work_dir=work_dir,
    )
    return result


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
    result: Result = _run(
        "diff",
        progress,
        before=_image(before),
        after=_image(after),
        strict=strict,
        work_dir=work_dir,
    )
    return result
