// SPDX-License-Identifier: Apache-2.0
//! Two builds of one Debian are the same, a signature vouches for what came
//! out, and `diff` tells what the recipe did: looked at by the host's kernel
//! and Python, dpkg, sha256sum and minisign.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Disk, Lab, fixture, in_own_mounts, run, sha256};

/// A package with a unit and a script; `$1` is the directory to make it in.
const MAKE_PACKAGE: &str = r#"
cd "$1"
mkdir -p p/DEBIAN p/usr/bin p/usr/lib/systemd/system
printf '%s\n' 'Package: iw-hello' 'Version: 1.0-1' 'Architecture: all' \
    'Maintainer: t <t@t>' 'Description: x' >p/DEBIAN/control
printf '#!/bin/sh\necho hello\n' >p/usr/bin/iw-hello
chmod 755 p/usr/bin/iw-hello
printf '%s\n' '[Service]' 'ExecStart=/usr/bin/iw-hello' '[Install]' \
    'WantedBy=multi-user.target' >p/usr/lib/systemd/system/iw-hello.service
dpkg-deb --root-owner-group -b p iw-hello_1.0-1_all.deb
rm -r p
"#;

/// Everything of every entry, in the order of the paths.
const LIST: &str = r#"
python3 - <<'END'
import hashlib, os, stat
for top, dirs, files in os.walk(b'.'):
    dirs.sort()
    for name in sorted(dirs + files) + ([b'.'] if top == b'.' else []):
        path = os.path.join(top, name)
        s = os.lstat(path)
        content = ''
        if stat.S_ISREG(s.st_mode):
            content = hashlib.sha256(open(path, 'rb').read()).hexdigest()
        elif stat.S_ISLNK(s.st_mode):
            content = os.readlink(path)
        names = sorted(os.listxattr(path, follow_symlinks=False))
        attributes = [(n, os.getxattr(path, n, follow_symlinks=False))
                      for n in names]
        links = 0 if stat.S_ISDIR(s.st_mode) else s.st_nlink
        print(path, oct(s.st_mode), s.st_uid, s.st_gid, links, s.st_rdev,
              content, attributes, s.st_mtime_ns)
END
"#;

fn base() -> PathBuf {
    fixture("debian-12/debian-12-base-amd64.qcow2")
}

fn recipe(lab: &Lab) -> PathBuf {
    let dir = lab.path().display();
    lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
packages:
  update: false
  install: ['{dir}/iw-hello_1.0-1_all.deb']
files:
  - {{path: /etc/sysctl.d/90-node.conf, content: \"net.ipv4.ip_forward = 1\\n\"}}
steps:
  - run-command: groupadd -g 2000 team
  - run-command: useradd -m -u 2000 -g team -s /bin/sh alice
  - root-password: 'hash:$6$salt$verysecrethashindeed'
  - run-command: systemctl enable iw-hello.service
  - run-command: update-initramfs -u && update-grub
  - run-command: python3 -c 'import json.tool' && apt-get check
artifacts: [{{format: raw}}]
"
        ),
    )
}

fn diff(lab: &Lab, args: &[&str], one: &Path, other: &Path) -> (i32, Value) {
    let done = lab
        .cli()
        .args(["--json", "diff"])
        .args(args)
        .arg(one)
        .arg(other)
        .run();
    let report = serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {done:?}"));
    (done.code(), report)
}

