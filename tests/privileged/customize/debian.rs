// SPDX-License-Identifier: Apache-2.0
//! Operations that need a real system: Debian 12.

use std::fs;
use std::path::Path;

use super::{customize, text};
use crate::support::{Cli, Disk, Lab, Server, fixture, run};

const PASSWORD: &str = "hunter2: a $ecret";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFixture a test";

/// The Debian image as raw, in the lab.
fn debian(lab: &Lab) -> Disk {
    let path = lab.join("debian.raw");
    let from = fixture("debian-12/debian-12-base-amd64.qcow2");
    run(
        "qemu-img",
        ["convert", "-O", "raw", text(&from), text(&path)],
    );
    Disk::new(path)
}

/// What the image's own program prints.
#[track_caller]
fn ask(disk: &Disk, command: &str) -> String {
    let said = disk.look("chroot . /bin/sh -c \"$1\" 2>&1 || true", &[command]);
    said.trim_end().to_owned()
}

/// Whether libcrypt of the host takes `password` for what hashes to `hash`.
fn fits(password: &str, hash: &str) -> bool {
    const CHECK: &str = "import ctypes, ctypes.util, sys\n\
        lib = ctypes.CDLL(ctypes.util.find_library('crypt'))\n\
        lib.crypt.restype = ctypes.c_char_p\n\
        word, hash = (a.encode() for a in sys.argv[1:])\n\
        print(lib.crypt(word, hash) == hash)\n";
    run("python3", ["-c", CHECK, password, hash]) == "True\n"
}

/// The second field of a user in `/etc/shadow`.
fn shadow(disk: &Disk, user: &str) -> String {
    let said = ask(disk, "cat /etc/shadow");
    let line = said.lines().find(|line| {
        line.strip_prefix(user)
            .is_some_and(|rest| rest.starts_with(':'))
    });
    let line = line.unwrap_or_else(|| panic!("no {user}: {said}"));
    line.split(':').nth(1).unwrap().to_owned()
}

/// A flat repository with packages of one file each.
fn repository(lab: &Lab) -> std::path::PathBuf {
    let directory = lab.join("repo");
    fs::create_dir_all(&directory).unwrap();
    for name in ["fixture-one", "fixture-two"] {
        let control = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: all\n\
             Maintainer: Nobody <nobody@example.invalid>\n\
             Description: stand-in of a test\n"
        );
        lab.write(format!("{name}/DEBIAN/control"), &control);
        lab.write(format!("{name}/usr/share/{name}/file"), name);
        let deb = directory.join(format!("{name}.deb"));
        let tree = lab.join(name);
        run(
            "dpkg-deb",
            ["-b", "--root-owner-group", text(&tree), text(&deb)],
        );
        let size = fs::metadata(&deb).unwrap().len();
        let sum = crate::support::sha256(&deb);
        let entry = format!(
            "{control}Filename: ./{name}.deb\nSize: {size}\nSHA256: {sum}\n\n"
        );
        let list = directory.join("Packages");
        let before = fs::read_to_string(&list).unwrap_or_default();
        fs::write(&list, before + &entry).unwrap();
    }
    directory
}

fn base(lab: &Lab, disk: &Path) -> Cli {
    customize(lab, disk).args(["-v", "-v", "--no-network"])
}

