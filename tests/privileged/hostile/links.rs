// SPDX-License-Identifier: Apache-2.0
//! Symlinks of the image that name a directory of the host.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use imagewright::mount::{FileOwner, GuestRoot};
use imagewright::pipeline::build;
use imagewright::{ErrorKind, Monitor, in_private_mounts};
use nix::mount::{MsFlags, mount};

use super::Canary;
use crate::support::{Disk, Lab, names_in, tiny_raw};

/// Places that a session reads, writes, mounts on or cleans.
const DIRECTORIES: [&str; 12] = [
    "/boot/efi",
    "/dev",
    "/etc",
    "/etc/ssh",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/tmp",
    "/usr/sbin",
    "/var/lib",
    "/var/log",
];
const FILES: [&str; 5] = [
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/passwd",
    "/etc/resolv.conf",
];

/// What a symlink says, and whether the image has the place as well.
#[derive(Debug, Clone, Copy)]
struct Kind {
    prefix: &'static str,
    /// The image's own directory is moved to the place in the image that the
    /// link leads to: then a session has nothing to complain about.
    in_image: bool,
}

const ABSOLUTE: Kind = Kind {
    prefix: "",
    in_image: true,
};
const DOTS: Kind = Kind {
    prefix: "../../../../../../../../../../../../../../..",
    in_image: true,
};
const DANGLING: Kind = Kind {
    prefix: "",
    in_image: false,
};
const MAGIC: Kind = Kind {
    prefix: "/proc/self/root",
    in_image: false,
};

/// Every kind of access by the library and by a program of the image.
fn recipe(place: &str) -> String {
    let mut steps: Vec<String> = [
        "mkdir: PLACE/iw-dir/sub",
        "upload: tree/file:PLACE/iw-upload",
        "copy-in: tree:PLACE",
        "append-line: PLACE/hosts:line",
        "write: PLACE/iw-write:x",
        "touch: PLACE/iw-touch",
        "chmod: 0600:PLACE/iw-write",
        "truncate: PLACE/iw-write",
        "link: PLACE/iw-write:PLACE/iw-link",
        "write: PLACE/iw-link:through the link",
        "copy: PLACE/iw-write:PLACE/iw-copy",
        "move: PLACE/iw-copy:PLACE/iw-moved",
        "delete: PLACE/*.log",
        "delete: PLACE/junk",
        "delete: PLACE/**/system.journal",
        "run-command: (echo x >PLACE/iw-guest; cat PLACE/hosts PLACE/passwd; rm PLACE/group; \
         chmod 777 PLACE) >/dev/null 2>&1; true",
        "run: script",
        "hostname: iw-host",
    ]
    .map(|step| step.replace("PLACE", place))
    .into();
    if place == "/proc" {
        // The guest's own is mounted there.
        steps.retain(|step| !step.starts_with("copy:"));
        steps.retain(|step| !step.starts_with("move:"));
    }
    let mut text = format!(
        "files:\n  - {{path: {place}/iw/file, content: written}}\n  \
         - {{path: {place}/iw-tree, source: tree}}\nsteps:\n"
    );
    for step in steps {
        text.push_str(&format!("  - {step}\n"));
    }
    if place != "/tmp" {
        // The canary may be there.
        text.push_str("sysprep: {disable: [tmp-files]}\n");
    }
    text + "artifacts: [{format: raw, name: out.raw}]\n"
}

fn file_recipe(file: &str) -> String {
    let steps = [
        "append-line: FILE:line",
        "write: FILE:x",
        "touch: FILE",
        "chmod: 0600:FILE",
        "truncate: FILE",
        "run-command: (cat FILE; echo x >>FILE) >/dev/null 2>&1; true",
        "upload: tree/file:FILE",
        "hostname: iw-host",
        "delete: FILE",
    ];
    let mut text = format!(
        "files: [{{path: {file}, content: written}}]\n\
         artifacts: [{{format: raw, name: out.raw}}]\nsteps:\n"
    );
    for step in steps {
        // Ours is mounted over it.
        if (file, step) != ("/etc/resolv.conf", "delete: FILE") {
            text.push_str(&format!("  - {}\n", step.replace("FILE", file)));
        }
    }
    text
}

