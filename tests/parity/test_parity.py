# SPDX-License-Identifier: Apache-2.0
"""One list of cases through the command, C, Python and Go."""

import json
import os
import re
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
        varies = {"seconds"}
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_all_languages_agree(case, place):
    results = {}
    for language in ("cli", "c", "python", "go"):
        own = Path(place["dir"]) / language
        own.mkdir()
        for name in ("luks.qcow2", "cut.qcow2", "noise.raw"):
            (own / name).symlink_to(Path(place["dir"]) / name)
        names = {**place, "dir": str(own)}
        code, document = run(language, case, names)
        if "error" in case:
            assert code == KINDS[case["error"]]["code"], document
            assert document["error"]["kind"] == case["error"], language
            results[language] = case["error"]
        else:
            wanted = case.get("cliCode", 0) if language == "cli" else 0
            assert code == wanted, document
            results[language] = constant(document)
    for language in ("c", "python", "go"):
        assert results[language] == results["cli"], language


def test_every_kind_is_a_case_or_said_not_to_be():
    """What cannot be brought about from outside is left to unit tests."""
    out_of_reach = {"internal", "cleanup", "busy", "io"}
    reached = {case["error"] for case in CASES if "error" in case}
    assert reached | out_of_reach == set(KINDS)
    assert not reached & out_of_reach
