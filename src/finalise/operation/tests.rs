// SPDX-License-Identifier: Apache-2.0
//! One tree that breaks every rule.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::finalise::{apply, select, select_words};

/// What an operation must find: its name, a path, and the path's content.
const SEEDS: &[(&str, &str, &str)] = &[
    ("abrt-data", "var/spool/abrt/ccpp-1/coredump", "x"),
    ("backup-files", "etc/hosts.bak", "x"),
    ("backup-files", "var/lib/thing/deep/state~", "x"),
    ("bash-history", "root/.bash_history", "passwd"),
    ("bash-history", "home/a/.bash_history", "x"),
    ("blkid-tab", "etc/blkid/blkid.tab", "x"),
    ("ca-certificates", "etc/pki/CA/private/ca.key", "x"),
    ("cache-data", "var/cache/man/index.db", "x"),
    ("cloud-init", "var/lib/cloud/instance/id", "x"),
    ("cloud-init-config", "etc/netplan/50-cloud-init.yaml", "x"),
    ("containerd-state", "var/lib/containerd/tmpmounts/m/f", "x"),
    (
        "containerd-state",
        "var/lib/containerd/io.containerd.runtime.v2.task/k8s.io/1/pid",
        "1",
    ),
    ("crash-data", "var/lib/systemd/coredump/core.1.zst", "x"),
    ("cron-spool", "var/spool/cron/crontabs/a", "x"),
    ("cron-spool", "var/spool/at/.SEQ", "0000a\n"),
    ("dhcp-client-state", "var/lib/dhcp/dhclient.leases", "x"),
    ("dhcp-server-state", "var/lib/dhcpd/dhcpd.leases", "x"),
    ("dovecot-data", "var/lib/dovecot/instances", "x"),
    ("firewall-rules", "etc/firewalld/zones/public.xml", "x"),
    ("first-boot", "etc/machine-id", "0123456789abcdef\n"),
    ("host-identity", "etc/nvme/hostnqn", "x"),
    ("host-identity", "var/lib/systemd/credential.secret", "x"),
    ("hostname", "etc/hostname", "builder\n"),
    ("hosts-file", "etc/hosts", "10.0.0.1 builder\n"),
    (
        "installer-config",
        "etc/cloud/cloud.cfg.d/99-installer.cfg",
        "x",
    ),
    ("ipa-client", "etc/ipa/default.conf", "x"),
    (
        "iscsi-initiator",
        "etc/iscsi/initiatorname.iscsi",
        "InitiatorName=a\n",
    ),
    ("kerberos-data", "var/kerberos/krb5kdc/principal", "x"),
    ("kerberos-hostkeytab", "etc/krb5.keytab", "x"),
    ("kubernetes-state", "etc/kubernetes/kubelet.conf", "x"),
    (
        "kubernetes-state",
        "etc/kubernetes/manifests/etcd.yaml",
        "x",
    ),
    ("kubernetes-state", "var/lib/etcd/member/wal", "x"),
    ("logfiles", "var/log/apt/term.log", "x"),
    ("logfiles", "var/log/journal/0123/system.journal", "x"),
    ("logfiles", "var/log/wtmp", "x"),
    ("lvm-system-devices", "etc/lvm/devices/system.devices", "x"),
    ("machine-id", "var/lib/dbus/machine-id", "0123\n"),
    ("mail-spool", "var/mail/root", "x"),
    (
        "net-hostname",
        "etc/sysconfig/network-scripts/ifcfg-eth0",
        "DEVICE=eth0\nHOSTNAME=b\nHWADDR=aa:bb\nUUID=1-2\n",
    ),
    (
        "net-nmconn",
        "etc/NetworkManager/system-connections/a.nmconnection",
        "[connection]\nid=a\nuuid=1-2\n",
    ),
    ("netplan", "etc/netplan/90-default.yaml", "x"),
    (
        "network-manager-state",
        "var/lib/NetworkManager/secret_key",
        "x",
    ),
    ("pacct-log", "var/account/pacct", "x"),
    ("pacct-log", "var/account/pacct-1", "x"),
    ("package-leftovers", "etc/default/grub.dpkg-dist", "x"),
    ("package-manager-cache", "var/cache/apt/archives/a.deb", "x"),
    ("package-manager-cache", "var/lib/apt/lists/partial/x", "x"),
    (
        "package-manager-cache",
        "usr/lib/sysimage/libdnf5/transaction_history.sqlite-wal",
        "x",
    ),
    ("pam-data", "var/run/faillock/a", "x"),
    ("passwd-backups", "etc/shadow-", "x"),
    (
        "policy-rc-d",
        "usr/sbin/policy-rc.d",
        "#!/bin/sh\nexit 101\n",
    ),
    ("proxy-config", "etc/apt/apt.conf.d/90proxy", "x"),
    ("puppet-data-log", "var/lib/puppet/ssl/key.pem", "x"),
    (
        "python-bytecode",
        "usr/lib/python3/a/__pycache__/a.pyc",
        "x",
    ),
    ("qemu-user-static", "usr/bin/qemu-aarch64-static", "x"),
    ("random-seed", "boot/efi/loader/random-seed", "x"),
    ("resolv-conf", "etc/resolv.conf", "nameserver 10.0.0.1\n"),
    ("rh-subscription-manager", "etc/pki/consumer/cert.pem", "x"),
    ("rhn-systemid", "etc/sysconfig/rhn/systemid", "x"),
    ("rpm-db", "var/lib/rpm/__db.001", "x"),
    ("rpm-db", "var/lib/rpm/rpmdb.sqlite-shm", "x"),
    ("rpm-db", "var/lib/rpm/.keyring.lock", ""),
    ("run-files", "run/lock/x", "x"),
    ("samba-db-log", "var/lib/samba/private/secrets.tdb", "x"),
    ("smolt-uuid", "etc/smolt/uuid", "x"),
    ("snapd-state", "var/lib/snapd/state.json", "x"),
    ("ssh-hostkeys", "etc/ssh/ssh_host_rsa_key", "x"),
    ("ssh-known-hosts", "root/.ssh/known_hosts", "x"),
    ("ssh-userdir", "home/a/.ssh/id_rsa", "x"),
    ("sssd-db-log", "var/lib/sss/db/cache.ldb", "x"),
    ("swap-files", "swapfile", "x"),
    (
        "systemd-state",
        "var/lib/systemd/timers/stamp-apt.timer",
        "",
    ),
    ("tmp-files", "tmp/.x/y", "x"),
    (
        "udev-persistent-net",
        "etc/udev/rules.d/70-persistent-net.rules",
        "x",
    ),
    ("updated-stamps", "var/.updated", "x"),
    ("user-account", "home/a/notes", "x"),
    ("user-traces", "root/.python_history", "x"),
    ("utmp", "var/run/utmp", "x"),
    ("yum-uuid", "var/lib/yum/uuid", "x"),
    ("zsh-history", "root/.zsh_history", "x"),
];