/// A tiny image in which `place` is a symlink to `target`.
fn hostile_image(lab: &Lab, place: &str, kind: Kind, target: &str) -> Disk {
    let image = lab.join("hostile.raw");
    fs::copy(tiny_raw(), &image).unwrap();
    let disk = Disk::new(image);
    let link = format!("{}{target}", kind.prefix);
    // Programs in sbin are links to ../bin/busybox.
    let script = "
        find usr/sbin -type l -exec ln -sf /usr/bin/busybox {} \\;
        mkdir -p \".$1\"; rm -rf \".$1.old\"
        if $4; then mkdir -p \".${3%/*}\"; mv \".$1\" \".$3\";
        else mv \".$1\" \".$1.old\"; fi
        ln -s \"$2\" \".$1\"";
    let script = if place.starts_with("/etc/") && FILES.contains(&place) {
        script.replace("mkdir -p \".$1\";", "touch -h \".$1\";")
    } else {
        script.to_owned()
    };
    let in_image = kind.in_image.to_string();
    disk.change(&script, &[place, &link, target, &in_image]);
    disk
}

fn attack(place: &str, kind: Kind) {
    let lab = Lab::new();
    lab.write("tree/file", "from the host");
    lab.write("tree/sub/file", "from the host");
    lab.write("script", "#!/bin/sh\ntrue\n");
    let canary = Canary::new();
    let is_file = FILES.contains(&place);
    let (target, text) = match is_file {
        true => {
            let name = Path::new(place).file_name().unwrap();
            (canary.path().join(name), file_recipe(place))
        }
        false => (canary.path().to_owned(), recipe(place)),
    };
    let target = target.to_str().unwrap();
    let disk = hostile_image(&lab, place, kind, target);
    let recipe = lab.recipe("recipe.yaml", &text);
    let out = lab.join("out");
    let options = lab.build_options(disk.path(), &recipe, &out);
    let built = build(&options, &Monitor::silent());
    let what = format!("{place} {kind:?}: {built:?}");
    canary.assert_untouched(&what);
    lab.assert_nothing_left();
    match built {
        Ok(_) => {}
        Err(error) => {
            // A place that is not there may be an error, of the image; nobody
            // writes to /sys, and the ESP holds no symlinks.
            let refused = ["/sys", "/boot/efi"].contains(&place);
            assert!(!kind.in_image || refused, "{what}");
            assert_ne!(error.kind(), ErrorKind::Internal, "{what}");
            assert_eq!(names_in(&out), [""; 0], "{what}");
        }
    }
    let kept = ["/etc", "/root", "/usr/sbin", "/etc/ssh", "/var/lib"];
    if kind.in_image && kept.contains(&place) {
        // All of it happened, in the image.
        let script = "cd \".$1\"; ls -d iw iw-tree/sub iw-dir/sub iw-upload \
            tree/sub iw-touch iw-link iw-moved iw-guest hosts; cat iw-write";
        let said = Disk::new(out.join("out.raw")).look(script, &[target]);
        assert!(said.ends_with("through the link"), "{said}");
    }
}

fn attack_all(kind: Kind) {
    for place in DIRECTORIES.iter().chain(&FILES) {
        attack(place, kind);
    }
}

#[test]
fn privileged_absolute_symlinks_stay_in_the_image() {
    attack_all(ABSOLUTE);
}

#[test]
fn privileged_symlinks_with_dots_stay_in_the_image() {
    attack_all(DOTS);
}

#[test]
fn privileged_dangling_symlinks_lead_nowhere() {
    attack_all(DANGLING);
}

#[test]
fn privileged_symlinks_through_proc_lead_nowhere() {
    attack_all(MAGIC);
}

