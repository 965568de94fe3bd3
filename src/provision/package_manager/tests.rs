// SPDX-License-Identifier: Apache-2.0
//! Which package manager an image has, and what it holds.

use super::*;

fn root_with(files: &[(&str, &str)]) -> (tempfile::TempDir, GuestRoot) {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let root = GuestRoot::open(dir.path()).unwrap();
    (dir, root)
}

#[test]
fn the_family_decides_among_several() {
    let apt = ("usr/bin/apt-get", "");
    let dnf = ("usr/bin/dnf", "");
    let zypper = ("usr/bin/zypper", "");
    let release = |id: &'static str| ("etc/os-release", id);
    for (files, expected) in [
        (vec![apt], "apt"),
        (vec![apt, dnf, release("ID=debian\n")], "apt"),
        (vec![apt, dnf, release("ID=fedora\n")], "dnf"),
        (vec![zypper, dnf, release("ID=fedora\n")], "dnf"),
        (vec![zypper, dnf, release("ID=opensuse-leap\n")], "zypper"),
        (
            vec![("usr/bin/yum", "import yum"), release("ID=amzn\n")],
            "yum",
        ),
        (
            vec![("usr/bin/microdnf", ""), release("ID=rhel\n")],
            "microdnf",
        ),
        (vec![("sbin/apk", ""), release("ID=alpine\n")], "apk"),
        (vec![zypper], "zypper"),
    ] {
        let (_dir, root) = root_with(&files);
        let found = package_manager(&root).unwrap();
        assert_eq!(found.name(), expected, "{files:?}");
    }
    let (_dir, root) = root_with(&[]);
    let error = package_manager(&root).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_cannot_be_locked_says_so() {
    for (file, name) in [
        ("usr/bin/zypper", "zypper"),
        ("sbin/apk", "apk"),
        ("usr/bin/microdnf", "microdnf"),
        ("usr/bin/yum", "yum"),
    ] {
        let (_dir, root) = root_with(&[(file, "")]);
        let found = package_manager(&root).unwrap();
        let error = found.require_lockable().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
        let text = error.to_string();
        assert!(text.contains(&format!("{name} cannot be locked")), "{text}");
    }
    for file in ["usr/bin/apt-get", "usr/bin/dnf", "usr/bin/dnf5"] {
        let (_dir, root) = root_with(&[(file, "")]);
        assert!(package_manager(&root).unwrap().lockable().is_some());
    }
}

#[test]
fn only_what_is_installed_is_held() {
    let installed = ["bash", "kubelet", "containerd"].map(|name| Installed {
        name: name.to_owned(),
        version: "0:1-1".to_owned(),
        architecture: "x86_64".to_owned(),
    });
    let names = |hold: &Hold| -> Result<Vec<String>> {
        let held = held(hold, installed.to_vec())?;
        Ok(held.into_iter().map(|package| package.name).collect())
    };
    assert_eq!(names(&Hold::Kubernetes).unwrap(), ["kubelet", "containerd"]);
    assert_eq!(names(&Hold::All).unwrap().len(), 3);
    let these = |name: &str| Hold::These(vec![name.parse().unwrap()]);
    assert_eq!(names(&these("bash")).unwrap(), ["bash"]);
    let error = names(&these("zsh")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn downloads_are_removed() {
    let (dir, root) = root_with(&[
        ("usr/bin/dnf", ""),
        ("var/cache/dnf/main-1/packages/a.rpm", "x"),
        ("var/cache/dnf/main-1/repodata/repomd.xml", "x"),
    ]);
    package_manager(&root).unwrap().clean(&root).unwrap();
    let cache = dir.path().join("var/cache/dnf/main-1");
    assert!(!cache.join("packages/a.rpm").exists());
    assert!(cache.join("repodata/repomd.xml").exists());
}
