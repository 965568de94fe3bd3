# SPDX-License-Identifier: Apache-2.0
"""The programs of the READMEs, as they stand there."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("go", "python")
MODULE = "github.com/imagewright/imagewright/bindings/go"
DEMO = ROOT / "fixtures/demo.yaml"


def program(language):
    """The one that builds an image; fewer than 40 lines."""
    readme = (ROOT / f"bindings/{language}/README.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.M | re.S)
    builds = [block for block in blocks if "build(" in block.lower()]
    assert len(builds) == 1, f"{len(builds)} programs build an image"
    assert len(builds[0].splitlines()) < 40
    return builds[0]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """How the program of each language is run."""
    work = tmp_path_factory.mktemp("readme")
    (work / "build.py").write_text(program("python"))
    (work / "main.go").write_text(program("go"))
    (work / "go.mod").write_text(
        f"module example\n\ngo 1.19\n\nrequire {MODULE} v0.0.0\n\n"
        f"replace {MODULE} => {ROOT}/bindings/go\n"
    )
    subprocess.run(["go", "vet", "."], cwd=work, check=True)
    subprocess.run(["go", "build", "-o", "build", "."], cwd=work, check=True)
    return {"python": [sys.executable, str(work / "build.py")],
            "go": [str(work / "build")]}


def start(command, image, recipe, output):
    """As a shell starts it: a process group of its own, signals as usual."""
    return subprocess.Popen(
        [*command, str(image), str(recipe), str(output)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )


def built(process, output, name):
    out, log = process.communicate(timeout=900)
    assert process.returncode == 0, out + log
    steps = re.findall(r"^\[(\d+)/(\d+)\] \S", out, re.M)
    numbers = [int(number) for number, _ in steps]
    assert numbers == list(range(1, int(steps[-1][1]) + 1)), out
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"],
                   cwd=output, check=True)
    subprocess.run(["qemu-img", "check", "-q", str(output / name)], check=True)
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["artifacts"][0]["name"] == name


def leftovers(output):
    """Loop devices, mounts and processes that name `output`."""
    loops = subprocess.run(["losetup", "--list", "--noheadings", "-O",
                            "BACK-FILE"], text=True, capture_output=True,
                           check=True).stdout
    found = [line for line in loops.splitlines() if str(output) in line]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if str(output) in line]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            words = process.read_bytes().decode(errors="replace")
            found += [words] if str(output) in words else []
    return found


def nothing_is_left(output):
    """A device that somebody looks at goes when they have looked."""
    until = time.monotonic() + 10
    while (found := leftovers(output)) and time.monotonic() < until:
        time.sleep(0.05)
    assert found == []
    if output.exists():
        assert [path for path in output.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_builds(commands, world, tmp_path, language):
    output = tmp_path / "out"
    process = start(commands[language], f"{world['tiny']}/tiny.qcow2",
                    world["recipe"], output)
    built(process, output, "tiny.qcow2")


@pytest.mark.parametrize("language", LANGUAGES)
def test_ctrl_c_cancels_the_program(commands, world, tmp_path, language):
    """At the terminal: every process of the group gets the signal, while a
    program of the image runs."""
    output = tmp_path / "out"
    with start(commands[language], f"{world['tiny']}/tiny.qcow2",
               world["slow"], output) as process:
        for line in process.stdout:
            if "sleep" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert "cancelled" in log
    nothing_is_left(output)


def test_the_programs_build_the_demo_node_image(commands, tmp_path):
    """Both at once, of the recipe of `make demo`; and before that, Ctrl-C
    while its packages are installed."""
    base = Path(os.environ["IMAGEWRIGHT_FIXTURES"]) / "debian-12"
    base /= "debian-12-base-amd64.qcow2"
    outputs = {language: tmp_path / language for language in LANGUAGES}
    running = [start(commands[one], base, DEMO, outputs[one])
               for one in LANGUAGES]
    for process in running:
        for line in process.stdout:
            if "packages" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
    for process, output in zip(running, outputs.values()):
        _, log = process.communicate(timeout=120)
        assert process.returncode == 130, log
        nothing_is_left(output)
    running = [start(commands[one], base, DEMO, outputs[one])
               for one in LANGUAGES]
    for process, output in zip(running, outputs.values()):
        built(process, output, "demo-node.qcow2")
        nothing_of_a_session(output)


def nothing_of_a_session(output):
    assert not (output / ".imagewright").exists() or not any(
        (output / ".imagewright").iterdir()
    )
