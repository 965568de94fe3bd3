# SPDX-License-Identifier: Apache-2.0
"""The kinds of error, and what happens at the edges."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import imagewright
import pytest
from imagewright.errors import BY_KIND
from imagewright.operations import _camel

KINDS = json.loads(
    (Path(__file__).parents[2] / "kinds.json").read_text()
)


def test_every_kind_has_its_exception() -> None:
    names = {kind: error.__name__ for kind, error in BY_KIND.items()}
    assert names == {kind: row["python"] for kind, row in KINDS.items()}
    for row in KINDS.values():
        assert row["python"] in imagewright.__all__


def test_an_error_says_what_and_where(tmp_path: Path) -> None:
    with pytest.raises(imagewright.NotFoundError) as raised:
        imagewright.info(tmp_path / "nothing")
    assert raised.value.code == KINDS["not-found"]["code"]
    assert raised.value.errno == 2
    assert "nothing" in str(raised.value)


def test_an_unknown_operation_is_told_its_neighbour() -> None:
    with pytest.raises(imagewright.InvalidArgumentError) as raised:
        imagewright.run("biuld", {})
    assert "build" in (raised.value.hint or "")


def test_text_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(imagewright.InvalidArgumentError):
        imagewright.errors.check(
            imagewright._capi.run(None, b"\xff", b"{}", None)
        )


def test_an_image_is_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"0123456789abcdef" * 32)
    with imagewright.Image(path, format="raw") as image:
        assert image.size == 512
        assert image.read(10, 6) == b"abcdef"
        with pytest.raises(imagewright.InvalidArgumentError):
            image.read(510, 6)
    with pytest.raises(ValueError):
        image.read(0, 1)


def test_events_are_iterated_over(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * (1 << 20))
    request = {"image": {"path": str(path)}, "output": str(tmp_path / "o.vhd")}
    with imagewright.start("convert", request) as run:
        kinds = [event["event"] for event in run]
        assert run.result()["bytes"] > 0
    assert kinds[0] == "step" and kinds[-1] == "finished"


def test_an_exception_in_the_callback_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * (1 << 20))

    def fail(event: imagewright.Event) -> None:
        raise LookupError(event["event"])

    with pytest.raises(LookupError, match="step"):
        imagewright.convert(path, tmp_path / "out.vhd", progress=fail)
    assert not (tmp_path / "out.vhd").exists()


def test_leaving_the_block_cancels(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"y" * (1 << 20))
    request = {
        "image": {"path": str(path)},
        "output": str(tmp_path / "out.qcow2"),
        "compression": "zlib:12",
    }
    before = threading.active_count()
    with imagewright.start("convert", request) as run:
        next(iter(run))
    with pytest.raises(imagewright.CancelledError):
        run.result()
    assert threading.active_count() == before


def test_the_wheel_is_of_any_python() -> None:
    wheel = distribution("imagewright").read_text("WHEEL") or ""
    tags = [line for line in wheel.splitlines() if line.startswith("Tag:")]
    assert len(tags) == 1 and tags[0].startswith("Tag: py3-none-linux_"), tags
    files = {str(file) for file in distribution("imagewright").files or []}
    assert {"imagewright/py.typed", "imagewright/libimagewright.so"} <= files


def test_every_operation_is_a_function() -> None:
    with pytest.raises(imagewright.InvalidArgumentError) as raised:
        imagewright.run("none of them", {})
    names = (raised.value.hint or "").replace("there are ", "").split(", ")
    assert len(names) > 10
    for name in names:
        assert callable(getattr(imagewright, name))
        assert name in imagewright.__all__


def requests_of_the_readme() -> dict[str, set[str]]:
    """The fields of each operation, by the table of bindings/README.md."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rows = re.findall(r"^\| (`[a-z`, ]+`) \| (`.*?) \|", readme, re.M)
    table = {}
    for operations, fields in rows:
        for operation in re.findall(r"[a-z]+", operations):
            table[operation] = set(re.findall(r"`(\w+)`", fields))
    return table


