// SPDX-License-Identifier: Apache-2.0
//! A person, or one command, in the root of an image.

use std::fs::File;
use std::path::Path;

use crate::support::{Cli, Disk, Lab, Terminal, fixture, sha256, tiny_raw};

fn shell(lab: &Lab, image: &Path, options: &[&str]) -> Cli {
    lab.cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(options)
        .arg(image)
}

#[test]
fn privileged_shell_passes_status_and_streams_on() {
    let lab = Lab::new();
    let image = tiny_raw();
    let run = |script: &str| {
        shell(&lab, &image, &["--read-only"]).args(["--", "sh", "-c", script])
    };
    assert_eq!(run("exit 42").run().code(), 42);
    assert_eq!(run("kill -9 $$").run().code(), 128 + 9);
    let input = lab.write("input", "typed");
    let said = run("cat; echo two >&2").run_with(File::open(input).unwrap());
    assert_eq!((said.stdout.as_str(), said.code()), ("typed", 0));
    assert!(said.stderr.ends_with("two\n"), "{said:?}");
    let missing = shell(&lab, &image, &["--read-only"])
        .args(["--", "no-such"])
        .run();
    assert_eq!(missing.code(), 11);
    assert!(missing.stderr.contains("no-such"), "{missing:?}");
    lab.assert_nothing_left();
}

#[test]
fn privileged_shell_read_only_changes_no_byte() {
    let lab = Lab::new();
    let image = lab.join("image.raw");
    std::fs::copy(tiny_raw(), &image).unwrap();
    let before = sha256(&image);
    let done = shell(&lab, &image, &["--read-only"])
        .args(["--", "sh", "-c", "echo x >/file; ls /"])
        .run();
    assert!(done.stderr.contains("Read-only file system"), "{done:?}");
    assert_eq!(sha256(&image), before);
    lab.assert_nothing_left();
}

#[test]
fn privileged_shell_keeps_changes_only_where_it_is_told_to() {
    let lab = Lab::new();
    let image = tiny_raw();
    let before = sha256(&image);
    let output = lab.join("changed.raw");
    let change = ["--", "sh", "-c", "echo kept >/file"];
    shell(&lab, &image, &[]).args(change).run().success();
    let into = ["--output", output.to_str().unwrap()];
    let failed = ["--", "sh", "-c", "echo kept >/file; exit 1"];
    assert_eq!(shell(&lab, &image, &into).args(failed).run().code(), 1);
    assert!(!output.exists());
    shell(&lab, &image, &into).args(change).run().success();
    assert_eq!(sha256(&image), before);
    let (changed, original) = (Disk::new(&output), Disk::new(&image));
    changed.assert_sound();
    assert_eq!(changed.look("cat file", &[]), "kept\n");
    let same = |number| {
        changed.partition_digest(number) == original.partition_digest(number)
    };
    assert!(same(14), "the BIOS boot partition changed");
    lab.assert_nothing_left();
}

#[test]
fn privileged_shell_on_a_terminal_has_job_control() {
    let lab = Lab::new();
    let image = fixture("debian-12/debian-12-base-amd64.qcow2");
    let mut terminal = Terminal::start(&shell(&lab, &image, &["--read-only"]));
    terminal.expect("# ");
    terminal.send("tty; stty size; sleep 100 & jobs\n");
    let said = terminal.expect("Running");
    assert!(said.contains("/dev/pts/0"), "{said}");
    assert!(said.contains("30 100"), "{said}");
    // The one in the foreground gets the signal, and only it.
    terminal.send("sh -c 'echo rea\"\"dy; exec cat'\n");
    terminal.expect("ready");
    terminal.send("\u{3}");
    terminal.expect("^C");
    terminal.expect("# ");
    terminal.send("echo sta''tus $?\n");
    terminal.expect("status 130");
    terminal.send("exit 7\n");
    let (code, said) = terminal.wait();
    assert_eq!(code, 7, "{said}");
    assert!(!said.contains("no job control"), "{said}");
    lab.assert_nothing_left();
}
