// SPDX-License-Identifier: Apache-2.0
//! The rpm distributions: one image of each row of the design through a whole
//! recipe, by the image's own dnf, looked at by its own rpm and libselinux.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Lab, Server, fixture, in_own_mounts, run};

/// What a row expects.
struct Row {
    name: &'static str,
    /// Where the rpm database is.
    database: &'static str,
    /// Where held versions are kept, and a line of it.
    held: (&'static str, &'static str),
    /// In which the system is to start.
    mode: &'static str,
    /// Where repositories are.
    repositories: &'static str,
    /// The partitions with filesystems, by `findmnt`.
    mounts: &'static str,
}

/// The one with DNF 5, and rpm 6.
const FEDORA_43: &str = "fedora-43";
const YUM_REPOS: &str = "/etc/yum.repos.d";
const LOCKED: (&str, &str) = (
    "/etc/dnf/plugins/versionlock.list",
    "kubelet-0:1.36.0-150500.1.1.*",
);

impl Row {
    fn image(&self) -> PathBuf {
        fixture(&format!("rpm-rows/{0}/{0}.qcow2", self.name))
    }
}

/// The repositories, served on loopback for as long as this lives.
pub(crate) fn repositories(lab: &Lab) -> Server {
    let archive = fixture("rpm/repository.tar");
    let script = "tar -xf \"$2\" -C \"$1\"";
    let words = [lab.path().to_str().unwrap(), archive.to_str().unwrap()];
    in_own_mounts(script, words).success();
    Server::start(&lab.join("repository"))
}

fn recipe(lab: &Lab, mode: &str, port: u16) -> PathBuf {
    let key = fs::read_to_string(lab.join("key.asc")).unwrap();
    let key = key.replace('\n', "\n        ");
    let files = lab.join("repository/files");
    let files = files.display();
    lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
packages:
  repositories:
    - name: kubernetes
      uri: http://127.0.0.1:{port}/kubernetes/
      key: |
        {key}
    - name: extra
      uri: http://127.0.0.1:{port}/main/
      key: |
        {key}
  install: [kubelet=1.36.0, kubeadm=1.36.0, kubectl=1.36.0, cri-tools,
    containerd, iw-hello=1.0, iw-daemon, '{files}/iw-local-3.0-1.noarch.rpm']
  remove: [procps-ng]
files:
  - path: /etc/sysconfig/kubelet
    content: |
      KUBELET_EXTRA_ARGS=--node-ip=::
steps:
  - hold: kubernetes
  - update
  - kernel-cmdline: systemd.unified_cgroup_hierarchy=1 -console=tty0
  - selinux-mode: {mode}
  - enable-unit: containerd.service,kubelet.service
  - mkdir: /opt/made/here
  - write: '/opt/made/here/file:x'
  - link: /opt/made/here/file:/usr/local/bin/made
  - run-command: 'umask 077; mkdir -p /root/.ssh && echo k >/root/.ssh/authorized_keys'
artifacts: [{{format: raw}}]
"
        ),
    )
}

/// What a script in the image prints.
pub(crate) fn ask(lab: &Lab, image: &Path, script: &str) -> String {
    lab.cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(image)
        .args(["--", "/bin/sh", "-euc", script])
        .run()
        .success()
}

fn whole_recipe(row: &Row) {
    let lab = Lab::new();
    let server = repositories(&lab);
    let recipe = recipe(&lab, row.mode, server.port());
    let output = lab.join("out");
    lab.build(&row.image(), &recipe, &output).run().success();
    drop(server);
    let image = output.join("node.raw");
    run("sfdisk", ["--verify".as_ref(), image.as_path()]);
    mounts_are_those_of_fstab(&lab, row, &image);
    packages_are_as_rpm_says(&lab, row, &image);
    database_is_read_as_rpm_reads_it(&lab, &image);
    if row.name == FEDORA_43 {
        dnf5_sees_a_system_that_is_whole(&lab, &image);
    }
    nothing_else_changed(&lab, row, &image);
    files_are_at_their_places(&lab, row, &image);
    kernels_boot_as_the_recipe_says(&lab, row.name, &image);
    if row.mode != "disabled" {
        labels_are_as_libselinux_says(&lab, &image);
    }
    lab.cli()
        .args(["verify", "--recipe"])
        .arg(&recipe)
        .arg(&image)
        .run()
        .success();
    lab.assert_nothing_left();
}

fn mounts_are_those_of_fstab(lab: &Lab, row: &Row, image: &Path) {
    let said = ask(
        lab,
        image,
        "awk '$3 ~ /ext4|xfs|btrfs|vfat/ || $2 == \"/boot/efi\" {
            print $2, $3 }' /proc/self/mounts | sort -u",
    );
    // Where the kernel knows no FAT, a tmpfs stands in for it.
    assert_eq!(
        said.replace("/boot/efi tmpfs", "/boot/efi vfat"),
        row.mounts
    );
}

