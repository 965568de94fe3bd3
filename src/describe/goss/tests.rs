// SPDX-License-Identifier: Apache-2.0
//! A small tree, and a file of goss's about it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::describe::verify::Status;
use crate::error::ErrorKind;

const CHECKS: &str = r#"
file:
  /etc/motd:
    exists: true
    mode: "0640"
    size: {gt: 3}
    filetype: file
    contents: [hello, "!bye", "/^hello [a-z]+$/"]
    sha256: 8ab686eafeb1f44702738c8b0f24f2567c36da6d
  /etc/link: {exists: true, linked-to: motd, filetype: symlink}
  never:
    path: /etc/never
    exists: false
    mode: "0644"
  /etc/gone: {exists: true, mode: "0644"}
package:
  kubelet: {installed: true, versions: ["1.33.2-1.1"]}
  ntp: {installed: false}
service:
  kubelet: {enabled: true, running: false}
user:
  core: {exists: true, uid: 1000, groups: [sudo], shell: /bin/sh}
group:
  sudo: {exists: true, gid: 28}
kernel-param:
  net.ipv4.ip_forward: {value: "1"}
  kernel.ostype: {value: Linux}
port:
  tcp:22: {listening: true}
command:
  kubelet --version: {exit-status: 0}
matching:
  x: {content: [1, 2], matches: {have-len: 2}}
"#;

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let status = "Package: kubelet\nStatus: install ok installed\n\
        Architecture: amd64\nVersion: 1.33.2-1.1\n";
    let unit = "usr/lib/systemd/system/kubelet.service";
    for (path, text) in [
        ("etc/motd", "hello world\n"),
        ("etc/passwd", "core:x:1000:1000::/home/core:/bin/sh\n"),
        ("etc/group", "sudo:x:27:core\ncore:x:1000:\n"),
        ("etc/sysctl.d/k.conf", "net.ipv4.ip_forward=1\n"),
        ("var/lib/dpkg/status", status),
        (unit, "[Install]\nWantedBy=multi-user.target\n"),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let motd = dir.path().join("etc/motd");
    fs::set_permissions(motd, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("motd", dir.path().join("etc/link")).unwrap();
    dir
}

#[test]
fn every_kind_is_checked_or_said_not_to_be() {
    let dir = tree();
    let root = GuestRoot::open(dir.path()).unwrap();
    let file = GossFile::parse(CHECKS).unwrap();
    assert!(file.has_commands());
    let results = check_files(&root, &file);
    let with = |status: Status| -> Vec<&str> {
        let all = results.iter().filter(|one| one.status == status);
        let rules = all.map(|one| one.rule.strip_prefix("goss/").unwrap());
        let mut rules: Vec<&str> = rules.collect();
        rules.sort_unstable();
        rules
    };
    assert_eq!(
        with(Status::Fail),
        [
            "file:/etc/gone:exists",
            "file:/etc/gone:mode",
            "file:/etc/motd:sha256",
            "group:sudo:gid",
            "service:kubelet:enabled",
        ]
    );
    assert_eq!(
        with(Status::NotChecked),
        [
            "file:never:mode",
            "file:never:path",
            "kernel-param:kernel.ostype:value",
            "port:tcp:22:listening",
            "service:kubelet:running",
        ]
    );
    let found = results.iter().find(|one| one.rule.ends_with("sudo:gid"));
    assert_eq!(found.unwrap().findings[0].what, "is 27 instead of 28");
}

#[test]
fn what_is_not_in_the_format_is_told() {
    for (text, kind) in [
        ("file: [a]", ErrorKind::InvalidArgument),
        ("a", ErrorKind::InvalidArgument),
        ("file: {a: 1}", ErrorKind::InvalidArgument),
        ("file: {a", ErrorKind::InvalidArgument),
        ("file: {{ .Vars.x }}", ErrorKind::Unsupported),
    ] {
        assert_eq!(GossFile::parse(text).unwrap_err().kind(), kind, "{text}");
    }
    assert_eq!(GossFile::parse("").unwrap(), GossFile::default());
}

#[test]
fn files_include_files() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        fs::create_dir_all(dir.path().join("more")).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
    };
    put(
        "all.yaml",
        "gossfile: {more/*.yaml: {}, x: {file: one.yaml}}\n",
    );
    put("one.yaml", "group: {a: {exists: true}}\n");
    put("more/two.yaml", "group: {b: {exists: true}}\n");
    put("more/three.yaml", "group: {c: {exists: true}}\n");
    let all = GossFile::load(&dir.path().join("all.yaml")).unwrap();
    let ids: Vec<&str> = all.resources.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["c", "b", "a"]);
    put("one.yaml", "gossfile: {one.yaml: {}}\n");
    let looped = GossFile::load(&dir.path().join("one.yaml"));
    assert_eq!(looped.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
