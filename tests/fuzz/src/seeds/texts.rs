// SPDX-License-Identifier: Apache-2.0
//! Texts, keys and signatures.

use std::fs;

use super::{Seeds, run, text};

pub(crate) const FSTAB: &str = "# a comment\n\
    UUID=0b9e5c4e-1f3a-4c43-9c4e-5f1f4c1d2e3f / ext4 rw,discard 0 1\n\
    LABEL=EFI\\040x /boot/efi vfat umask=0077 0 1\n\
    PARTUUID=12345678-01 /boot auto defaults,nofail 0 2\n\
    PARTLABEL=home /home btrfs subvol=@home,x-systemd.growfs 0 0\n\
    /dev/disk/by-label/var /var xfs defaults 0 0\n\
    /dev/sda2 none swap sw 0 0\n";

pub(crate) const OS_RELEASE: &str = "ID=debian\nVERSION_ID=\"12\"\n\
    PRETTY_NAME='Debian GNU/Linux 12 (bookworm)'\n\
    ID_LIKE=\"rhel fedora\"\nVERSION_CODENAME=bookworm\nVARIANT_ID=cloud\n\
    HOME_URL=\"https://a.b/\\\"c\\$d\"\n";

const SUMS: &str = "\
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.qcow2
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *./b.raw
SHA256 (c.img) = \
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
# d.img: 123 bytes
\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  e\\n
d41d8cd98f00b204e9800998ecf8427e  md5
";

const RECIPE: &str = "apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: node}
source: {image: debian.qcow2, checksums: https://a.b/SHA256SUMS}
disk: {size: 8GiB}
packages:
  update: true
  repositories:
    - {name: k8s, url: 'https://a.b/deb', suite: /, key: key.asc}
  install: [kubelet=1.31.1-1.1, containerd]
  remove: [snapd]
  hold: all
files:
  - {path: /etc/motd, content: hello, mode: '0644', owner: root}
steps:
  - run-command: update-grub
  - timezone: Europe/Berlin
sysprep: {disable: [ssh-hostkeys]}
proxy: {http: 'http://p:3128'}
artifacts:
  - {format: qcow2, compression: 'zstd:3'}
";

pub(crate) fn add(seeds: &Seeds) {
    seeds.add("fstab", "fstab", FSTAB);
    seeds.add("os_release", "os-release", OS_RELEASE);
    seeds.add("checksum_file", "sums", SUMS);
    seeds.add("recipe", "yaml", RECIPE);
    seeds.add("recipe", "empty", "{}");
    for (name, reference) in [
        ("https", "https://user@a.b:8443/x/y.qcow2?q=1#f"),
        ("path", "../images/a b.raw"),
        ("file", "file:///srv/a%20b.img"),
    ] {
        seeds.add("reference", name, reference);
    }
    add_openpgp(seeds);
}

/// A key, a signature by it, a clearsigned text.
fn add_openpgp(seeds: &Seeds) {
    let home = seeds.work.join("gnupg");
    fs::create_dir(&home).expect("a directory");
    let options = ["--homedir", text(&home), "--batch", "--passphrase", ""];
    let gpg = |args: &[&str]| run("gpg", &[&options[..], args].concat());
    let sums = seeds.file("sums");
    fs::write(&sums, SUMS).expect("writing sums");
    for (name, algorithm) in [("ed25519", "ed25519"), ("rsa", "rsa2048")] {
        let user = format!("{name}@test");
        gpg(&["--quick-gen-key", &user, algorithm, "sign", "never"]);
        let key = gpg(&["--export", &user]);
        let armored = gpg(&["--armor", "--export", &user]);
        let sign = ["-u", &user, "-o", "-"];
        let detached = [&sign[..], &["-b", text(&sums)]].concat();
        let signature = gpg(&detached);
        let mark = b"\n====\n";
        let data = [&signature[..], mark, &key].concat();
        seeds.add("openpgp", name, data);
        let detached = [&["--armor"], &detached[..]].concat();
        let data = [&gpg(&detached)[..], mark, &armored].concat();
        seeds.add("openpgp", &format!("{name}-armored"), data);
        let clear = gpg(&[&sign[..], &["--clearsign", text(&sums)]].concat());
        seeds.add("checksum_file", &format!("{name}-clearsigned"), clear);
    }
    let kill = ["--homedir", text(&home), "--kill", "gpg-agent"];
    run("gpgconf", &kill);
}
