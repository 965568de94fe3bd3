// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::recipe::Secret;

#[test]
fn every_operation_round_trips() {
    let cases = [
        ("append-line", "/etc/hosts:10.0.0.1 a:b"),
        ("chmod", "0755:/usr/local/bin/x"),
        ("chown", "root:1000:/a:b"),
        ("commands-from-file", "ops.txt"),
        ("copy", "/a:/b"),
        ("copy-in", "./files:/opt"),
        ("delete", "/var/log/*.gz"),
        ("disable-unit", "a.service,b.timer"),
        ("edit", "/etc/a:s/x:y/z/"),
        ("enable-unit", "getty@tty1"),
        ("firstboot", "first.sh"),
        ("firstboot-command", "echo a:b"),
        ("firstboot-install", "a,b"),
        ("group", "docker:999"),
        ("hold", "a,b"),
        ("hostname", "node-1.example"),
        ("install", "a,b=1.2,./c.deb"),
        ("kernel-cmdline", "a=1 console=ttyS0,115200 -quiet"),
        ("link", "../x:/etc/y:/etc/z"),
        ("mask-unit", "a"),
        ("mkdir", "/opt/a/b"),
        ("module", "br_netfilter:a=1 b=2"),
        ("move", "/a:/b"),
        ("password", "x:locked:file:a.txt"),
        ("preload-image", "file:images/all.tar"),
        (
            "repository",
            "k8s https://h/deb/ / key=a.asc arch=amd64,arm64 trusted",
        ),
        ("root-password", "random"),
        ("run", "setup.sh"),
        ("run-command", "echo a:b && true"),
        ("scrub", "/a"),
        ("selinux-mode", "permissive"),
        ("ssh-inject", "x:string:ssh-ed25519 AAAA a:b"),
        ("sudo", "x:ALL=(ALL) /bin/a"),
        ("sysctl", "net.ipv4.ip_local_port_range=1024 65000"),
        ("tar-in", "a.tar.zst:/opt"),
        ("timezone", "Europe/Paris"),
        ("touch", "/a"),
        ("truncate", "/a"),
        ("truncate-recursive", "/var/log"),
        ("uninstall", "snapd,a"),
        ("unmask-unit", "a"),
        ("update", ""),
        ("upload", "a.txt:/etc/b:c"),
        (
            "user",
            "x:uid=1001:group=users:groups=adm,sudo:home=/srv/x:\
             shell=/bin/sh:comment=X Y:system",
        ),
        ("write", "/etc/motd:a: b\nc\n"),
    ];
    let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
    let table: Vec<_> = Operation::ALL.iter().map(|o| o.name).collect();
    assert_eq!(names, table, "a case for each, the table sorted");
    for (name, argument) in cases {
        let step = Step::parse(name, argument).unwrap();
        assert_eq!(step.name(), name);
        assert_eq!(step.argument(), argument);
        let json = serde_json::to_string(&step).unwrap();
        let again: Step = serde_json::from_str(&json).unwrap();
        assert_eq!(again, step, "{json}");
    }
}

#[test]
fn what_does_not_parse() {
    let mut lines = Vec::new();
    for (name, argument) in [
        ("instal", "a"),
        ("update", "now"),
        ("write", "/etc/motd"),
        ("write", "etc/motd:x"),
        ("append-line", "/a:b\nc"),
        ("chmod", "9:/a"),
        ("chmod", "0755"),
        ("install", ""),
        ("install", "a,,b"),
        ("install", "-y"),
        ("uninstall", "a=1"),
        ("link", "/a"),
        ("link", ":/a"),
        ("hostname", "a b"),
        ("timezone", "/etc/passwd"),
        ("timezone", "a/../b"),
        ("run-command", ""),
        ("run", ""),
        ("delete", "/"),
        ("copy-in", "a:/b/../c"),
        ("chown", "a:/b"),
        ("chown", "4294967295:0:/b"),
        ("edit", "/a:"),
        ("enable-unit", "a,,b"),
        ("enable-unit", "-x"),
        ("group", "docker:x"),
        ("hold", ""),
        ("kernel-cmdline", "a='b'"),
        ("kernel-cmdline", " "),
        ("module", "a b"),
        ("password", "1000:random"),
        ("password", "x"),
        ("password", "x:password:"),
        ("password", "x:locked:secret"),
        ("repository", "k8s"),
        ("repository", "../k8s https://h/ /"),
        ("repository", "k8s h"),
        ("repository", "k8s https://h/ / key=http://h/key"),
        ("root-password", "hash:secret"),
        ("ssh-inject", "x:AAAA"),
        ("sudo", "x:"),
        ("sysctl", "a b=1"),
        ("sysctl", "a"),
        ("user", "x:uid=a"),
        ("user", "x:y=z"),
    ] {
        let error = Step::parse(name, argument).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
        lines.push(error.to_string());
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn one_line_for_plans() {
    let step = Step::parse("write", "/etc/motd:a\n\u{1b}[31mb").unwrap();
    assert_eq!(step.to_string(), r"write /etc/motd:a\n\u{1b}[31mb");
    let long = format!("/a:{}", "ä".repeat(500));
    let step = Step::parse("write", &long).unwrap();
    assert!(step.to_string().ends_with("ä… (1003 bytes)"));
    assert_eq!(Step::Update.to_string(), "update");
}

#[test]
fn secrets_are_seen_nowhere() {
    let hash = "$6$salt$hunter2";
    for (name, argument) in [
        ("password", "x:password:hunter2".to_owned()),
        ("password", "x:locked:password:hunter2".to_owned()),
        ("root-password", format!("hash:{hash}")),
    ] {
        let step = Step::parse(name, &argument).unwrap();
        let json = serde_json::to_string(&step).unwrap();
        let seen = [step.to_string(), format!("{step:#?}"), json.clone()];
        for text in seen {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("[secret]"), "{text}");
        }
        // What is shown cannot be taken for a password.
        serde_json::from_str::<Step>(&json).unwrap_err();
        Step::parse(name, &step.argument()).unwrap_err();
    }
    // The first colon ends the word; a password may have more of them.
    let step = Step::parse("root-password", "password:a:b").unwrap();
    let Step::RootPassword(selector) = step else {
        panic!("another step");
    };
    let secret = Secret::new("a:b");
    assert_eq!(selector.source, Some(PasswordSource::Text(secret)));
}

#[test]
fn lists_and_mappings() {
    for (yaml, expected) in [
        (r#"{"hold": ["a", "b"]}"#, "hold a,b"),
        (r#"{"enable-unit": ["a", "b"]}"#, "enable-unit a,b"),
        (
            r#"{"kernel-cmdline": ["a=1", "-b"]}"#,
            "kernel-cmdline a=1 -b",
        ),
        (r#"{"hold": "all"}"#, "hold all"),
        (
            r#"{"repository": {"name": "r", "uri": "https://r/",
                "suites": ["/"]}}"#,
            "repository r https://r/ /",
        ),
    ] {
        let step: Step = serde_json::from_str(yaml).unwrap();
        assert_eq!(step.to_string(), expected);
        let json = serde_json::to_string(&step).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&json).unwrap(), step);
    }
    let bad = r#"{"repository": {"name": "../r", "uri": "https://r/"}}"#;
    serde_json::from_str::<Step>(bad).unwrap_err();
}