#[test]
fn users_and_what_they_may_do() {
    let lab = Lab::new();
    let disk = debian(&lab);
    let before = ask(&disk, "stat -c '%a %u:%g' /etc/shadow");
    let key = lab.write("id.pub", format!("{KEY}\n"));
    let root_password = lab.write("password", "of root\nnot this\n");
    let hash = "$6$abcdefgh$oUkhRqxZ0yDUFFm2Uiiqsqt5H6vWY4zBd9zrSEJMcVs4q6\
        JmI4NIkwGPl8TEgSvIZjC7hCtmHPF6vRAqdSTsW1";
    let said = base(&lab, disk.path())
        // Before the user is there: passwords come last.
        .args(["--password", &format!("node:password:{PASSWORD}")])
        .args(["--root-password", &format!("file:{}", text(&root_password))])
        .args(["--group", "crew:990"])
        .args(["--user", "node:groups=crew,sudo:comment=A Node:uid=1500"])
        .args(["--user", "svc:system"])
        .args(["--user", "made-up"])
        .args(["--user", "hashed:shell=/bin/sh:home=/srv/hashed"])
        .args(["--user", "node:groups=adm"])
        .args(["--ssh-inject", &format!("node:file:{}", text(&key))])
        .args(["--ssh-inject", &format!("node:file:{}", text(&key))])
        .args(["--ssh-inject", "root:string:ssh-rsa AAAA b"])
        .args(["--sudo", "node"])
        .args(["--password", "svc:disabled"])
        .args(["--password", "made-up:locked:random"])
        .args(["--password", &format!("hashed:hash:{hash}")])
        .run();
    for said in [&said.stdout, &said.stderr] {
        for secret in ["hunter2", "of root", "oUkhRqxZ0"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let said = said.success();
    assert_eq!(
        ask(&disk, "getent passwd node"),
        "node:x:1500:1500:A Node:/home/node:/bin/bash"
    );
    assert_eq!(ask(&disk, "getent group crew"), "crew:x:990:node");
    let groups = ask(&disk, "id -nG node");
    let mut groups: Vec<_> = groups.split(' ').collect();
    groups.sort_unstable();
    assert_eq!(groups, ["adm", "crew", "node", "sudo"]);
    assert_eq!(
        ask(&disk, "getent passwd hashed | cut -d: -f6-"),
        "/srv/hashed:/bin/sh"
    );
    assert_eq!(
        ask(
            &disk,
            "stat -c '%a %U:%G %n' /home/node/.ssh \
             /home/node/.ssh/authorized_keys /root/.ssh"
        ),
        "700 node:node /home/node/.ssh\n\
         600 node:node /home/node/.ssh/authorized_keys\n\
         700 root:root /root/.ssh"
    );
    assert_eq!(ask(&disk, "cat /home/node/.ssh/authorized_keys"), KEY);
    assert_eq!(ask(&disk, "visudo -c -q && echo good"), "good");
    let rules = ask(&disk, "sudo -l -U node | tail -n 1");
    assert!(rules.contains("NOPASSWD: ALL"), "{rules}");
    // Passwords.
    let node = shadow(&disk, "node");
    assert!(node.starts_with("$y$"), "{node}");
    assert!(fits(PASSWORD, &node) && !fits("hunter2", &node));
    assert!(fits("of root", &shadow(&disk, "root")));
    assert_eq!(shadow(&disk, "hashed"), hash);
    assert_eq!(shadow(&disk, "svc"), "*");
    let told = said
        .lines()
        .find_map(|line| line.strip_prefix("password of made-up: "));
    let made_up = shadow(&disk, "made-up");
    let made_up = made_up.strip_prefix("!!").expect("locked");
    assert!(fits(told.unwrap(), made_up), "{said}");
    let states = ask(&disk, "for u in node svc made-up; do passwd -S $u; done");
    let states: Vec<_> = states
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(states, ["P", "L", "L"]);
    // The file itself.
    assert_eq!(ask(&disk, "stat -c '%a %u:%g' /etc/shadow"), before);
    // Another method, on request; extended attributes stay, too.
    disk.change(
        "python3 -c \"import os; os.setxattr('etc/shadow', 'user.kept', \
         b'yes')\"",
        &[],
    );
    base(&lab, disk.path())
        .args(["--password-crypto", "sha512"])
        .args(["--root-password", "password:other"])
        .run()
        .success();
    let root = shadow(&disk, "root");
    assert!(root.starts_with("$6$") && fits("other", &root), "{root}");
    let kept = disk.look(
        "python3 -c \"import os; print(os.getxattr('etc/shadow', \
         'user.kept'))\"",
        &[],
    );
    assert_eq!(kept, "b'yes'\n");
    let ended = base(&lab, disk.path())
        .args(["--sudo", "node:this is no rule"])
        .run();
    assert_eq!(ended.code(), 9, "{ended:#?}");
    disk.assert_sound();
    lab.assert_nothing_left();
}

#[test]
fn units_kernel_and_first_boot() {
    let lab = Lab::new();
    let disk = debian(&lab);
    let script = lab.write("my first script.sh", "#!/bin/sh\necho one\n");
    base(&lab, disk.path())
        .args(["--disable-unit", "ssh,apt-daily.timer"])
        .args(["--mask-unit", "systemd-timesyncd,unattended-upgrades"])
        .args(["--unmask-unit", "unattended-upgrades"])
        .args(["--enable-unit", "serial-getty@ttyS1.service"])
        .args(["--sysctl", "net.ipv4.ip_forward=0"])
        .args(["--sysctl", "vm.swappiness=10"])
        .args(["--sysctl", "net.ipv4.ip_forward=1"])
        .args(["--module", "overlay"])
        .args(["--module", "br_netfilter"])
        .args(["--module", "overlay:metacopy=on"])
        .args(["--kernel-cmdline", "net.ifnames=0 fixture.word=1"])
        .args(["--kernel-cmdline", "-fixture.word= audit=1"])
        .args(["--firstboot", text(&script)])
        .args(["--firstboot-command", "echo two: $((1 + 1))"])
        .args(["--firstboot-install", "hello,tree"])
        .args(["--hostname", "node-7"])
        .args(["--timezone", "Europe/Paris"])
        .args(["--edit", "/etc/motd:s/^.*$/tr: \\U$&/; tr,a,b,"])
        .run()
        .success();
    for (unit, state) in [
        ("ssh.service", "disabled"),
        ("apt-daily.timer", "disabled"),
        ("systemd-timesyncd.service", "masked"),
        ("unattended-upgrades.service", "enabled"),
        ("serial-getty@ttyS1.service", "enabled"),
        ("imagewright-firstboot.service", "enabled"),
    ] {
        let asked = format!("systemctl --root=/ is-enabled {unit}");
        assert_eq!(ask(&disk, &asked), state, "{unit}");
    }
    assert_eq!(
        ask(&disk, "cat /etc/sysctl.d/99-imagewright.conf"),
        "vm.swappiness = 10\nnet.ipv4.ip_forward = 1"
    );
    assert_eq!(
        ask(&disk, "cat /etc/modules-load.d/imagewright.conf"),
        "br_netfilter\noverlay"
    );
    assert_eq!(
        ask(&disk, "modprobe -c | grep ^options.overlay"),
        "options overlay metacopy=on"
    );
    let lines = ask(&disk, "grep -P '^\\s*linux\\s' /boot/grub/grub.cfg");
    assert!(!lines.is_empty());
    for line in lines.lines() {
        assert!(line.contains(" net.ifnames=0"), "{line}");
        assert!(line.contains(" audit=1"), "{line}");
        assert!(!line.contains("fixture.word"), "{line}");
        assert!(line.contains("root=UUID="), "{line}");
    }
    assert_eq!(ask(&disk, "cat /etc/hostname"), "node-7");
    assert_eq!(
        ask(&disk, "readlink /etc/localtime; cat /etc/timezone"),
        "/usr/share/zoneinfo/Europe/Paris\nEurope/Paris"
    );
    // The runner, as the unit runs it.
    assert_eq!(
        ask(&disk, "ls /usr/lib/imagewright/firstboot.d"),
        "0001-my-first-script.sh\n0002-command\n0003-command"
    );
    let install = ask(&disk, "cat /usr/lib/imagewright/firstboot.d/0003*");
    assert!(install.contains("install hello tree"), "{install}");
    disk.change(
        "rm usr/lib/imagewright/firstboot.d/0003*\n\
         chroot . /usr/lib/imagewright/firstboot",
        &[],
    );
    let log = ask(&disk, "cat /var/log/imagewright-firstboot.log");
    assert!(
        log.contains("\none\n") && log.contains("\ntwo: 2\n"),
        "{log}"
    );
    assert_eq!(ask(&disk, "ls /usr/lib/imagewright/firstboot.d"), "");
    let asked = "systemctl --root=/ is-enabled imagewright-firstboot.service";
    assert_eq!(ask(&disk, asked), "disabled");
    let checked = ask(
        &disk,
        "systemd-analyze verify --man=no imagewright-firstboot.service",
    );
    assert!(!checked.contains("firstboot"), "{checked}");
    disk.assert_sound();
    lab.assert_nothing_left();
}

#[test]
fn packages_from_a_repository_of_ours() {
    let lab = Lab::new();
    let disk = debian(&lab);
    let repository = repository(&lab);
    base(&lab, disk.path())
        // Nothing of the network's.
        .args(["--delete", "/etc/apt/sources.list.d/*"])
        .args(["--delete", "/etc/apt/sources.list"])
        .args(["--copy-in", &format!("{}:/srv", text(&repository))])
        .args(["--repository", "local file:/srv/repo / trusted"])
        .args(["--install", "fixture-one,fixture-two"])
        .args(["--uninstall", "fixture-two"])
        .args(["--hold", "fixture-one"])
        .run()
        .success();
    let asked = "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' \
        'fixture-*'; apt-mark showhold; cat /usr/share/fixture-one/file";
    assert_eq!(
        ask(&disk, asked),
        "hi  fixture-one\nfixture-one\nfixture-one"
    );
    let ended = base(&lab, disk.path())
        .args(["--install", "fixture-nowhere"])
        .run();
    assert_eq!(ended.code(), 11, "{ended:#?}");
    assert!(ended.stderr.contains("fixture-nowhere"), "{ended:#?}");
    lab.assert_nothing_left();
}

/// The proxy alone knows the host `packages.invalid`.
#[test]
fn a_proxy_is_for_the_build_alone() {
    let lab = Lab::new();
    let disk = debian(&lab);
    // The path in a request to a proxy is the whole URL.
    let served = lab.join("served/http:/packages.invalid");
    fs::create_dir_all(served.parent().unwrap()).unwrap();
    fs::rename(repository(&lab), &served).unwrap();
    let proxy = Server::start(&lab.join("served"));
    // Nothing of the network's.
    disk.change("rm -f etc/apt/sources.list etc/apt/sources.list.d/*", &[]);
    let address = format!("127.0.0.1:{}", proxy.port());
    let marker = lab.marker();
    let recipe = lab.write(
        "node.yaml",
        format!(
            "apiVersion: imagewright/v1alpha1
kind: NodeImage
packages:
  repositories:
    - {{name: local, uri: 'http://packages.invalid/', suites: /,
        trusted: true}}
  install: [fixture-one]
proxy: {{http: 'http://{address}', no: [{marker}]}}
steps:
  - run-command: printf %s \"$http_proxy $HTTP_PROXY $no_proxy\" >/opt/seen
"
        ),
    );
    let provision = lab.cli().arg("provision").arg(disk.path());
    provision.arg("--recipe").arg(&recipe).run().success();
    drop(proxy);
    let asked = "dpkg-query -W -f '${db:Status-Abbrev}' fixture-one; \
        cat /opt/seen";
    let url = format!("http://{address}");
    assert_eq!(ask(&disk, asked), format!("ii {url} {url} {marker}"));
    // What a command of ours wrote is all that is left of it.
    let left = format!("grep -rIlF {address} / --exclude-dir=proc");
    assert_eq!(ask(&disk, &left), "/opt/seen");
    lab.assert_nothing_left();
}
