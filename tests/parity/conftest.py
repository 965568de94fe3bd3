# SPDX-License-Identifier: Apache-2.0
"""What the cases need, made once."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

RECIPE = """\
apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: tiny}
steps:
"""


def _recipe(path: Path, *lines: str) -> str:
    path.write_text(RECIPE + "".join(f"  - {line}\n" for line in lines))
    return str(path)


def _need(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise pytest.UsageError(f"{name} is not set: run `make test-bindings`")
    return value


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory):
    """The names that the cases use."""
    if os.geteuid() != 0:
        raise pytest.UsageError("run the parity suite as root")
    shared = tmp_path_factory.mktemp("shared")
    for directory in (shared, *shared.parents[:2]):
        directory.chmod(0o755)
    tiny = Path(_need("IMAGEWRIGHT_FIXTURES")) / "tiny"
    small = shared / "small"
    small.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)],
        check=True,
    )
    frozen = shared / "frozen"
    frozen.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "none", str(frozen)], check=True
    )
    image = (tiny / "tiny.qcow2").read_bytes()
    names = {
        "tiny": str(tiny),
        "shared": str(shared),
        "small": str(small),
        "frozen": str(frozen),
        "sha256": hashlib.sha256(image).hexdigest(),
        "zeros": "0" * 64,
        "recipe": _recipe(shared / "good.yaml", "write: /etc/motd:hello"),
        "slow": _recipe(shared / "slow.yaml", "run-command: sleep 60"),
        "failing": _recipe(shared / "failing.yaml", "run-command: exit 3"),
        "wrong": _recipe(shared / "wrong.yaml", "rum-command: x"),
    }
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2",
         "--object", "secret,id=s,data=x",
         "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
         str(shared / "luks.qcow2"), "1M"],
        check=True,
    )
    (shared / "cut.qcow2").write_bytes(image[:100])
    (shared / "noise.raw").write_bytes(os.urandom(4 << 20))
    names["changed"] = str(shared / "changed.qcow2")
    subprocess.run(
        [_need("PARITY_CLI"), "provision", str(tiny / "tiny.qcow2"),
         "--recipe", names["recipe"], "--output", names["changed"]],
        check=True,
    )
    names["lock"] = str(shared / "lock.json")
    subprocess.run(
        [_need("PARITY_CLI"), "lock", "--disk-image", str(tiny / "tiny.qcow2"),
         "--sha256", names["sha256"], "--recipe", names["recipe"],
         "--output", names["lock"]],
        check=True,
    )
    names["key"] = str(shared / "key")
    subprocess.run(
        ["minisign", "-G", "-p", f"{names['key']}.pub", "-s", names["key"]],
        input="of the key\n" * 2, text=True, stdout=subprocess.DEVNULL,
        check=True,
    )
    yield names
    subprocess.run(["umount", str(small), str(frozen)], check=True)


@pytest.fixture
def place(world, tmp_path: Path):
    """`world`, and a directory of the case's own."""
    return {**world, "dir": str(tmp_path)}
