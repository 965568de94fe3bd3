// SPDX-License-Identifier: Apache-2.0
//! Things in an image that are not what their names promise.

use std::fs;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use imagewright::pipeline::{BuildReport, build};
use imagewright::{ErrorKind, Monitor};
use nix::sys::resource::{UsageWho, getrusage};

use super::escape::compile;
use crate::support::{Disk, Finished, Lab, names_in, run, tiny_raw};

/// Everything a session reads or writes of its own accord, or by
/// [`RECIPE`].
const FILES: [&str; 14] = [
    "/etc/fstab",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/kernel/cmdline",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/usr/lib/os-release",
    "/usr/sbin/policy-rc.d",
    "/var/lib/dbus/machine-id",
    "/var/lib/dpkg/status",
    "/var/log/wtmp",
];
const RECIPE: &str = "files:
  - {path: /srv/file, content: x, owner: daemon, group: daemon}
steps:
  - hostname: special
  - append-line: /etc/hosts:line
  - touch: /etc/group
  - truncate: /etc/group
";

/// Builds; fails if that does not end.
fn build_in_time(
    lab: &Lab,
    image: &Disk,
    recipe: &str,
) -> imagewright::Result<BuildReport> {
    let recipe = lab.recipe("recipe.yaml", recipe);
    let options = lab.build_options(image.path(), &recipe, &lab.join("out"));
    let (send, receive) = channel();
    let worker = thread::spawn(move || {
        let _ = send.send(build(&options, &Monitor::silent()));
    });
    let built = receive.recv_timeout(Duration::from_secs(60));
    assert_ne!(built.as_ref().err(), Some(&RecvTimeoutError::Timeout));
    worker.join().unwrap();
    built.unwrap()
}

fn copy_of_tiny(lab: &Lab) -> Disk {
    let image = lab.join("special.raw");
    fs::copy(tiny_raw(), &image).unwrap();
    Disk::new(image)
}

/// `make` puts `$f` there.
fn with_special(make: &str, files: &[&str]) {
    let lab = Lab::new();
    let disk = copy_of_tiny(&lab);
    let script =
        format!("for f; do f=.$f; mkdir -p ${{f%/*}}; rm -f $f; {make}; done");
    disk.change(&script, files);
    let built = build_in_time(&lab, &disk, RECIPE);
    lab.assert_nothing_left();
    if let Err(error) = built {
        let what = format!("{make} {files:?}: {error:?}");
        assert_ne!(error.kind(), ErrorKind::Internal, "{what}");
        assert!(error.cleanup().is_none(), "{what}");
        assert_eq!(names_in(&lab.join("out")), [""; 0], "{what}");
    }
}

#[test]
fn privileged_no_fifo_in_an_image_is_waited_for() {
    for file in FILES {
        with_special("mkfifo $f", &[file]);
    }
}

#[test]
fn privileged_no_device_in_an_image_is_opened() {
    let all_but_os = FILES.map(|file| match file {
        "/etc/os-release" | "/usr/lib/os-release" => "/etc/other",
        file => file,
    });
    // Endless zeroes; a terminal that would become ours; the host's disk.
    for device in ["c 1 5", "c 5 0", "b 254 0"] {
        for files in [&FILES[..], &all_but_os[..], &FILES[5..6]] {
            with_special(&format!("mknod $f {device}"), files);
        }
    }
}

#[test]
fn privileged_directories_sockets_and_holes_in_place_of_files_are_errors() {
    let socket = "python3 -c 'import socket, sys; \
        socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $f";
    for make in ["mkdir $f", socket, "truncate -s 2G $f", "ln -s . $f"] {
        with_special(make, &FILES[2..]);
        for file in &FILES[2..6] {
            with_special(make, &[file]);
        }
    }
}

