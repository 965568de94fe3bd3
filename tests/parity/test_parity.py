# SPDX-License-Identifier: Apache-2.0
"""One list of cases through the command, C, Python and Go."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = json.loads((HERE / "cases.json").read_text())
KINDS = json.loads((HERE / "../../bindings/kinds.json").read_text())


def filled(value, names):
    """`value` with every `{name}` replaced."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], value)
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    return value


def driver(language, case, names):
    if language == "cli":
        return [os.environ["PARITY_CLI"], "--json", "--progress", "json",
                *filled(case["cli"], names)]
    programs = {
        "c": [os.environ["PARITY_C"]],
        "python": [sys.executable, str(HERE / "driver.py")],
        "go": [os.environ["PARITY_GO"]],
    }
    request = json.dumps(filled(case["request"], names))
    return [*programs[language], case["operation"], request]


def run(language, case, names):
    command = driver(language, case, names)
    if case.get("nobody"):
        command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
    environment = dict(os.environ)
    if language == "cli":  # the others say it in the request
        environment.update(case.get("environment", {}))
    cancel = case.get("cancel", False)
    if cancel:
        environment["PARITY_CANCEL"] = "1"
    with subprocess.Popen(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment,
                          text=True) as process:
        if cancel and language == "cli":
            # The first event is there: as with the others.
            process.stderr.readline()
            process.send_signal(signal.SIGINT)
        out, log = process.communicate(timeout=300)
    assert out, f"{language} printed nothing: {log}"
    return process.returncode, json.loads(out)


def constant(value):
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        # A new disk has times in it, so that its bytes differ.
        varies = {"seconds", "seed"}
        if "virtualSize" in value:
            varies |= {"sha256", "size"}
        return {key: constant(one) for key, one in value.items()
                if key not in varies}
    if isinstance(value, list):
        return [constant(one) for one in value]
    if isinstance(value, str):
        # Directories are each run's own.
        return re.sub(r"\S*/(?:case|cli|c|python|go)/", "", value)
    return value


@contextlib.contextmanager
def held(path):
    """As another process that uses the file, by the lock QEMU takes."""
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_all_languages_agree(case, place):
    results = {}
    for language in ("cli", "c", "python", "go"):
        own = Path(place["dir"]) / language
        own.mkdir()
        shutil.copy(Path(place["tiny"], "tiny.qcow2"), own / "own.qcow2")
        names = {**place, "dir": str(own)}
        if "first" in case:
            code, document = run(language, case["first"], names)
            assert code == 0, document
        holds = held(own / "own.qcow2") if case.get("held") else None
        with holds or contextlib.nullcontext():
            code, document = run(language, case, names)
        if "error" in case:
            assert code == KINDS[case["error"]]["code"], document
            assert document["error"]["kind"] == case["error"], language
            results[language] = case["error"]
        else:
            wanted = case.get("cliCode", 0) if language == "cli" else 0
            assert code == wanted, document
            results[language] = constant(document)
            check = filled(case.get("check", "true"), names)
            subprocess.run(check, shell=True, check=True)
    for language in ("c", "python", "go"):
        assert results[language] == results["cli"], language


def test_every_kind_is_a_case_or_said_not_to_be():
    """What cannot be brought about from outside is left to unit tests:
    `internal` is a defect (src/progress.rs makes one), `cleanup` a kernel
    that refuses to let go (src/sys/loop_device.rs)."""
    out_of_reach = {"internal", "cleanup"}
    reached = {case["error"] for case in CASES if "error" in case}
    assert reached | out_of_reach == set(KINDS)
    assert not reached & out_of_reach


def test_every_operation_is_a_case():
    table = (HERE / "../../src/request.rs").read_text()
    names = set(re.findall(r'\(Self::\w+, "([a-z]+)", \w+::\w+\)', table))
    assert names == {case["operation"] for case in CASES}
    readme = (HERE / "../../bindings/README.md").read_text()
    documented = set()
    for cells in re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|", readme, re.M):
        documented |= set(re.findall(r"[a-z]+", cells))
    assert names <= documented


def test_the_table_is_that_of_the_library_and_of_the_readme():
    """kinds.json, which the tests of each language read, is complete."""
    source = (HERE / "../../src/error.rs").read_text()
    names = dict(re.findall(r'Self::(\w+) => "([a-z-]+)"', source))
    codes = dict(re.findall(r"Self::(\w+) => (\d+),", source))
    assert names.keys() == codes.keys()
    library = {names[one]: int(codes[one]) for one in names}
    assert library == {kind: row["code"] for kind, row in KINDS.items()}
    readme = (HERE / "../../bindings/README.md").read_text()
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (\d+) \| `(\w+)` \| `(\w+)` \|$", readme, re.M
    )
    table = {kind: {"code": int(code), "python": python, "go": go}
             for kind, code, python, go in rows}
    assert table == KINDS