fn packages_are_as_rpm_says(lab: &Lab, row: &Row, image: &Path) {
    let said = ask(
        lab,
        image,
        "# SQLite wants to write beside a database it only reads.
         cp -r $(rpm --eval %_dbpath) /run/db
         rpm() { command rpm --dbpath /run/db \"$@\"; }
         rpm -q --qf '%{NAME} %{VERSION}\\n' kubelet kubeadm kubectl \
            iw-hello iw-local iw-epoch iw-daemon
         rpm -q kubernetes-cni cri-tools containerd >&2
         rpm -q kernel-core | wc -l
         rpm -q procps-ng || true
         rpm --verify kubelet kubeadm containerd iw-daemon || true
         command rpm --eval %_dbpath",
    );
    assert_eq!(
        said,
        format!(
            "kubelet 1.36.0\nkubeadm 1.36.0\nkubectl 1.36.0\niw-hello 2.0\n\
             iw-local 3.0\niw-epoch 3.0\niw-daemon 1.0\n2\n\
             package procps-ng is not installed\n\
             S.5....T.  c /etc/sysconfig/kubelet\n{}\n",
            row.database
        )
    );
    // Locks and logs beside it are empty where there are any.
    let find = format!("find {} -type f -size +0", row.database);
    let files = ask(lab, image, &find);
    assert_eq!(files, format!("{}/rpmdb.sqlite\n", row.database));
}

/// All packages, whatever the format of their headers.
fn database_is_read_as_rpm_reads_it(lab: &Lab, image: &Path) {
    let listed = ask(
        lab,
        image,
        "cp -r $(rpm --eval %_dbpath) /run/db
         rpm --dbpath /run/db -qa --qf \
            '%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\\n'",
    );
    let said = lab.cli().args(["inspect", "--json"]).arg(image).run();
    let said: Value = serde_json::from_str(&said.success()).unwrap();
    let text = |package: &Value| {
        ["name", "version", "architecture"]
            .map(|field| package[field].as_str().unwrap().to_owned())
            .join(" ")
    };
    let packages = said["packages"].as_array().unwrap();
    let found: BTreeSet<String> = packages.iter().map(text).collect();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    assert!(listed.len() > 15, "{listed:?}");
    assert_eq!(found, listed);
}

/// rpm's database can be asked in a root that is read-only, DNF knows what is
/// held and why packages are there, and `dnf` is a name of it.
fn dnf5_sees_a_system_that_is_whole(lab: &Lab, image: &Path) {
    let said = ask(
        lab,
        image,
        "rpm -q --qf '%{NAME} %{RPMFORMAT}\n' iw-six iw-hello
         ls /usr/lib/sysimage/libdnf5 | grep transaction || echo no history
         dnf() { command dnf -q --setopt=logdir=/run \
            --setopt=cachedir=/run --setopt=system_cachedir=/run \"$@\"; }
         dnf --version | head -n 1 | sed 's/version 5.*/5/'
         dnf versionlock list | sed -n 's/^Package name: //p' | sort
         dnf repoquery --installed --qf '%{name} %{reason}\n' \
            iw-local iw-epoch | sort",
    );
    assert_eq!(
        said,
        "iw-six 6\niw-hello 4\nno history\ndnf5 5\n\
         containerd\ncri-tools\nkubeadm\nkubectl\nkubelet\n\
         kubernetes-cni\niw-epoch Dependency\niw-local User\n"
    );
}

/// By rpm: packages come and go as the recipe says, and the files of all
/// others are as they were in the base image.
fn nothing_else_changed(lab: &Lab, row: &Row, image: &Path) {
    let script = "cp -r $(rpm --eval %_dbpath) /run/db
        rpm --dbpath /run/db -qa --qf 'package %{NAME}-%{VERSION}\n'
        rpm --dbpath /run/db -Va --nodeps || true";
    let lines = |image: &Path| -> BTreeSet<String> {
        ask(lab, image, script).lines().map(str::to_owned).collect()
    };
    let (before, after) = (lines(&row.image()), lines(image));
    assert!(before.len() > 15, "{before:?}");
    let of = |set: &BTreeSet<String>, other: &BTreeSet<String>| {
        let mut lines: Vec<String> = set.difference(other).cloned().collect();
        // A key that was imported, named by its time.
        lines.retain(|line| !line.contains("gpg-pubkey"));
        lines
    };
    let gone = of(&before, &after);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].starts_with("package procps-ng-"), "{gone:?}");
    assert_eq!(
        of(&after, &before),
        [
            "S.5....T.  c /etc/sysconfig/kubelet",
            "package containerd-1.6.20",
            "package cri-tools-1.36.0",
            "package iw-daemon-1.0",
            "package iw-epoch-3.0",
            "package iw-hello-2.0",
            "package iw-local-3.0",
            "package kernel-core-6.1.2",
            "package kubeadm-1.36.0",
            "package kubectl-1.36.0",
            "package kubelet-1.36.0",
            "package kubernetes-cni-1.7.1",
        ]
    );
}