/// `change subject` of each finding about `topic`.
fn findings(report: &Value, topic: &str) -> Vec<String> {
    let sections = report["sections"].as_array().unwrap();
    let section = sections.iter().find(|section| section["topic"] == topic);
    let Some(section) = section else {
        return Vec::new();
    };
    let findings = section["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|f| format!("{} {}", text(&f["change"]), text(&f["subject"])))
        .collect()
}

#[test]
fn privileged_repeat_a_build() {
    let lab = Lab::new();
    in_own_mounts(MAKE_PACKAGE, [lab.path().to_str().unwrap()]).success();
    run(
        "minisign",
        ["-G", "-W", "-p", "key.pub", "-s", "key"].map(|word| {
            match word.starts_with("key") {
                true => lab.join(word),
                false => PathBuf::from(word),
            }
        }),
    );
    let recipe = recipe(&lab);
    let (one, two) = (lab.join("one"), lab.join("deep/er/two"));
    for output in [&one, &two] {
        let build = lab.build(&base(), &recipe, output);
        let key = lab.join("key");
        build.arg("--sign-key").arg(key).run().success();
    }
    let (first, second) = (one.join("node.raw"), two.join("node.raw"));
    the_trees_are_the_same(&lab, &first, &second);
    what_vouches_for_it(&lab, &one, &two);
    the_recipe_is_told(&lab, &first);
    lab.assert_nothing_left();
}

fn the_trees_are_the_same(lab: &Lab, first: &Path, second: &Path) {
    let list = |path: &Path| Disk::new(path).look(LIST, &[]);
    let (one, two) = (list(first), list(second));
    assert!(one.lines().count() > 10_000);
    let differs: Vec<_> = one
        .lines()
        .zip(two.lines())
        .filter(|(a, b)| a != b)
        .collect();
    assert!(differs.is_empty(), "{differs:#?}");
    assert_eq!(one, two);
    for args in [&["--strict"][..], &[]] {
        let (code, report) = diff(lab, args, first, second);
        assert_eq!((code, &report["identical"]), (0, &true.into()), "{report}");
    }
    // One that was touched is found out, and one that may do more.
    let script = "touch -d @1 usr/bin/iw-hello\n\
        setcap cap_net_raw,cap_bpf+ep usr/bin/iw-hello";
    Disk::new(second).change(script, &[]);
    let (code, report) = diff(lab, &["--strict"], first, second);
    assert_eq!(code, 1);
    let found = findings(&report, "tree");
    assert_eq!(found, ["changed /usr/bin/iw-hello"], "{report}");
    let (code, report) = diff(lab, &["--mount"], first, second);
    assert_eq!(code, 1);
    assert_eq!(findings(&report, "privileges"), ["added /usr/bin/iw-hello"]);
    let told = "cap_net_raw,cap_bpf=ep";
    assert!(report.to_string().contains(told), "{report}");
}

fn what_vouches_for_it(lab: &Lab, one: &Path, two: &Path) {
    for directory in [one, two] {
        // The second image was touched since.
        let script = "cd \"$1\"\n\
            grep -v node.raw SHA256SUMS | sha256sum -c --quiet\n\
            minisign -V -q -p \"$2\" -m SHA256SUMS";
        let key = lab.join("key.pub");
        let args = [directory.to_str().unwrap(), key.to_str().unwrap()];
        in_own_mounts(script, args).success();
    }
    let read = |name: &str| {
        let text = fs::read_to_string(one.join(name)).unwrap();
        assert!(!text.contains("verysecret"), "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let statement = read("provenance.json");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let subject = &statement["subject"][0];
    assert_eq!(subject["name"], "node.raw");
    assert_eq!(
        subject["digest"]["sha256"],
        sha256(&one.join("node.raw")).as_str()
    );
    let definition = &statement["predicate"]["buildDefinition"];
    let materials = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(materials[0]["digest"]["sha256"], sha256(&base()).as_str());
    let manifest = read("manifest.json");
    assert_eq!(materials[1]["digest"]["sha256"], manifest["recipeSha256"]);
    assert_eq!(
        materials[2]["uri"],
        "pkg:deb/debian/iw-hello@1.0-1?arch=all&distro=debian-12"
    );
    // Which package is in a file of the host is not known.
    let package = one.parent().unwrap().join("iw-hello_1.0-1_all.deb");
    assert_eq!(materials[3]["name"], "iw-hello_1.0-1_all.deb");
    assert_eq!(materials[3]["digest"]["sha256"], sha256(&package).as_str());
    assert_eq!(materials.len(), 4, "{materials:#?}");
}

fn the_recipe_is_told(lab: &Lab, image: &Path) {
    let (code, report) = diff(lab, &[], &base(), image);
    assert_eq!(code, 1);
    assert!(!report.to_string().contains("verysecret"), "{report}");
    let unit = "/usr/lib/systemd/system/iw-hello.service";
    let told: [(&str, Vec<String>); 9] = [
        (
            "accounts",
            vec![
                "added group team".into(),
                "added user alice".into(),
                "changed user root".into(),
            ],
        ),
        ("privileges", vec![]),
        ("alteredPackageFiles", vec![]),
        ("trust", vec![]),
        ("repositories", vec![]),
        ("packages", vec!["added iw-hello (all)".into()]),
        ("modules", vec![]),
        ("sysctl", vec!["added net.ipv4.ip_forward".into()]),
        (
            "units",
            vec![
                "added enabled iw-hello.service, wanted by \
                 multi-user.target"
                    .into(),
                format!("added unit {unit}"),
            ],
        ),
    ];
    for (topic, expected) in told {
        assert_eq!(findings(&report, topic), expected, "{topic}");
    }
    let configuration: BTreeSet<String> =
        findings(&report, "configuration").into_iter().collect();
    let expected = [
        "added /etc/sysctl.d/90-node.conf",
        "changed /etc/subgid",
        "changed /etc/subuid",
    ];
    for subject in expected {
        assert!(configuration.contains(subject), "{configuration:#?}");
    }
    // The clean-up, and the package manager's own.
    let known = [
        "/etc/.resolv.conf.systemd-resolved.bak",
        "/etc/.pwd.lock",
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/ld.so.cache",
        "/etc/machine-id",
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/subgid-",
        "/etc/subuid-",
    ];
    let others = configuration.iter().filter(|subject| {
        !expected.contains(&subject.as_str())
            && !known.iter().any(|path| subject.ends_with(path))
    });
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    let files = findings(&report, "files");
    let packages = "changed files of the packages above".to_owned();
    assert!(files.contains(&packages), "{files:#?}");
}
