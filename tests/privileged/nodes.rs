// SPDX-License-Identifier: Apache-2.0
//! Two machines of one image are two machines: booted, and booted again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{Lab, fixture, run};

/// Tells who it is on the console, and reboots once.
const RECIPE: &str = "apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: node}
packages: {install: [jq]}
files:
  - path: /usr/local/sbin/identity
    mode: 0755
    content: |
      #!/bin/sh
      echo x >>/var/lib/boots
      boots=$(wc -l </var/lib/boots)
      keys=$(cat /etc/ssh/ssh_host_*_key.pub | sha256sum | cut -c1-32)
      echo \"identity $boots $(cat /etc/machine-id) $keys end\" >/dev/ttyS0
      sync
      test \"$boots\" != 1 || systemctl --no-block reboot
  - path: /etc/systemd/system/identity.service
    content: |
      [Unit]
      After=cloud-init.service ssh.service
      [Service]
      Type=oneshot
      ExecStart=/usr/local/sbin/identity
      [Install]
      WantedBy=multi-user.target
steps:
  - run-command: systemctl enable identity
  - run-command: update-initramfs -u && update-grub
artifacts: [{format: qcow2}]
";

/// What a machine says of itself at each boot: machine id and host keys.
type Identity = [(String, String); 2];

/// An image laid out like Ubuntu's: `/boot` of its own, everything mounted by
/// label. One machine starts by BIOS, one by UEFI.
#[test]
fn privileged_boot_of_two_nodes_of_one_ubuntu_shaped_image() {
    let lab = Lab::new();
    let recipe = lab.write("node.yaml", RECIPE);
    let output = lab.join("out");
    let base = fixture("ubuntu-shaped/ubuntu-shaped-amd64.qcow2");
    lab.build(&base, &recipe, &output).run().success();
    let image = output.join("node.qcow2");
    looks_as_shipped(&lab, &image, &recipe);
    let nodes = [("one", "--bios"), ("two", "--uefi")]
        .map(|(name, firmware)| Node::start(&lab, &image, name, firmware));
    let nodes = nodes.map(Node::identity);
    for [first, second] in &nodes {
        assert_eq!(first, second, "a reboot made another machine of it");
        let (id, keys) = first;
        assert_eq!((id.len(), keys.len()), (32, 32));
    }
    let [one, two] = &nodes;
    assert_ne!(one[0].0, two[0].0, "one machine id for two machines");
    assert_ne!(one[0].1, two[0].1, "the host keys of one on two machines");
    lab.assert_nothing_left();
}

/// What the build must have left as it was, and what it must not leave.
fn looks_as_shipped(lab: &Lab, image: &Path, recipe: &Path) {
    let ask = |command: &str| {
        let shell = lab.cli().arg("shell").arg(image);
        let shell = shell.args(["--insecure-no-checksum", "--read-only"]);
        shell.args(["--", "sh", "-c", command]).run().success()
    };
    let said = ask("stat -c %s /etc/machine-id; ls /etc/ssh | grep -c host; \
         dpkg-query -W -f '${db:Status-Abbrev}\\n' jq; \
         grep -o 'root=[^ ]*' /boot/grub/grub.cfg | sort -u");
    let uuid = "3f0c2a64-7b1e-4d55-9a0b-6a5f12c0de12";
    assert_eq!(said, format!("0\n0\nii \nroot=UUID={uuid}\n"));
    let link = "stub-resolv.conf";
    let entries = ask("find /etc -maxdepth 1 -name resolv.conf -printf %l");
    assert!(entries.ends_with(link), "{entries}");
    let verify = lab.cli().arg("verify").arg(image);
    verify.arg("--recipe").arg(recipe).run().success();
}

struct Node {
    name: &'static str,
    boot: Child,
    log: PathBuf,
}

impl Node {
    /// Boots a throw-away overlay until it has rebooted and said who it is.
    fn start(lab: &Lab, image: &Path, name: &'static str, how: &str) -> Self {
        let log = lab.join(format!("{name}.log"));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let boot = Command::new(fixtures.join("boot.sh"))
            .arg(image)
            .args([how, "--reboots", "--timeout", "900", "--seed"])
            .arg(seed(lab, name))
            .args(["--until", "identity 1 .* end"])
            .args(["--until", "identity 2 .* end", "--log"])
            .arg(&log)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fixtures/boot.sh runs");
        Self { name, boot, log }
    }

    fn identity(self) -> Identity {
        let ended = self.boot.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{}: {said}", self.name);
        let console = fs::read(&self.log).unwrap();
        let console = String::from_utf8_lossy(&console);
        [1, 2].map(|boot| {
            let start = format!("identity {boot} ");
            let (_, rest) = console.split_once(&start).unwrap();
            let mut words = rest.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        })
    }
}

/// A NoCloud seed of its own, as every machine gets from its platform.
fn seed(lab: &Lab, name: &str) -> PathBuf {
    let directory = lab.join(format!("seed-{name}"));
    let meta = format!("instance-id: {name}\nlocal-hostname: {name}\n");
    for (file, text) in [
        ("meta-data", meta.as_str()),
        ("user-data", "#cloud-config\n"),
    ] {
        lab.write(directory.join(file), text);
    }
    let iso = lab.join(format!("{name}.iso"));
    let words = ["-as", "mkisofs", "-quiet", "-V", "cidata", "-J", "-r", "-o"];
    let words = words.map(std::ffi::OsStr::new).into_iter();
    run(
        "xorriso",
        words.chain([iso.as_os_str(), directory.as_os_str()]),
    );
    iso
}
