// SPDX-License-Identifier: Apache-2.0
//! What a recipe says, against the image it was written for.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_recipe_is_checked() {
    let image = Image::good();
    image.put("etc/motd", "hello");
    let status = |body: &str, rule: &str| {
        let report = image.verify(Some(&recipe(body)));
        let mut checks = report.checks.into_iter();
        let check = checks.find(|check| check.rule == rule).unwrap();
        (check.status, check.findings)
    };
    let of = |body: &str, rule: &str| status(body, rule).0;
    for (expected, body) in [
        (Status::Pass, "packages: {install: [a, b, c]}"),
        (Status::Pass, "packages: {install: ['a=1.2-3']}"),
        (Status::Pass, "packages: {install: ['a=1.2*']}"),
        (Status::Fail, "packages: {install: [d]}"),
        (Status::Fail, "packages: {install: ['a=1.2']}"),
        (Status::Fail, "packages: {remove: [b]}"),
        (Status::Pass, "packages: {remove: [d]}"),
        (Status::NotChecked, ""),
    ] {
        assert_eq!(of(body, "recipe-packages"), expected, "{body}");
    }
    for (expected, body) in [
        (Status::Pass, "packages: {hold: [a]}"),
        (Status::Fail, "packages: {hold: [b]}"),
        (Status::Fail, "packages: {hold: all}"),
    ] {
        assert_eq!(of(body, "recipe-holds"), expected, "{body}");
    }
    let file = |content: &str, mode: &str| {
        let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
        let body = format!(
            "files: [{{path: /etc/motd, content: {content}, mode: '{mode}', \
             owner: {uid}, group: {gid}}}]"
        );
        let found = status(&body, "recipe-files").1;
        found.into_iter().map(|f| f.what).collect::<Vec<_>>()
    };
    assert_eq!(file("hello", "0644"), [""; 0]);
    assert_eq!(file("other", "0644"), ["has other content"]);
    assert_eq!(file("hello", "0600"), ["has mode 0644 instead of 0600"]);
    let (_, found) = status("files: [{path: /no, content: x}]", "recipe-files");
    assert_eq!(found[0].to_string(), "/no: is not there");
}

/// A tree that is what this says, and each way to spoil it.
const NODE: &str = "
kernel:
  modules: [br_netfilter, overlay]
  sysctl: {net.ipv4.ip_forward: 1}
  cmdline: quiet -splash
  swap: false
units: {enable: [kubelet], disable: [apt-daily.timer], mask: [old]}
cloudInit: {datasources: [NoCloud, None]}
users:
  - name: core
    uid: 1000
    groups: [sudo]
    shell: /bin/bash
    sudo: true
    sshKeys: ['ssh-ed25519 AAAA core']
packages: {hold: [a]}
steps:
  - install: [b]
";

fn node() -> Image {
    let image = Image::good();
    let install = "[Install]\nWantedBy=multi-user.target\n";
    let units = "usr/lib/systemd/system";
    for (path, content) in [
        ("etc/modules-load.d/k.conf", "overlay\nbr-netfilter\n"),
        ("etc/sysctl.d/k.conf", "net/ipv4/ip_forward = 1\n"),
        (
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\ncore:x:1000:9::/home/core:/bin/bash\n",
        ),
        ("etc/group", "sudo:x:27:core\nmen:x:9:\n"),
        ("etc/sudoers.d/core", "core ALL=(ALL) NOPASSWD: ALL\n"),
        (
            "home/core/.ssh/authorized_keys",
            "x\nssh-ed25519 AAAA core\n",
        ),
        ("usr/bin/cloud-init", "x"),
        ("etc/cloud/cloud.cfg", "datasource_list: [Ec2]\n"),
        (
            "etc/cloud/cloud.cfg.d/95-imagewright.cfg",
            "datasource_list: [ NoCloud, None ]\n",
        ),
    ] {
        image.put(path, content);
    }
    for unit in ["kubelet.service", "apt-daily.timer", "old.service"] {
        image.put(&format!("{units}/{unit}"), install);
    }
    let wants = "etc/systemd/system/multi-user.target.wants/kubelet.service";
    image.link(&format!("/{units}/kubelet.service"), wants);
    image.link("/dev/null", "etc/systemd/system/old.service");
    image.replace("boot/grub/grub.cfg", " ro\n", " ro quiet\n");
    image
}

/// A rule, what it says, and what spoils the image.
type NodeFault = (&'static str, &'static str, fn(&mut Image));

