// SPDX-License-Identifier: Apache-2.0
//! `customize` beside virt-customize: the same arguments on two copies of one
//! image, and the two trees compared.
//!
//! Not run by `make test`: the peer boots an appliance, which without KVM
//! takes minutes. It needs virt-customize and a kernel for the appliance;
//! `fixtures/setup.sh peer` and `fixtures/peer-kernel.sh` bring both, and
//! `make test-slow` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::support::{Disk, Lab, fixture, run};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVzZWQtYnktYS10ZXN0 me";

/// What may differ, and why; a pattern ends in `*`.
const EXPLAINED: [(&str, &str); 7] = [
    (
        "etc/hostname",
        "the peer makes the file executable; ours keeps its mode",
    ),
    (
        "var/lib/systemd/random-seed",
        "the peer writes seeds, which two nodes of one image would share",
    ),
    ("var/lib/random-seed", "as above"),
    ("var/lib/urandom*", "as above"),
    ("var/lib/misc/random-seed", "as above"),
    (
        "etc/machine-id",
        "the peer makes one up and leaves it to every node of the image",
    ),
    (
        "etc/timezone",
        "the peer changes /etc/localtime only, and Debian reads both",
    ),
];

/// The operations, as far as Debian 12's virt-customize has them (not `chown`
/// and `tar-in`); the host's files are in `lab`.
fn operations(lab: &Lab) -> Vec<[String; 2]> {
    lab.write("tree/sub/b", "b");
    lab.write("tree/a", "a");
    lab.write("script.sh", "#!/bin/sh\nid -u >/opt/script\numask\n");
    let upload = lab.write("upload", "up");
    run("chmod", ["0751".as_ref(), upload.as_path()]);
    run(
        "ln",
        ["-s".as_ref(), "a".as_ref(), lab.join("tree/l").as_path()],
    );
    let at = |name: &str| lab.join(name).display().to_string();
    let all = [
        ("hostname", "node-1".to_owned()),
        ("write", "/etc/motd:hello\nworld".to_owned()),
        ("append-line", "/etc/hosts:10.0.0.1 other".to_owned()),
        ("append-line", "/etc/new-file:first".to_owned()),
        ("chmod", "0600:/etc/motd".to_owned()),
        ("copy", "/etc/apt:/opt/apt".to_owned()),
        ("mkdir", "/opt/deep/er".to_owned()),
        ("copy-in", format!("{}:/opt/deep", at("tree"))),
        ("delete", "/etc/update-motd.d/*".to_owned()),
        ("edit", "/etc/hosts:s/127.0.0.1/127.0.0.2/".to_owned()),
        ("link", "/etc/motd:/etc/motd.one:/etc/motd.two".to_owned()),
        ("move", "/etc/new-file:/etc/newer-file".to_owned()),
        ("password", "daemon:disabled".to_owned()),
        ("root-password", "locked".to_owned()),
        ("run", at("script.sh")),
        ("run-command", "id -g >/opt/command".to_owned()),
        ("write", "/etc/secret:x".to_owned()),
        ("scrub", "/etc/secret".to_owned()),
        ("ssh-inject", format!("root:string:{KEY}")),
        ("timezone", "Etc/GMT-3".to_owned()),
        ("touch", "/opt/touched".to_owned()),
        ("truncate", "/etc/issue".to_owned()),
        ("truncate-recursive", "/opt/apt".to_owned()),
        ("upload", format!("{}:/opt/uploaded", upload.display())),
    ];
    all.map(|(name, argument)| [format!("--{name}"), argument])
        .into()
}