/// A program of the image puts symlinks where the library works next.
#[test]
fn privileged_symlinks_made_while_the_build_runs_stay_in_the_image() {
    let lab = Lab::new();
    let canary = Canary::new();
    let host = canary.path().to_str().unwrap();
    let places = "/etc /root /tmp /var/log /var/lib /usr/sbin /boot /opt";
    let recipe = lab.recipe(
        "recipe.yaml",
        &format!(
            "steps:
  - write: /opt/a.log:x
  - run-command: >-
      mkdir -p {host};
      for d in {places}; do mv $d $d.old; ln -s {host} $d; done
  - write: /opt/iw-write:x
  - append-line: /etc/hosts:line
  - delete: /var/log/*.log
  - touch: /tmp/iw-touch
  - run-command: ls -la / && true >/etc/resolv.conf
"
        ),
    );
    let out = lab.join("out");
    let options = lab.build_options(&tiny_raw(), &recipe, &out);
    let built = build(&options, &Monitor::silent());
    canary.assert_untouched(&format!("{built:?}"));
    lab.assert_nothing_left();
}

/// Every method of the handle to a root, over every kind of link.
#[test]
fn privileged_a_root_handle_never_leaves_its_root() {
    let lab = Lab::new();
    let mut canary = Canary::new();
    let host = canary.path().to_str().unwrap().to_owned();
    let guest = lab.join("guest");
    fs::create_dir_all(guest.join("proc")).unwrap();
    let inside = guest.join(host.trim_start_matches('/'));
    fs::create_dir_all(&inside).unwrap();
    let cwd = File::open(canary.path()).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&cwd);
    let links = [
        ("absolute", host.clone()),
        ("dots", format!("../../../../../../../../../..{host}")),
        ("root", format!("/proc/self/root{host}")),
        ("init", format!("/proc/1/root{host}")),
        ("descriptor", format!("/proc/self/fd/{descriptor}")),
        ("thread", format!("/proc/thread-self/root{host}")),
        ("second", "absolute".to_owned()),
        ("file", format!("{host}/hosts")),
        ("loop", "loop".to_owned()),
    ];
    for (name, target) in &links {
        symlink(target, guest.join(name)).unwrap();
    }
    // Opening the descriptor was an access of our own.
    canary.reset();
    let tried = in_private_mounts(|_| {
        let bind = MsFlags::MS_BIND;
        let none = None::<&str>;
        mount(Some("/proc"), &guest.join("proc"), none, bind, none)
            .map_err(imagewright::Error::from)?;
        let root = GuestRoot::open(&guest)?;
        let mut tried = 0;
        for (link, _) in &links {
            for below in ["", "/hosts", "/ssh", "/new", "/new/sub", "/*"] {
                try_everything(&root, &format!("/{link}{below}"));
                tried += 1;
            }
        }
        Ok(tried)
    });
    assert_eq!(tried.unwrap(), links.len() * 6);
    canary.assert_untouched("GuestRoot");
    // Not because nothing worked.
    assert!(inside.join("new/sub").exists());
}

fn try_everything(root: &GuestRoot, path: &str) {
    let owner = FileOwner::root(0o600);
    let _ = root.open_file(path).map(drop);
    let _ = root.read(path);
    let _ = root.read_if_exists(path);
    let _ = root.read_dir(path);
    let _ = root.exists(path);
    let _ = root.metadata(path);
    let _ = root.link_metadata(path);
    let _ = root.read_link(path);
    let _ = root.glob(path);
    let _ = root.append(path, b"appended", owner);
    let _ = root.truncate(path);
    let _ = root.chmod(path, 0o777);
    let _ = root.chown(path, 1, 1);
    let _ = root.rename(format!("{path}/hosts"), format!("{path}/renamed"));
    let _ = root.remove_all(format!("{path}/junk"));
    let _ = root.symlink("hosts", format!("{path}/link"));
    let _ = root.create(path, owner).map(drop);
    let _ = root.write(path, b"written", owner);
    let _ = root.create_dir_all(path, FileOwner::root(0o755));
    let _ = root.create_dir_all(format!("{path}/new/sub"), owner);
}