/// Ours are there when a program of the image makes them immutable.
#[test]
fn privileged_what_cannot_be_restored_is_an_error_that_leaves_nothing() {
    let lab = Lab::new();
    compile(&lab);
    let built = build_in_time(
        &lab,
        &Disk::new(tiny_raw()),
        "steps:
  - upload: escape:/usr/bin/escape
  - run-command: escape immutable /usr/sbin/policy-rc.d /etc/machine-id
",
    );
    let error = built.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cleanup, "{error}");
    let text = error.to_string();
    assert!(text.contains("/usr/sbin/policy-rc.d"), "{text}");
    assert!(text.contains("/etc/machine-id"), "{text}");
    assert_eq!(names_in(&lab.join("out")), [""; 0]);
    lab.assert_nothing_left();
}

fn build_by_command(lab: &Lab, image: &Disk, recipe: &str) -> Finished {
    let recipe = lab.recipe("recipe.yaml", recipe);
    let out = lab.join("out");
    lab.build(image.path(), &recipe, &out).arg("-v").run()
}

fn assert_harmless(finished: &Finished) {
    for text in [&finished.stdout, &finished.stderr] {
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(control), "{text:?}");
    }
}

/// Nothing that an image says is obeyed by the terminal of its reader.
#[test]
fn privileged_no_control_character_of_an_image_is_printed() {
    let lab = Lab::new();
    let disk = copy_of_tiny(&lab);
    compile(&lab);
    disk.change(
        "printf 'PRETTY_NAME=\"evil \\033]0;title\\007 \\233\"\\n' \
            >>usr/lib/os-release
        f=$(printf 'var/log/\\033[2Jevil')
        echo x >\"$f\"",
        &[],
    );
    let sends = "steps: [run-command: 'printf \"\\033[31mred\\007\\r\\n\"'";
    let fails = format!("{sends}, run-command: 'printf \"\\033c\"; false']\n");
    let sticks = format!(
        "{sends}, upload: 'escape:/usr/bin/escape', \
         run-command: 'escape immutable /var/log/*evil']\n"
    );
    let fine = format!("{sends}]\n");
    for (recipe, code) in [(&fine, 0), (&fails, 9), (&sticks, 8)] {
        let finished = build_by_command(&lab, &disk, recipe);
        assert_eq!(finished.code(), code, "{finished:#?}");
        assert_harmless(&finished);
    }
    let recipe = lab.recipe("recipe.yaml", "");
    let plan = lab
        .build(disk.path(), &recipe, &lab.join("out"))
        .arg("--dry-run")
        .run();
    assert!(plan.stdout.contains("evil"), "{plan:#?}");
    assert_harmless(&plan);
}

/// 100 MB in one line.
#[test]
fn privileged_an_endless_line_is_passed_on_in_pieces() {
    let lab = Lab::new();
    let recipe =
        "steps: [run-command: 'head -c 100000000 /dev/zero | tr \"\\0\" x']";
    let finished = build_by_command(&lab, &Disk::new(tiny_raw()), recipe);
    assert_eq!(finished.code(), 0);
    let xs = finished.stderr.bytes().filter(|byte| *byte == b'x').count();
    assert!(xs >= 100_000_000, "{xs}");
    let longest = finished.stderr.lines().map(str::len).max();
    assert!(longest.unwrap() < 20_000);
    // Of all the processes that we waited for.
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    assert!(usage.max_rss() < 100 * 1024, "{} KiB", usage.max_rss());
    lab.assert_nothing_left();
}

/// Labels of the image become names in `/dev/disk`, and only there.
#[test]
fn privileged_a_label_is_one_name() {
    let lab = Lab::new();
    let disk = copy_of_tiny(&lab);
    let path = disk.path().to_str().unwrap();
    let labels = [("1", "../../../etc/passwd"), ("14", ".."), ("15", "a/b c")];
    for (number, label) in labels {
        run("sfdisk", ["--quiet", "--part-label", path, number, label]);
    }
    let listed = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg("--work-dir")
        .arg(lab.join("work"))
        .arg(disk.path())
        .args(["--", "ls", "-1A", "/dev/disk/by-partlabel", "/etc/passwd"])
        .run()
        .success();
    assert_eq!(
        listed,
        "/etc/passwd\n\n/dev/disk/by-partlabel:\n\
         ..\\x2f..\\x2f..\\x2fetc\\x2fpasswd\na\\x2fb\\x20c\n"
    );
    lab.assert_nothing_left();
}