fn files_are_at_their_places(lab: &Lab, row: &Row, image: &Path) {
    let (held, line) = row.held;
    let (mode, repositories) = (row.mode, row.repositories);
    let said = ask(
        lab,
        image,
        &format!(
            "cat /etc/sysconfig/kubelet
             ls /etc/pki/rpm-gpg
             cd {repositories}
             grep gpgcheck *.repo
             grep -Fx -- '{line}' {held} || cat {held}
             cat /etc/selinux/config
             systemctl --root=/ is-enabled kubelet.service containerd.service
             wc -c </etc/machine-id
             find /var/cache/dnf /var/cache/yum /var/cache/zypp \
                -type f 2>/dev/null | wc -l
             test ! -e /.autorelabel && test ! -e /started-a-service
             find /etc/dracut.conf.d -type f"
        ),
    );
    assert_eq!(
        said,
        format!(
            "KUBELET_EXTRA_ARGS=--node-ip=::\n\
             RPM-GPG-KEY-extra\nRPM-GPG-KEY-kubernetes\n\
             extra.repo:gpgcheck=1\nkubernetes.repo:gpgcheck=1\n\
             {line}\nSELINUX={mode}\nSELINUXTYPE=targeted\n\
             enabled\nenabled\n0\n0\n"
        )
    );
}