const NODE_FAULTS: &[NodeFault] = &[
    ("recipe-modules", "no file has overlay loaded", |image| {
        image.put("etc/modules-load.d/k.conf", "br_netfilter\n");
    }),
    (
        "recipe-sysctl",
        "no file sets net.ipv4.ip_forward to 1",
        |image| {
            image.remove("etc/sysctl.d/k.conf");
        },
    ),
    (
        "recipe-sysctl",
        "net.ipv4.ip_forward is 0 instead of 1",
        |image| image.put("etc/sysctl.d/z.conf", "net.ipv4.ip_forward=0"),
    ),
    (
        "recipe-cmdline",
        "no kernel is booted with quiet",
        |image| {
            image.replace("boot/grub/grub.cfg", " quiet", "");
        },
    ),
    (
        "recipe-cmdline",
        "a kernel is booted with splash",
        |image| {
            image.replace("boot/grub/grub.cfg", " quiet", " quiet splash");
        },
    ),
    ("swap", "swaps to /swap", |image| {
        image.replace("etc/fstab", "tmpfs /tmp tmpfs", "/swap none swap");
    }),
    (
        "recipe-units",
        "kubelet is disabled: the recipe says to enable",
        |image| {
            image.remove(
                "etc/systemd/system/multi-user.target.wants/kubelet.service",
            );
        },
    ),
    (
        "recipe-units",
        "old is disabled: the recipe says to mask",
        |image| image.remove("etc/systemd/system/old.service"),
    ),
    (
        "recipe-cloud-init",
        "has the datasources Ec2 instead of NoCloud, None",
        |image| {
            image.put(
                "etc/cloud/cloud.cfg.d/99-z.cfg",
                "datasource_list:\n  - Ec2\n",
            );
        },
    ),
    ("recipe-users", "there is no user core", |image| {
        image.put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    }),
    (
        "recipe-users",
        "the shell of core is /bin/sh, not /bin/bash",
        |image| image.replace("etc/passwd", "/bin/bash", "/bin/sh"),
    ),
    ("recipe-users", "core is not in the group sudo", |image| {
        image.replace("etc/group", ":core", ":");
    }),
    ("recipe-users", "a key of core is not there", |image| {
        image.put("home/core/.ssh/authorized_keys", "");
    }),
    ("recipe-users", "no rule is about core", |image| {
        image.remove("etc/sudoers.d/core");
    }),
    ("recipe-holds", "a is not held", |image| {
        let status = "var/lib/dpkg/status";
        image.replace(status, "hold ok", "install ok");
    }),
    ("recipe-packages", "b is not installed", |image| {
        image.replace("var/lib/dpkg/status", "Package: b", "Package: d");
    }),
];

#[test]
fn the_sections_of_a_node_are_checked() {
    let recipe = recipe(NODE);
    let failed = |image: &Image| -> Vec<(String, String)> {
        let report = image.verify(Some(&recipe));
        let bad = report.checks.into_iter();
        bad.filter(|check| {
            check.status == Status::Fail && check.rule != "recipe-files"
        })
        .map(|check| (check.rule, check.findings[0].what.clone()))
        .collect()
    };
    assert_eq!(failed(&node()), []);
    for (rule, what, spoil) in NODE_FAULTS {
        let mut image = node();
        spoil(&mut image);
        let expected = ((*rule).to_owned(), (*what).to_owned());
        assert_eq!(failed(&image), [expected]);
    }
}

type Spoil = fn(&Image);

/// Steps, what spoils their result, and what is said of it.
#[test]
fn what_steps_do_to_files_is_checked() {
    let steps = "
steps:
  - write: /etc/a:one
  - append-line: /etc/a:two
  - chmod: 0640:/etc/a
  - link: a:/etc/l
  - mkdir: /opt/d
  - write: /etc/gone:x
  - delete: /etc/gone
  - write: /opt/moved:x
  - move: /opt/moved:/opt/d
  - write: /tmp/x:emptied
  - write: /etc/b:b
  - truncate: /etc/b
";
    let good = || {
        let image = Image::good();
        for (path, content) in
            [("etc/a", "one\ntwo\n"), ("opt/d/moved", "x"), ("etc/b", "")]
        {
            image.put(path, content);
        }
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(image.dir.path().join("etc/a"), mode).unwrap();
        image.link("a", "etc/l");
        image
    };
    let found = |image: &Image, recipe: &Recipe| {
        let report = image.verify(Some(recipe));
        let mut checks = report.checks.into_iter();
        let check = checks.find(|c| c.rule == "recipe-steps").unwrap();
        let found = check.findings.iter().map(ToString::to_string);
        (check.status, found.collect::<Vec<_>>())
    };
    let spoilt: [(&str, Spoil); 6] = [
        ("/etc/a: lacks a line that was appended", |image| {
            image.replace("etc/a", "two", "three");
        }),
        ("/etc/a: has mode 0644 instead of 0640", |image| {
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(image.dir.path().join("etc/a"), mode).unwrap();
        }),
        ("/etc/l: is no link to a", |image| image.link("b", "etc/l")),
        ("/etc/gone: is still there", |image| {
            image.put("etc/gone", "");
        }),
        ("/etc/b: has other content", |image| image.put("etc/b", "b")),
        ("/opt/moved: is still there", |image| {
            image.put("opt/moved", "");
        }),
    ];
    let certain = recipe(steps);
    let doubtful = recipe(&format!("{steps}  - run-command: x\n"));
    for recipe in [&certain, &doubtful] {
        assert_eq!(found(&good(), recipe), (Status::Pass, vec![]));
    }
    for (what, spoil) in spoilt {
        let image = good();
        spoil(&image);
        let expected = vec![what.to_owned()];
        let (status, said) = found(&image, &certain);
        assert_eq!((status, said), (Status::Fail, expected.clone()));
        // A script may have meant it.
        let (status, said) = found(&image, &doubtful);
        assert_eq!((status, said), (Status::Warning, expected));
    }
}