def test_arguments_are_the_fields_of_the_requests() -> None:
    table = requests_of_the_readme()
    assert len(table) > 10
    for operation, fields in table.items():
        function = getattr(imagewright, operation)
        names = set(inspect.signature(function).parameters) - {"progress"}
        assert {_camel(name) for name in names} == fields, operation


SLOW = """
import sys, imagewright

def progress(event):
    print(event["event"], flush=True)

try:
    imagewright.convert(
        sys.argv[1], sys.argv[2], compression="zlib:12", progress=progress
    )
except KeyboardInterrupt:
    print("interrupted")
"""


def test_keyboard_interrupt_cancels(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    with image.open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    output = tmp_path / "out.qcow2"
    command = [sys.executable, "-c", SLOW, str(image), str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout and run.stdout.readline() == "step\n"
        run.send_signal(signal.SIGINT)
        said = run.stdout.read()
    assert run.returncode == 0
    assert said.endswith("interrupted\n") and "finished" not in said
    assert not output.exists()


def test_interrupt_while_the_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(os.urandom(16 << 20))
    output = tmp_path / "out.qcow2"
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        imagewright.convert(str(image), str(output), compression="zlib:12")
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(30)
    assert not output.exists()


TINY = Path(os.environ["IMAGEWRIGHT_FIXTURES"]) / "tiny/tiny.qcow2"
RECIPE = {
    "apiVersion": "imagewright/v1alpha1",
    "kind": "NodeImage",
    "metadata": {"name": "two"},
    "steps": [{"run-command": "true"}],
}


def test_two_builds_at_once(tmp_path: Path) -> None:
    """In one process, by a recipe that is a value; it stays as it was."""

    def state() -> tuple[str, str, set[str]]:
        return (
            os.readlink("/proc/self/ns/mnt"),
            os.getcwd(),
            set(os.listdir("/proc/self/fd")),
        )

    before = state()
    outputs = [tmp_path / "one", tmp_path / "other"]
    runs = [
        imagewright.start(
            "build",
            {
                "input": {"image": str(TINY)},
                "recipe": RECIPE,
                "output": str(output),
            },
        )
        for output in outputs
    ]
    for run, output in zip(runs, outputs):
        report = run.result()
        assert report["manifest"]["artifacts"][0]["name"] == "two.qcow2"
        assert (output / "two.qcow2").exists()
    assert state() == before


def test_a_build_stops_continues_and_is_locked(tmp_path: Path) -> None:
    """By the functions, as they are typed."""
    out, lock, bundle = (tmp_path / name for name in ("out", "lock", "bundle"))
    how: dict[str, Any] = {"input": TINY, "recipe": RECIPE}
    stopped = imagewright.build(out, **how, until="provision")
    assert stopped["stoppedAfter"] == "provision"
    done = imagewright.build(out, **how, from_="package")
    assert done["manifest"]["artifacts"][0]["name"] == "two.qcow2"
    locked = imagewright.lock(lock, **how, source_date=1)
    assert json.loads(lock.read_text()) == locked
    assert locked["sourceDateEpoch"] == 1
    assert imagewright.bundle(TINY, locked, bundle)["packages"] == 0
    again = imagewright.build(
        tmp_path / "again", recipe=RECIPE, bundle=bundle, offline=True
    )
    assert again["manifest"]["artifacts"][0]["name"] == "two.qcow2"


def test_steps_are_done(tmp_path: Path) -> None:
    events: list[str] = []
    imagewright.customize(
        TINY,
        [{"write": "/etc/motd:hello"}],
        output=tmp_path / "one.qcow2",
        progress=lambda event: events.append(event.get("name", "")),
    )
    done = [name for name in events if name.startswith("write /etc/motd")]
    assert done, events
    difference = imagewright.diff(TINY, tmp_path / "one.qcow2")
    assert not difference["identical"]
