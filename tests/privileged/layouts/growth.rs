// SPDX-License-Identifier: Apache-2.0
//! Roots that grow over a larger disk, also two of one base at once.

use std::net::TcpListener;
use std::process::Child;

use super::{centos, fedora};
use crate::support::{Lab, Layout, changed, sha256};

/// Two builds of one base, the UUIDs of whose filesystems are the same, both
/// mounted at one time.
fn two_at_once(layout: &Layout) {
    let lab = Lab::new();
    let base = layout.make(&lab);
    let before = sha256(&base);
    // They meet on the host's network, which both see: each is mounted then.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let meet = |name: &str| match name {
        "one" => format!("timeout 120 nc -l -p {port} </dev/null"),
        _ => format!(
            "for i in $(seq 600); do nc 127.0.0.1 {port} </dev/null && \
             exit 0; sleep 0.2; done; exit 1"
        ),
    };
    let builds: Vec<Child> = ["one", "two"]
        .iter()
        .map(|name| {
            let recipe = lab.recipe(
                &format!("{name}.yaml"),
                &format!(
                    "disk: {{size: 400M}}\n\
                     files: [{{path: /etc/which, content: {name}}}]\n\
                     steps:\n  - run-command: {}\n  - run-command: \
                     head -c 104857600 /dev/zero | tr '\\0' {} >/var/large\n\
                     artifacts: [{{format: raw, name: {name}.raw}}]\n",
                    meet(name),
                    &name[..1]
                ),
            );
            lab.build(&base, &recipe, &lab.join(name)).start()
        })
        .collect();
    for build in builds {
        let done = build.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
    }
    assert_eq!(sha256(&base), before);
    let base = layout.tree(&base);
    for name in ["one", "two"] {
        let disk = lab.join(format!("{name}/{name}.raw"));
        layout.assert_sound(&disk);
        assert_eq!(layout.look(&disk, "cat etc/which"), name);
        let large = layout.look(&disk, "tr -d o <var/large | wc -c");
        let expected = if name == "one" { "0\n" } else { "104857600\n" };
        assert_eq!(large, expected);
        // The filesystem has what the partition has: over 300 MiB.
        let size = layout.look(&disk, "df -B1M --output=size . | tail -1");
        let size: u32 = size.trim().parse().unwrap();
        assert!(size > 280, "{size}");
        let (start, len) = layout.place(&layout.volumes[0], &disk);
        assert!(start + len > 398 << 20, "{start} {len}");
        let after = layout.tree(&disk);
        let lost: Vec<&String> = base
            .keys()
            .filter(|path| path.starts_with("usr/share/odd"))
            .filter(|path| after.get(*path) != base.get(*path))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let new = changed(&base, &after);
        assert!(new.contains(&"etc/which".to_owned()), "{new:?}");
    }
    lab.assert_nothing_left();
}

#[test]
fn privileged_layouts_two_builds_of_one_xfs_base() {
    two_at_once(&centos());
}

#[test]
fn privileged_layouts_two_builds_of_one_btrfs_base() {
    two_at_once(&fedora());
}
