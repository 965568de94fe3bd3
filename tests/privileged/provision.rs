// SPDX-License-Identifier: Apache-2.0
//! Phase 1 and 2 on a real Debian, looked at by its own dpkg and by the host.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Disk, Lab, Server, fixture, in_own_mounts, names_in, run,
};

/// Two versions of a package and another one, the first two in a signed flat
/// repository, the last as a file; `$1` is the directory to make them in.
const MAKE_REPOSITORY: &str = r#"
set -e
cd "$1"
package() { # name version
    mkdir -p "p/DEBIAN" "p/usr/share/$1"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: t <t@t>\nDescription: x\n' \
        "$1" "$2" >p/DEBIAN/control
    echo "$2" >"p/usr/share/$1/version"
    # What a daemon's package does: its service must not start.
    mkdir -p p/etc/init.d
    printf '#!/bin/sh\necho "$1" >>/started-a-service\n' >"p/etc/init.d/$1"
    printf '#!/bin/sh\ninvoke-rc.d %s start\n' "$1" >p/DEBIAN/postinst
    chmod 755 "p/etc/init.d/$1" p/DEBIAN/postinst
    dpkg-deb --root-owner-group -b p "$3/$1_$2_all.deb"
    rm -r p
}
mkdir repo files
package iw-hello 1.0-1 repo
package iw-hello 2.0-1 repo
package iw-local 3.0-1 files
export GNUPGHOME=$PWD/gnupg
mkdir -m 700 gnupg
gpg -q --batch --passphrase '' --quick-gen-key 'test <t@t>' ed25519 sign never
gpg -q --armor --export >key.asc
cd repo
for deb in *.deb; do
    dpkg-deb -f "$deb"
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
    echo
done >Packages
{
    echo 'Suite: test'
    echo "Date: $(date -Ru)"
    echo 'SHA256:'
    echo " $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages"
} >Release
gpg -q --clearsign -o InRelease Release
gpgconf --kill gpg-agent
"#;

fn base() -> PathBuf {
    fixture("debian-12/debian-12-base-amd64.qcow2")
}

/// What a command of the image prints.
fn ask(lab: &Lab, image: &Path, command: &[&str]) -> String {
    lab.cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(image)
        .arg("--")
        .args(command)
        .run()
        .success()
}

/// The recipe: every kind of package work, files and steps.
fn recipe(lab: &Lab, port: u16) -> PathBuf {
    let dir = lab.path().display();
    let key = fs::read_to_string(lab.join("key.asc")).unwrap();
    let key = key.replace('\n', "\n        ");
    lab.write("tree/sub/inner", "inner\n");
    lab.write("script.sh", "#!/bin/sh\necho ran >/root/script-ran\n");
    lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
disk: {{size: 3500M}}
packages:
  repositories:
    - name: test
      uri: http://127.0.0.1:{port}/
      suites: [./]
      key: |
        {key}
  install: [iw-hello=1.0-1, '{dir}/files/iw-local_3.0-1_all.deb']
  remove: [netplan.io]
  hold: [iw-hello]
files:
  - {{path: /etc/iw/secret, content: hush, mode: '0640', owner: nobody,
      group: daemon}}
  - {{path: /opt/tree, source: {dir}/tree}}
steps:
  - append-line: '/etc/motd:welcome'
  - mkdir: /srv/a/b
  - chmod: '0700:/srv/a'
  - write: '/srv/a/file:one'
  - copy: /srv/a/file:/srv/a/b/copy
  - move: /srv/a/file:/srv/a/moved
  - link: /srv/a/moved:/srv/link
  - touch: /srv/touched
  - write: '/srv/empty:text'
  - truncate: /srv/empty
  - copy-in: {dir}/tree:/srv
  - upload: {dir}/script.sh:/srv/uploaded
  - mkdir: /srv/gone
  - delete: /srv/go*
  - run: {dir}/script.sh
  - run-command: 'test \"$(cat /etc/machine-id)\" && echo x >/var/log/x.log'
  - timezone: Europe/Rome
  - hostname: node-1
artifacts:
  - {{format: raw}}
  - {{format: qcow2, compression: zstd}}
"
        ),
    )
}