/// What no operation may touch.
const KEPT: &[&str] = &[
    "etc/ssh/sshd_config",
    "etc/kubernetes/audit.yaml",
    "lost+found/x",
    "tmp/lost+found/x",
    "usr/lib/x.bak",
    "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/1/etc/a.bak",
    "var/kerberos/krb5kdc/kdc.conf",
    "usr/lib/sysimage/libdnf5/packages.toml",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite-shm",
    "var/lib/rpm/rpmdb.sqlite-wal",
    "var/lib/systemd/catalog/database",
    "outside/precious",
];

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\na:x:1000:1000::/home/a:/s\n\
    evil:x:1001:1001::/home/../etc:/s\n..:x:1002:1::/home/..:/s\nnobody:x:65534:65534::/:/n\n";

fn put(dir: &Path, path: &str, content: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn seeded(os_release: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (_, path, content) in SEEDS {
        put(dir.path(), path, content);
    }
    for path in KEPT {
        put(dir.path(), path, "x");
    }
    put(dir.path(), "etc/os-release", os_release);
    put(dir.path(), "etc/passwd", PASSWD);
    put(dir.path(), "etc/shadow", "root:*:1\na:$6$h:1\n");
    put(
        dir.path(),
        "etc/fstab",
        "UUID=1 / ext4\n/swapfile none swap sw\n",
    );
    dir
}

fn text(dir: &TempDir, path: &str) -> String {
    fs::read_to_string(dir.path().join(path)).unwrap()
}

#[test]
fn names_are_sorted_and_unique() {
    let names: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
}

#[test]
fn every_operation_finds_its_seeds_and_nothing_twice() {
    for os in ["ID=debian\n", "ID=rocky\nID_LIKE=\"rhel\"\n"] {
        let dir = seeded(os);
        let root = GuestRoot::open(dir.path()).unwrap();
        for (name, path, _) in SEEDS {
            let operation = ALL.iter().find(|o| o.name == *name).unwrap();
            let rhel_only = name.starts_with("net-h");
            if rhel_only && os.contains("debian") {
                continue;
            }
            let found = operation.find(&root).unwrap();
            let path = Path::new("/").join(path);
            let has = |action: &Action| path.starts_with(action.path());
            assert!(found.iter().any(has), "{name} {path:?}: {found:?}");
        }
        let mut done = BTreeSet::new();
        for operation in ALL {
            if !apply(operation, &root).unwrap().is_empty() {
                done.insert(operation.name);
            }
        }
        for operation in ALL {
            assert_eq!(operation.find(&root).unwrap(), [], "{os}");
        }
        // By then another one had done what these do.
        let covered = ["net-uuid", "pam-data", "utmp"];
        let idle: Vec<_> = ALL
            .iter()
            .map(|operation| operation.name)
            .filter(|name| !done.contains(name) && !covered.contains(name))
            .collect();
        match os.contains("debian") {
            true => assert_eq!(idle, ["net-hostname", "net-hwaddr"]),
            false => assert_eq!(idle, [""; 0]),
        }
        for path in KEPT {
            assert!(dir.path().join(path).exists(), "{path} is gone");
        }
        for path in ["tmp", "run", "var/log/apt", "var/log/journal"] {
            assert!(dir.path().join(path).is_dir(), "{path} is gone");
        }
    }
}

#[test]
fn files_are_rewritten_as_said() {
    let dir = seeded("ID=rocky\nID_LIKE=rhel\n");
    let shadow = dir.path().join("etc/shadow");
    fs::set_permissions(&shadow, fs::Permissions::from_mode(0o640)).unwrap();
    let root = GuestRoot::open(dir.path()).unwrap();
    for operation in ALL {
        apply(operation, &root).unwrap();
    }
    assert_eq!(text(&dir, "etc/machine-id"), "uninitialized\n");
    assert_eq!(text(&dir, "var/spool/at/.SEQ"), "00000\n");
    assert_eq!(text(&dir, "etc/fstab"), "UUID=1 / ext4\n");
    assert_eq!(text(&dir, "etc/shadow"), "root:*:1\n");
    let mode = fs::metadata(&shadow).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let ifcfg = text(&dir, "etc/sysconfig/network-scripts/ifcfg-eth0");
    assert_eq!(ifcfg, "DEVICE=eth0\n");
    assert!(!text(&dir, "etc/passwd").contains("home"));
    assert!(!dir.path().join("etc/iscsi/initiatorname.iscsi").exists());
    assert_eq!(text(&dir, "var/log/wtmp"), "");
    assert_eq!(text(&dir, "var/lib/rpm/rpmdb.sqlite-shm"), "");
}

#[test]
fn debian_makes_its_own_initiator_name() {
    let dir = seeded("ID=debian\n");
    let root = GuestRoot::open(dir.path()).unwrap();
    for operation in select(&[], &[]).unwrap() {
        apply(operation, &root).unwrap();
    }
    let name = text(&dir, "etc/iscsi/initiatorname.iscsi");
    assert_eq!(name, "GenerateName=yes\n");
    assert_eq!(text(&dir, "etc/machine-id"), "");
    // Off by default: it may be a recipe's.
    assert!(dir.path().join("home/a/.ssh/id_rsa").exists());
}

#[test]
fn resolved_gets_its_symlink_back() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "etc/resolv.conf", "nameserver 10.0.0.1\n");
    put(
        dir.path(),
        "etc/systemd/system/sysinit.target.wants/systemd-resolved.service",
        "",
    );
    let root = GuestRoot::open(dir.path()).unwrap();
    apply(&resolv_conf::OPERATION, &root).unwrap();
    let link = fs::read_link(dir.path().join("etc/resolv.conf")).unwrap();
    assert!(link.starts_with("../run/systemd/resolve"));
    assert_eq!(resolv_conf::OPERATION.find(&root).unwrap(), []);
}

