# SPDX-License-Identifier: Apache-2.0
"""Puts the library beside the modules: built by cargo, or as
IMAGEWRIGHT_LIBRARY names it. The wheel is of one platform, but of any Python:
the library is called through ctypes. IMAGEWRIGHT_CARGO_FLAGS stands in for
what cargo is told to build, where that is built already."""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

LIBRARY = "libimagewright.so"
CARGO_FLAGS = "--release --package imagewright-c"


def library() -> Path:
    """The library's path, built if need be."""
    named = os.environ.get("IMAGEWRIGHT_LIBRARY")
    if named:
        return Path(named)
    manifest = Path(__file__).resolve().parents[2] / "Cargo.toml"
    if not manifest.exists():
        raise SystemExit(
            "imagewright: no Cargo.toml two directories up; build from a "
            "checkout, or set IMAGEWRIGHT_LIBRARY to libimagewright.so"
        )
    flags = os.environ.get("IMAGEWRIGHT_CARGO_FLAGS", CARGO_FLAGS).split()
    command = ["cargo", "build", *flags, "--manifest-path", str(manifest)]
    subprocess.run(command, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", manifest.parent / "target")
    profile = "release" if "--release" in flags else "debug"
    return Path(target) / profile / LIBRARY


class BuildWithLibrary(build_py):
    def run(self) -> None:
        super().run()
        package = Path(self.build_lib) / "imagewright"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library(), package / LIBRARY)


class OfAnyPython(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class OfOnePlatform(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": OfAnyPython},
    distclass=OfOnePlatform,
)