#[test]
fn privileged_provision_a_debian() {
    let lab = Lab::new();
    let dir = lab.path().to_str().unwrap();
    in_own_mounts(MAKE_REPOSITORY, [dir]).success();
    let server = Server::start(&lab.join("repo"));
    let output = lab.join("out");
    let recipe = recipe(&lab, server.port());
    let built = lab.build(&base(), &recipe, &output).run();
    built.success();
    drop(server);
    assert_eq!(
        names_in(&output),
        [
            "SHA256SUMS",
            "manifest.json",
            "node.qcow2",
            "node.raw",
            "provenance.json"
        ]
    );
    in_own_mounts(
        "cd \"$1\" && sha256sum -c SHA256SUMS",
        [output.to_str().unwrap()],
    )
    .success();
    run(
        "qemu-img",
        ["check", output.join("node.qcow2").to_str().unwrap()],
    );
    run(
        "qemu-img",
        [
            "compare",
            output.join("node.qcow2").to_str().unwrap(),
            output.join("node.raw").to_str().unwrap(),
        ],
    );
    let disk = Disk::new(output.join("node.raw"));
    disk.assert_sound();
    packages_are_as_dpkg_says(&lab, &output);
    files_are_as_the_recipe_says(&disk);
    the_image_is_clean(&disk);
    lab.assert_nothing_left();
}

fn packages_are_as_dpkg_says(lab: &Lab, output: &Path) {
    let list = ["dpkg-query", "-W", "-f"];
    let format = "${Package} ${Architecture} ${Version}\n";
    let manifest = fs::read(output.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let image = output.join("node.qcow2");
    for (image, field) in
        [(&base(), "packagesBefore"), (&image, "packagesAfter")]
    {
        let said = ask(lab, image, &[list[0], list[1], list[2], format]);
        let mut said: Vec<&str> = said.lines().collect();
        said.sort_unstable();
        let mut ours: Vec<String> = manifest[field]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| {
                ["name", "architecture", "version"]
                    .map(|key| package[key].as_str().unwrap())
                    .join(" ")
            })
            .collect();
        ours.sort_unstable();
        assert!(ours.len() > 200, "{}", ours.len());
        assert_eq!(ours, said, "{field}");
    }
    let status = "${Package} ${Version} ${db:Status-Want}";
    let said = ask(lab, &image, &[list[0], list[1], list[2], status, "iw-*"]);
    assert!(said.contains("iw-hello 1.0-1 hold"), "{said}");
    assert!(said.contains("iw-local 3.0-1 install"), "{said}");
    let gone = &manifest["packagesChanged"]["removed"];
    assert!(
        gone.as_array()
            .unwrap()
            .iter()
            .any(|p| p["name"] == "netplan.io"),
        "{gone}"
    );
}

fn files_are_as_the_recipe_says(disk: &Disk) {
    let said = disk.look(
        "stat -c '%a %u:%g' etc/iw/secret
         cat etc/iw/secret; echo
         cat opt/tree/sub/inner srv/tree/sub/inner srv/a/b/copy srv/a/moved
         echo; readlink srv/link etc/localtime
         stat -c %s srv/touched srv/empty
         stat -c %a srv/a srv/uploaded
         ls -d srv/gone 2>&1 | grep -o 'No such file'
         cat root/script-ran etc/timezone etc/hostname
         tail -n 1 etc/motd",
        &[],
    );
    let expected = "640 65534:1\nhush\ninner\ninner\noneone\n/srv/a/moved\n\
        /usr/share/zoneinfo/Europe/Rome\n0\n0\n700\n644\nNo such file\n\
        ran\nEurope/Rome\nnode-1\nwelcome\n";
    assert_eq!(said, expected);
}

fn the_image_is_clean(disk: &Disk) {
    let said = disk.look(
        "stat -c %s etc/machine-id
         readlink etc/resolv.conf
         for path in usr/sbin/policy-rc.d started-a-service var/log/x.log \\
             var/lib/systemd/random-seed; do
             ! test -e $path || echo left: $path
         done
         find etc/ssh -name 'ssh_host_*' -printf 'left: %P\\n'
         find var/cache/apt/archives -name '*.deb' -printf 'left: %P\\n'
         find var/lib/apt/lists tmp var/tmp run sys proc -mindepth 1 \\
             -printf 'left: %p\\n'",
        &[],
    );
    assert_eq!(said, "0\n../run/systemd/resolve/stub-resolv.conf\n");
}
