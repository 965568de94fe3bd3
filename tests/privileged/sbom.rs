// SPDX-License-Identifier: Apache-2.0
//! Bills of materials, as independent tools understand them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{
    BINARY, Cli, Containerd, Lab, container_archive, fixture, in_own_mounts,
};

const PROGRAM: &str = r#"package main

import "example.org/lib"

var version = "unset"

func main() { println(lib.Name, version) }
"#;

/// A package of dpkg, a static program of Go, and a container image.
fn seed(lab: &Lab, tree: &Path) {
    let script = r#"
        set -e
        cd "$1"
        mkdir -p tree/etc tree/usr/local/bin tree/var/lib/dpkg/info \
            tree/var/lib/dpkg/updates tree/var/lib/containerd
        : >tree/var/lib/dpkg/status
        printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' \
            >tree/etc/os-release
        doc=deb/usr/share/doc/known-package
        mkdir -p deb/DEBIAN $doc
        cat >deb/DEBIAN/control <<'END'
Package: known-package
Version: 1:2.3+dfsg-4
Architecture: amd64
Maintainer: A. Person <a@example.org>
Source: known-source (2.3)
Description: known
END
        printf '%s\n\n%s\n%s\n%s\n' \
            'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/' \
            'Files: *' 'Copyright: x' 'License: GPL-2+ or odd' >$doc/copyright
        dpkg-deb --root-owner-group -b deb known.deb >/dev/null
        dpkg --root="$1/tree" --force-script-chrootless --log=/dev/null \
            -i known.deb >/dev/null 2>&1
        mkdir -p go/vendor/example.org/lib
        printf 'module example.org/agent\n\ngo 1.19\n\nrequire example.org/lib v1.2.3\n' \
            >go/go.mod
        printf '# example.org/lib v1.2.3\n## explicit\nexample.org/lib\n' \
            >go/vendor/modules.txt
        printf 'package lib\n\nconst Name = "lib"\n' \
            >go/vendor/example.org/lib/lib.go
        printf '%s' "$2" >go/main.go
        cd go
        CGO_ENABLED=0 GOFLAGS=-mod=vendor GOCACHE="$1/cache" GOPATH="$1/go-path" \
            HOME="$1" go build -trimpath \
            -ldflags '-s -w -X main.version=v1.4.2' \
            -o ../tree/usr/local/bin/agent .
    "#;
    let lab_path = lab.path().to_str().unwrap();
    in_own_mounts(script, [lab_path, PROGRAM]).success();
    let daemon = Containerd::start(lab, tree);
    let archive = container_archive(lab);
    let import = ["images", "import", "--no-unpack", &archive];
    daemon.ctr(&import).run().success();
    daemon.stop();
}

/// The tree as a disk of one ext4 filesystem.
fn image_of(lab: &Lab, tree: &Path) -> PathBuf {
    let image = lab.join("seeded.raw");
    Cli::new("mke2fs")
        .args(["-q", "-t", "ext4", "-d"])
        .arg(tree)
        .arg(&image)
        .arg("64M")
        .run()
        .success();
    image
}

/// As nobody: no privilege is needed.
fn sbom(lab: &Lab, image: &Path, format: &str) -> String {
    let open = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(lab.path());
    open(image);
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    Cli::new("setpriv")
        .args(nobody)
        .args([BINARY, "sbom", "--format", format])
        .arg(image)
        .run()
        .success()
}

/// Name, version and package URL of everything the consumer sees; it fails
/// when the document is not valid.
fn consumed(lab: &Lab, format: &str, document: &str) -> Vec<String> {
    let path = lab.write(format!("bom.{format}.json"), document);
    let python = fixture("sbom-tools/bin/python");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/privileged/consume_sbom.py"
    );
    let said = Cli::new(python)
        .arg(script)
        .arg(format)
        .arg(path)
        .run()
        .success();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn privileged_sbom_has_what_was_seeded_in_both_formats() {
    let lab = Lab::new();
    let tree = lab.join("tree");
    seed(&lab, &tree);
    let image = image_of(&lab, &tree);
    for format in ["spdx", "cyclonedx"] {
        let document = sbom(&lab, &image, format);
        assert_eq!(document, sbom(&lab, &image, format), "{format} differs");
        let seen = consumed(&lab, format, &document);
        let has = |start: &str, end: &str| {
            let mut lines = seen.iter();
            let found = lines.any(|l| l.starts_with(start) && l.ends_with(end));
            assert!(found, "{format}: no {start} ... {end}: {seen:#?}");
        };
        has(
            "known-package\t1:2.3+dfsg-4\t",
            "pkg:deb/debian/known-package@1:2.3%2Bdfsg-4?arch=amd64&distro=debian-12",
        );
        has("agent\tv1.4.2\t", "pkg:golang/example.org/agent@v1.4.2");
        has(
            "example.org/lib\tv1.2.3\t",
            "pkg:golang/example.org/lib@v1.2.3",
        );
        has(
            "registry.example/app:1.2\tsha256:",
            "?repository_url=registry.example/app&tag=1.2",
        );
        has("debian\t12\t", "");
        assert!(document.contains("GPL-2.0-or-later OR LicenseRef-odd"));
    }
}

#[test]
fn privileged_sbom_of_debian_is_valid() {
    let lab = Lab::new();
    let image = fixture("debian-12/debian-12-base-amd64.qcow2");
    let expected = fs::read_to_string(fixture("debian-12/packages.txt"));
    let expected = expected.unwrap();
    for format in ["spdx", "cyclonedx"] {
        let document = lab
            .cli()
            .args(["sbom", "--format", format])
            .arg(&image)
            .run()
            .success();
        let seen = consumed(&lab, format, &document);
        let debs = seen.iter().filter(|line| line.contains("\tpkg:deb/"));
        assert_eq!(debs.count(), expected.lines().count(), "{format}");
    }
}
