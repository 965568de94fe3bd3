# SPDX-License-Identifier: Apache-2.0
"""The C library as it was installed, and its example programs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "bindings/c/examples"
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]


def output(*command, **how):
    done = subprocess.run(command, text=True, capture_output=True, **how)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def compiled(source, to, *flags, static=False):
    """The program that a source makes with what pkg-config says."""
    words = output("pkg-config", "--cflags", "imagewright").split()
    how = ["--static"] if static else []
    libraries = output("pkg-config", "--libs", *how, "imagewright").split()
    if static:
        libraries = ["-l:libimagewright.a" if one == "-limagewright" else one
                     for one in libraries]
    output("cc", "-Wall", "-Wextra", "-Werror", "-pthread", *flags, *words,
           str(source), "-o", str(to), *libraries)
    return str(to)


def library():
    return Path(os.environ["LD_LIBRARY_PATH"]) / "libimagewright.so"


def test_symbols_are_those_of_the_header_and_have_a_version():
    header = (ROOT / "bindings/c/include/imagewright.h").read_text()
    declared = set(re.findall(r"\b(iw_\w+)\(", header.split("extern")[1]))
    lines = output("nm", "-D", "--defined-only", str(library())).splitlines()
    exported = {line.split()[-1] for line in lines}
    assert exported == {"IMAGEWRIGHT_0"} | {
        f"{name}@@IMAGEWRIGHT_0" for name in declared
    }


def test_programs_need_the_soname():
    dynamic = output("readelf", "-d", str(library()))
    assert "soname: [libimagewright.so.0]" in dynamic
    assert library().resolve().name == "libimagewright.so.0.1.0"


def test_pkg_config_tells_the_version_of_the_crate():
    manifest = (ROOT / "bindings/c/Cargo.toml").read_text()
    version = re.search(r'^version = "(.*)"', manifest, re.M)[1]
    assert output("pkg-config", "--modversion", "imagewright") == version + "\n"


def test_the_header_is_also_cplusplus(tmp_path):
    words = output("pkg-config", "--cflags", "imagewright").split()
    source = tmp_path / "use.cc"
    source.write_text("#include <imagewright.h>\n"
                      "const char *use() { return iw_version(); }\n")
    output("g++", "-Wall", "-Wextra", "-Werror", "-pedantic", *words,
           "-fsyntax-only", str(source))


def test_info_leaks_nothing_by_valgrind(world, tmp_path):
    program = compiled(EXAMPLES / "info.c", tmp_path / "info", "-g")
    valgrind = ["valgrind", "--quiet", "--error-exitcode=97",
                "--leak-check=full", "--show-leak-kinds=definite,indirect",
                "--errors-for-leak-kinds=definite,indirect"]
    said = output(*valgrind, program, f"{world['tiny']}/tiny.qcow2")
    assert '"virtual-size":100663296' in said
    assert "100663296 bytes:" in said
    failed = subprocess.run([*valgrind, program, "nothing"], text=True,
                            capture_output=True)
    assert failed.returncode == 11, failed.stderr


def test_info_is_linked_statically_too(world, tmp_path):
    program = compiled(EXAMPLES / "info.c", tmp_path / "info", static=True)
    assert "libimagewright" not in output("ldd", program)
    output(program, f"{world['tiny']}/tiny.qcow2",
           env={**os.environ, "LD_LIBRARY_PATH": ""})


def test_build_is_clean_by_the_sanitizers(world, tmp_path):
    """Valgrind has no openat2(2), which a build cannot do without."""
    program = compiled(EXAMPLES / "build.c", tmp_path / "build", *SANITIZED)
    done = subprocess.run(
        [program, f"{world['tiny']}/tiny.qcow2", world["recipe"],
         str(tmp_path / "out")],
        text=True, capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/tiny.qcow2").exists()
    assert '{"event":"finished"}' in done.stderr


@pytest.mark.parametrize("more", [[], ["ignore-children"]],
                         ids=["SIGCHLD handled", "SIGCHLD ignored"])
def test_a_process_finds_itself_as_it_was(world, tmp_path, more):
    """Threads, mounts, signals, umask, descriptors: see embed.c."""
    program = compiled(ROOT / "tests/parity/embed.c", tmp_path / "embed",
                       *SANITIZED)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [program, f"{world['tiny']}/tiny.qcow2", world["recipe"], str(work),
         *more],
        text=True, capture_output=True, timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for number in (0, 1):
        output("qemu-img", "check", str(work / f"out-{number}/tiny.qcow2"))