#[test]
#[ignore = "minutes of the peer's appliance: make test-slow"]
fn peer_the_trees_are_those_that_virt_customize_makes() {
    let lab = Lab::new();
    let base = fixture("debian-12/debian-12-base-amd64.qcow2");
    let copy = |name: &str| {
        let disk = Disk::new(lab.join(name));
        let words = ["convert", "-O", "raw"].map(std::ffi::OsStr::new);
        let paths = [base.as_os_str(), disk.path().as_os_str()];
        run("qemu-img", words.into_iter().chain(paths));
        disk
    };
    let (ours, theirs) = (copy("ours.raw"), copy("theirs.raw"));
    let operations: Vec<String> = operations(&lab).concat();
    assert!(operations.len() / 2 >= 20);
    let change = lab.cli().arg("customize").arg(ours.path());
    let start = Instant::now();
    change.args(&operations).run().success();
    let took = start.elapsed();
    let start = Instant::now();
    peer(theirs.path(), &operations);
    let ratio = start.elapsed().as_secs_f64() / took.as_secs_f64();
    println!(
        "ours {took:.1?}, theirs {:.1?}: {ratio:.1} times",
        start.elapsed()
    );

    let (ours, theirs) = (tree(&ours), tree(&theirs));
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    assert!(paths.len() > 10_000, "{} entries", paths.len());
    let differ = paths.into_iter().filter(|p| ours.get(*p) != theirs.get(*p));
    let unexplained: Vec<String> = differ
        .filter(|path| !is_explained(path))
        .map(|path| {
            let (ours, theirs) = (ours.get(path), theirs.get(path));
            format!("{path}: ours {ours:?}, theirs {theirs:?}")
        })
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    // What was asked for did happen: both could have done nothing.
    assert!(ours["etc/motd"].starts_with("f 600 0:0 "));
    assert!(ours["opt/deep/tree/l"].starts_with("l 777 0:0 a "));
    lab.assert_nothing_left();
}

fn is_explained(path: &str) -> bool {
    EXPLAINED
        .iter()
        .any(|(known, _)| match known.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == *known,
        })
}

fn peer(image: &Path, operations: &[String]) {
    let mut peer = Command::new("virt-customize");
    peer.args(["--format", "raw", "--no-network", "--no-logfile", "--add"])
        .arg(image)
        .args(operations);
    appliance(&mut peer);
}

/// Runs a tool of libguestfs in an appliance of the fixtures' kernel.
pub(crate) fn appliance(tool: &mut Command) {
    let kernel = fixture("peer-kernel");
    let only = |directory: &str| {
        let directory = kernel.join(directory);
        let mut names = fs::read_dir(directory).unwrap();
        names.next().unwrap().unwrap().path()
    };
    let output = tool
        .env("LIBGUESTFS_BACKEND", "direct")
        .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        .env("LIBGUESTFS_CACHEDIR", &kernel)
        .env("SUPERMIN_KERNEL", only("boot"))
        .env("SUPERMIN_MODULES", only("modules"))
        .output()
        .expect("a tool of libguestfs: run fixtures/setup.sh peer");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Each entry as one line: kind, mode, owner, content or target, attributes.
fn tree(disk: &Disk) -> BTreeMap<String, String> {
    const WALK: &str = "
import hashlib, json, os, stat
found = {}
for top, names, files in os.walk('.', followlinks=False):
    for name in names + files:
        path = os.path.join(top, name)
        entry = os.lstat(path)
        kind, content = '?', ''
        if stat.S_ISREG(entry.st_mode):
            kind = 'f'
            with open(path, 'rb') as file:
                content = hashlib.sha256(file.read()).hexdigest()
        elif stat.S_ISLNK(entry.st_mode):
            kind, content = 'l', os.readlink(path)
        elif stat.S_ISDIR(entry.st_mode):
            kind = 'd'
        else:
            content = str(entry.st_rdev)
        attributes = {key: os.getxattr(path, key, follow_symlinks=False).hex()
                      for key in os.listxattr(path, follow_symlinks=False)}
        found[path[2:]] = '%s %o %d:%d %s %s' % (
            kind, stat.S_IMODE(entry.st_mode), entry.st_uid, entry.st_gid,
            content, sorted(attributes.items()))
print(json.dumps(found))
";
    let said = disk.look("python3 -c \"$1\"", &[WALK]);
    serde_json::from_str(&said).unwrap()
}
