// SPDX-License-Identifier: Apache-2.0
//! Two images of a few files.

use super::*;
use crate::describe::tree::memory::MemoryTree;
use crate::discover::{OsRelease, SystemLayout};
use crate::progress::Monitor;

fn snapshot(tree: &MemoryTree) -> Snapshot {
    let layout = SystemLayout {
        table: None,
        sector_size: 512,
        disk_len: 512,
        partitions: Vec::new(),
        root: 0,
        os: OsRelease::parse(b"ID=debian\n"),
        family: None,
        architecture: None,
        mounts: Vec::new(),
        warnings: Vec::new(),
    };
    let disk = vec![0_u8; 512];
    Snapshot::take(tree, &disk, &layout, &Monitor::silent()).unwrap()
}

fn base() -> MemoryTree {
    MemoryTree::default()
        .file("/etc/passwd", "root:x:0:0:r:/root:/bin/sh\n")
        .file("/etc/shadow", "root:*:1::::::\n")
        .file("/etc/group", "sudo:x:27:\n")
        .file("/etc/ssh/sshd_config", "PermitRootLogin no\n")
        .file("/usr/bin/tool", "1")
        .file("/var/lib/dpkg/info/tool.list", "/.\n/usr/bin/tool\n")
        .file(
            "/var/lib/dpkg/status",
            "Package: tool\nStatus: install ok installed\n\
             Architecture: all\nVersion: 1.9\n",
        )
}

/// `TOPIC change subject: before -> after`.
fn lines(report: &DiffReport) -> Vec<String> {
    let mut lines = Vec::new();
    for section in &report.sections {
        for finding in &section.findings {
            lines.push(format!(
                "{:?} {:?} {}: {} -> {}",
                section.topic,
                finding.change,
                finding.subject,
                finding.before.as_deref().unwrap_or_default(),
                finding.after.as_deref().unwrap_or_default()
            ));
        }
    }
    lines
}

#[test]
fn an_image_is_identical_to_itself() {
    let report = diff(&snapshot(&base()), &snapshot(&base()));
    assert!(report.identical, "{:?}", lines(&report));
}

#[test]
fn the_reviewer_reads_who_gets_in_first() {
    let changed = base()
        .file(
            "/etc/passwd",
            "root:x:0:0:r:/root:/bin/sh\na:x:1000:1000::/home/a:/bin/sh\n",
        )
        .file("/etc/shadow", "root:$6$salt$hhhhhhhhhhhhh:1::::::\na::1:\n")
        .file("/etc/sudoers.d/a", "# me\na ALL=(ALL) NOPASSWD:ALL\n")
        .file(
            "/root/.ssh/authorized_keys",
            "ssh-ed25519 AAAAabcdefghijkl m\n",
        )
        .file("/usr/bin/tool", "2")
        .file("/etc/apt/sources.list.d/x.list", "deb http://u:p@h/ ./\n")
        .file(
            "/etc/ssl/private/k",
            "-----BEGIN PRIVATE KEY-----\nMIIgeheim",
        )
        .link(
            "/etc/systemd/system/multi-user.target.wants/x.service",
            "/lib/systemd/system/x.service",
        )
        .file("/etc/sysctl.d/90.conf", "net.ipv4.ip_forward = 1\n")
        .file("/etc/ssh/sshd_config", "PermitRootLogin yes\n")
        .file("/opt/cni/bin/bridge", "12345");
    let report = diff(&snapshot(&base()), &snapshot(&changed));
    assert_eq!(
        lines(&report),
        [
            "Accounts Added SSH key ssh-ed25519 ...abcdefghijkl m:  -> in \
             /root/.ssh/authorized_keys",
            "Accounts Added sudo rule `a ALL=(ALL) NOPASSWD:ALL`:  -> \
             /etc/sudoers.d/a",
            "Accounts Added user a:  -> uid 1000, gid 1000, home /home/a, \
             shell /bin/sh, NO PASSWORD NEEDED",
            "Accounts Changed user root: uid 0, gid 0, home /root, shell \
             /bin/sh, no password -> uid 0, gid 0, home /root, shell \
             /bin/sh, has a password",
            "AlteredPackageFiles Changed /usr/bin/tool:  -> ",
            "Trust Added PRIVATE KEY /etc/ssl/private/k:  -> ",
            "Repositories Added deb http://[secret]@h/ ./:  -> \
             /etc/apt/sources.list.d/x.list",
            "Sysctl Added net.ipv4.ip_forward:  -> 1",
            "Units Added enabled x.service, wanted by multi-user.target:  \
             -> -> /lib/systemd/system/x.service",
            "Configuration Changed /etc/ssh/sshd_config: mode 0644, owner \
             0:0, 19 bytes -> mode 0644, owner 0:0, 20 bytes",
            "Configuration Added /etc/ssl/private/k:  -> mode 0644, owner \
             0:0, 37 bytes",
            "Configuration Added /etc/sysctl.d/90.conf:  -> mode 0644, \
             owner 0:0, 24 bytes",
            "Files Changed /opt/cni:  -> 1 added, 0 removed, 0 changed; 5 \
             bytes",
            "Files Changed /root/.ssh:  -> 1 added, 0 removed, 0 changed; \
             31 bytes",
        ]
    );
    let text = serde_json::to_string(&report).unwrap();
    for secret in ["hhhh", "geheim", "u:p", "$6$"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains(r"-PermitRootLogin no\n+PermitRootLogin yes"));
}

#[test]
fn a_password_that_changed_is_told_but_not_shown() {
    let with = |hash: &str| {
        base().file("/etc/shadow", format!("root:$6$s${hash}:1:\n"))
    };
    let (one, two) = (with("aaaaaaaaaaaaaa"), with("bbbbbbbbbbbbbb"));
    let report = diff(&snapshot(&one), &snapshot(&two));
    assert_eq!(report.sections.len(), 1, "{:?}", lines(&report));
    assert_eq!(report.sections[0].topic, Topic::Accounts);
    let text = serde_json::to_string(&report).unwrap();
    assert!(!text.contains("aaaa") && !text.contains("bbbb"), "{text}");
}

#[test]
fn files_of_changed_packages_are_counted_apart() {
    let upgraded = base()
        .file(
            "/var/lib/dpkg/status",
            "Package: tool\nStatus: install ok installed\n\
             Architecture: all\nVersion: 1.10\n",
        )
        .file("/usr/bin/tool", "two");
    let report = diff(&snapshot(&base()), &snapshot(&upgraded));
    assert_eq!(
        lines(&report),
        [
            "Packages Upgraded tool (all): 1.9 -> 1.10",
            "Files Changed /var/lib:  -> 0 added, 0 removed, 1 changed; 75 \
             bytes",
            "Files Changed files of the packages above:  -> 0 added, 0 \
             removed, 1 changed; 3 bytes",
        ]
    );
    let back = diff(&snapshot(&upgraded), &snapshot(&base()));
    assert_eq!(back.sections[0].findings[0].change, Change::Downgraded);
}