/// Every entry, that of the kernel that was installed by the build too, has
/// the root of the image and the arguments of the recipe.
fn kernels_boot_as_the_recipe_says(lab: &Lab, name: &str, image: &Path) {
    let said = ask(
        lab,
        image,
        "awk '$2 == \"/\" { print $1 }' /etc/fstab
         cat /boot/loader/entries/*.conf | grep ^options
         echo --
         sed -n 's/^GRUB_CMDLINE_LINUX=\"\\(.*\\)\"/\\1/p' /etc/default/grub
         ls /boot | grep -c initramfs
         ls /boot/loader/entries | wc -l
         export TMPDIR=/run
         new=$(ls /boot/initramfs-*imagewright*.img)
         lsinitrd $new | grep -c blowfish-x86_64.ko
         lsinitrd -f etc/cmdline.d/95root-dev.conf $new || true
         echo --
         echo $(cat /etc/kernel/cmdline)
         cat /usr/share/grubby-stand-in/calls 2>/dev/null || echo no grubby",
    );
    let (entries, rest) = said.split_once("--\n").unwrap();
    let (rest, later) = rest.split_once("--\n").unwrap();
    let mut lines = entries.lines();
    let root = lines.next().unwrap();
    let options: Vec<&str> = lines.collect();
    assert_eq!(options.len(), 2, "{said}");
    for line in options {
        assert!(line.contains(&format!("root={root} ro")), "{said}");
        assert!(line.contains(" console=ttyS0,115200n8"), "{said}");
        assert!(!line.contains("console=tty0"), "{said}");
        assert!(
            line.contains(" systemd.unified_cgroup_hierarchy=1"),
            "{said}"
        );
        let host = fs::read_to_string("/proc/cmdline").unwrap();
        for word in host.split_whitespace() {
            let ours = ["ro", "console=ttyS0,115200n8"];
            assert!(
                ours.contains(&word)
                    || !line.split_whitespace().any(|own| own == word),
                "{word} of the host: {line}"
            );
        }
    }
    // Kernels that come later, and what was asked of grubby where it is.
    let (line, grubby) = later.split_once('\n').unwrap();
    assert!(
        line.starts_with(&format!("root={root} ro"))
            && line.contains(" systemd.unified_cgroup_hierarchy=1")
            && !line.contains("console=tty0"),
        "{said}"
    );
    let asked = match name {
        "centos-9" => {
            "--args=systemd.unified_cgroup_hierarchy=1 \
             --remove-args=console=tty0\n"
        }
        _ => "no grubby\n",
    };
    assert_eq!(grubby, asked);
    assert_eq!(
        rest,
        "console=ttyS0,115200n8 systemd.unified_cgroup_hierarchy=1\n\
         2\n2\n1\n"
    );
}

/// By the image's own libselinux, of every file on every filesystem. Two are
/// not as it says: the file that is mounted over while we look, and the one
/// that the base image had so, and that no part of the recipe touched.
fn labels_are_as_libselinux_says(lab: &Lab, image: &Path) {
    let said = lab
        .cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(image)
        .args(["--", "python3", "-c", include_str!("labels.py")])
        .run()
        .success();
    let lines: Vec<&str> = said.lines().collect();
    let (count, wrong) = lines.split_last().unwrap();
    assert!(count.parse::<u32>().unwrap() > 10_000, "{said}");
    assert_eq!(
        wrong,
        [
            "/etc/resolv.conf ::none",
            "/srv/labelled-by-hand system_u:object_r:tmp_t:s0",
        ]
    );
}

#[test]
fn privileged_rpm_fedora() {
    whole_recipe(&Row {
        name: "fedora",
        mode: "permissive",
        database: "/usr/lib/sysimage/rpm",
        held: LOCKED,
        repositories: YUM_REPOS,
        mounts: "/ btrfs\n/boot ext4\n/boot/efi vfat\n/home btrfs\n\
                 /var btrfs\n",
    });
}

/// DNF 5, rpm 6, a package of its format, and names that are excluded.
#[test]
#[ignore = "minutes, and of Debian sid: make test-slow"]
fn privileged_rpm_fedora_43() {
    whole_recipe(&Row {
        name: FEDORA_43,
        mode: "permissive",
        database: "/usr/lib/sysimage/rpm",
        held: ("/etc/dnf/versionlock.toml", "name = \"kubelet\""),
        repositories: YUM_REPOS,
        mounts: "/ btrfs\n/boot ext4\n/boot/efi vfat\n/home btrfs\n\
                 /var btrfs\n",
    });
}

/// What is excluded is not missing.
#[test]
#[ignore = "of Debian sid: make test-slow"]
fn privileged_rpm_fedora_43_names_what_is_missing() {
    let lab = Lab::new();
    let server = repositories(&lab);
    let port = server.port();
    let recipe = lab.recipe(
        "missing.yaml",
        &format!(
            "metadata: {{name: node}}
packages:
  repositories:
    - name: extra
      uri: http://127.0.0.1:{port}/main/
      trusted: true
  install: [no-such, iw-hello=9.9, iw-daemon]
artifacts: [{{format: raw}}]
"
        ),
    );
    let image = fixture("rpm-rows/fedora-43/fedora-43.qcow2");
    let finished = lab.build(&image, &recipe, &lab.join("out")).run();
    assert!(!finished.status.success());
    let said = "installing packages: no such package: no-such, iw-hello=9.9\n";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "minutes: make test-slow"]
fn privileged_rpm_centos_10() {
    whole_recipe(&Row {
        name: "centos-10",
        mode: "permissive",
        database: "/usr/lib/sysimage/rpm",
        held: LOCKED,
        repositories: YUM_REPOS,
        mounts: "/ xfs\n/boot xfs\n/boot/efi vfat\n",
    });
}

/// Without the versionlock plugin.
#[test]
fn privileged_rpm_centos_9() {
    whole_recipe(&Row {
        name: "centos-9",
        mode: "permissive",
        database: "/var/lib/rpm",
        held: (
            "/etc/dnf/dnf.conf",
            "exclude=containerd cri-tools kubeadm kubectl kubelet \
             kubernetes-cni",
        ),
        repositories: YUM_REPOS,
        mounts: "/ xfs\n/boot xfs\n/boot/efi vfat\n",
    });
}

#[test]
#[ignore = "minutes: make test-slow"]
fn privileged_rpm_amazon_2023() {
    whole_recipe(&Row {
        name: "amazon-2023",
        mode: "enforcing",
        database: "/var/lib/rpm",
        held: LOCKED,
        repositories: YUM_REPOS,
        mounts: "/ xfs\n/boot/efi vfat\n",
    });
}

/// MBR, and a DNF that is called yum.
#[test]
#[ignore = "minutes: make test-slow"]
fn privileged_rpm_centos_8_mbr() {
    whole_recipe(&Row {
        name: "centos-8-mbr",
        mode: "disabled",
        database: "/var/lib/rpm",
        held: LOCKED,
        repositories: YUM_REPOS,
        mounts: "/ xfs\n",
    });
}

/// zypper, and a root that is the default subvolume.
#[test]
#[ignore = "minutes: make test-slow"]
fn privileged_rpm_tumbleweed() {
    whole_recipe(&Row {
        name: "tumbleweed",
        mode: "permissive",
        database: "/usr/lib/sysimage/rpm",
        repositories: "/etc/zypp/repos.d",
        held: ("/etc/zypp/locks", "solvable_name: kubelet"),
        mounts: "/ btrfs\n/boot/efi vfat\n/home btrfs\n/srv btrfs\n\
                 /var btrfs\n",
    });
}