/// Files where directories should be, links in circles and out of the image,
/// and devices where there should be files.
#[test]
fn a_hostile_image_leads_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    put(outer.path(), "host/secret", "x");
    let image = outer.path().join("image");
    for path in ["etc/ssh", "root/.ssh", "var/lib/cloud", "var/spool/cron"] {
        put(&image, path, "a file");
    }
    fs::create_dir_all(image.join("home")).unwrap();
    let host = outer.path().join("host");
    symlink(&host, image.join("tmp")).unwrap();
    symlink("../../../../../../host", image.join("home/a")).unwrap();
    symlink("circle", image.join("home/circle")).unwrap();
    symlink("../../../host", image.join("var/crash")).unwrap();
    symlink("/etc/machine-id", image.join("etc/machine-id")).unwrap();
    nix::unistd::mkfifo(
        &image.join("etc/fstab"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    symlink("fstab", image.join("etc/os-release")).unwrap();
    let root = GuestRoot::open(&image).unwrap();
    for operation in ALL {
        let found = operation.find(&root);
        assert!(found.is_ok(), "{}: {found:?}", operation.name);
    }
    for operation in ALL {
        let done = apply(operation, &root);
        assert!(done.is_ok(), "{}: {done:?}", operation.name);
    }
    assert!(host.join("secret").exists());
    assert!(!host.join("machine-id").exists());
}

#[test]
fn words_choose_as_in_virt_sysprep() {
    let names = |words: &[&str]| -> Vec<_> {
        let chosen = select_words(words.iter().copied()).unwrap();
        chosen.iter().map(|operation| operation.name).collect()
    };
    assert_eq!(names(&["utmp", "abrt-data"]), ["abrt-data", "utmp"]);
    assert_eq!(names(&["all"]).len(), ALL.len());
    assert!(!names(&["defaults", "-utmp"]).contains(&"utmp"));
    assert_eq!(names(&["all", "-all", "utmp"]), ["utmp"]);
    let error = select_words(["ssh-hostkey"]).unwrap_err();
    assert_eq!(error.advice(), Some("did you mean `ssh-hostkeys`?"));
}

/// virt-sysprep's own table: the operations of guestfs-tools at 58a50b30;
/// true for those that run by default.
const VIRT_SYSPREP: [(&str, bool); 45] = [
    ("abrt-data", true),
    ("backup-files", true),
    ("bash-history", true),
    ("blkid-tab", true),
    ("ca-certificates", false),
    ("crash-data", true),
    ("cron-spool", true),
    ("customize", true),
    ("dhcp-client-state", true),
    ("dhcp-server-state", true),
    ("dovecot-data", true),
    ("firewall-rules", false),
    ("flag-reconfiguration", false),
    ("fs-uuids", false),
    ("ipa-client", true),
    ("kerberos-data", false),
    ("kerberos-hostkeytab", true),
    ("logfiles", true),
    ("lvm-system-devices", true),
    ("lvm-uuids", true),
    ("machine-id", true),
    ("mail-spool", true),
    ("net-hostname", true),
    ("net-hwaddr", true),
    ("net-nmconn", true),
    ("pacct-log", true),
    ("package-manager-cache", true),
    ("pam-data", true),
    ("passwd-backups", true),
    ("puppet-data-log", true),
    ("rh-subscription-manager", true),
    ("rhn-systemid", true),
    ("rpm-db", true),
    ("samba-db-log", true),
    ("script", true),
    ("smolt-uuid", true),
    ("ssh-hostkeys", true),
    ("ssh-userdir", true),
    ("sssd-db-log", true),
    ("tmp-files", true),
    ("udev-persistent-net", true),
    ("user-account", false),
    ("utmp", true),
    ("yum-uuid", true),
    ("zsh-history", true),
];

/// Not about files; docs/sysprep.md says why there are none.
const NOT_HERE: [&str; 4] = ["customize", "fs-uuids", "lvm-uuids", "script"];

#[test]
fn every_difference_to_virt_sysprep_is_explained() {
    for operation in ALL {
        let theirs = VIRT_SYSPREP.iter().find(|(n, _)| *n == operation.name);
        let same = theirs.is_some_and(|(_, on)| *on == operation.default);
        assert!(same || !operation.note.is_empty(), "{}", operation.name);
    }
    for (name, _) in VIRT_SYSPREP {
        let ours = ALL.iter().any(|operation| operation.name == name);
        assert!(ours != NOT_HERE.contains(&name), "{name}");
    }
}
