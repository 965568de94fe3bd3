// SPDX-License-Identifier: Apache-2.0
//! A program of the image that tries everything to get out.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use imagewright::pipeline::build;
use imagewright::{CancelToken, Event, Monitor, Progress};

use super::Canary;
use crate::support::{Cli, Lab, Terminal, run, tiny_raw};

/// Keeps what commands say.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress for Said {
    fn event(&self, event: &Event<'_>) {
        if let Event::Output(line) = event {
            self.0.lock().unwrap().push((*line).to_owned());
        }
    }
}

/// Kernel state of the host that a guest could want to change.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    mounts: String,
    sysctls: Vec<(&'static str, Option<String>)>,
}

impl Host {
    fn now() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        let sysctls = [
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/domainname",
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sys/kernel/panic",
            "/proc/sys/kernel/cad_pid",
            "/proc/sys/vm/overcommit_memory",
            "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/fs/file-max",
        ];
        Self {
            mounts: read("/proc/self/mountinfo").unwrap(),
            sysctls: sysctls.map(|path| (path, read(path))).into(),
        }
    }
}

/// Ended with the test.
struct Witness(Child);

impl Witness {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Compiles the program, to run on any Linux; it is called `escape`.
pub(super) fn compile(lab: &Lab) -> PathBuf {
    let source = lab.write("escape.c", include_str!("escape.c"));
    let program = lab.join("escape");
    run(
        "gcc",
        [
            "-static".as_ref(),
            "-O1".as_ref(),
            "-o".as_ref(),
            program.as_path(),
            source.as_path(),
        ],
    );
    program
}

/// A disk of the host: one that the kernel knows and that is no loop device.
fn host_disk() -> (u32, u32) {
    let partitions = fs::read_to_string("/proc/partitions").unwrap();
    let disk = partitions.lines().skip(2).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [major, minor, _, name] = fields[..] else {
            panic!("{line}");
        };
        let disk = !name.starts_with("loop");
        disk.then(|| (major.parse().unwrap(), minor.parse().unwrap()))
    });
    disk.expect("a disk in /proc/partitions")
}

/// Whether Landlock keeps the guest from abstract sockets (Linux 6.12).
fn sockets_are_scoped(program: &Path) -> bool {
    let version = Cli::new(program).arg("landlock").run().success();
    version.trim().parse::<i64>().unwrap() >= 6
}

fn lines_of(lab: &Lab, recipe: &str) -> Vec<String> {
    let recipe = lab.recipe("recipe.yaml", recipe);
    let out = lab.join("out");
    let options = lab.build_options(&tiny_raw(), &recipe, &out);
    let said = Arc::new(Said::default());
    let monitor = Monitor::new(said.clone(), CancelToken::new());
    let built = build(&options, &monitor);
    let lines = said.0.lock().unwrap().clone();
    built.unwrap_or_else(|error| panic!("{error}: {lines:#?}"));
    lab.assert_nothing_left();
    lines
}

#[test]
fn privileged_root_in_the_image_reaches_nothing_of_the_host() {
    let lab = Lab::new();
    let program = compile(&lab);
    let canary = Canary::new();
    let mut witness = Witness::new();
    let name = format!("imagewright-{}", lab.marker());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (major, minor) = host_disk();
    let before = Host::now();
    let lines = lines_of(
        &lab,
        &format!(
            "steps:
  - upload: escape:/usr/bin/escape
  - run-command: escape {}/hosts {major}:{minor} {name} {}
",
            canary.path().display(),
            witness.0.id(),
        ),
    );
    assert_eq!(lines.last().unwrap(), "end", "{lines:#?}");
    let mut refused = BTreeSet::new();
    let mut devices = BTreeSet::new();
    let mut others = Vec::new();
    for line in &lines[..lines.len() - 1] {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [name, "refused", _] => {
                refused.insert(name);
            }
            ["device", name] => {
                devices.insert(name);
            }
            _ => others.push(line.as_str()),
        }
    }
    let mut expected =
        vec!["walk-proc walked", "walk-sys walked", "loop-look DONE"];
    if !sockets_are_scoped(&program) {
        expected.insert(3, "abstract-stream DONE");
    }
    assert_eq!(others, expected);
    assert!(refused.len() > 100, "{refused:#?}");
    let (own, pseudo): (Vec<&str>, Vec<&str>) = devices
        .into_iter()
        .partition(|name| name.starts_with("loop"));
    assert_eq!(pseudo, ["full", "null", "random", "tty", "urandom", "zero"]);
    assert_eq!(own.len(), 4, "{own:?}");
    // The disk, its partitions, and no other disk.
    assert!(own.iter().all(|name| name.starts_with(own[0])), "{own:?}");
    canary.assert_untouched("the escape");
    assert_eq!(Host::now(), before);
    assert!(witness.is_alive());
    if sockets_are_scoped(&program) {
        let called = listener.accept().unwrap_err();
        assert_eq!(called.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn privileged_kill_all_in_the_image_reaches_the_image_only() {
    let lab = Lab::new();
    compile(&lab);
    let mut witness = Witness::new();
    let lines = lines_of(
        &lab,
        "steps:
  - upload: escape:/usr/bin/escape
  - run-command: sleep 1000 & sleep 1000 & exec escape kill-all
  - run-command: echo still here
",
    );
    assert_eq!(lines, ["kill-all 0", "still here"]);
    assert!(witness.is_alive());
}

/// What a command pushes into a terminal's input, the shell that started us
/// would run. None of the ways to give us a terminal lets it.
#[test]
fn privileged_a_command_types_nothing_into_our_terminal() {
    let lab = Lab::new();
    let program = compile(&lab);
    let recipe = lab.recipe(
        "recipe.yaml",
        "steps: [upload: 'escape:/usr/bin/escape']\n\
         artifacts: [{format: raw, name: image.raw}]\n",
    );
    let out = lab.join("out");
    lab.build(&tiny_raw(), &recipe, &out).run().success();
    let shell = lab
        .cli()
        .args(["shell", "--insecure-no-checksum", "--read-only"])
        .arg("--work-dir")
        .arg(lab.join("work"))
        .arg(out.join("image.raw"))
        .args(["--", "escape", "terminal"]);
    let words: Vec<String> = shell
        .words()
        .into_iter()
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let line = words.join(" ");
    let control = format!("'{}' terminal", program.display());
    for (script, pushed) in [
        // Shows that the attempt works where nothing forbids it.
        (control, true),
        (line.clone(), false),
        (format!("{line} | cat"), false),
        (format!("cat /dev/null | {line}"), false),
        (format!("{line} 2>/dev/null >/dev/null"), false),
        (format!("{line} </dev/null >/dev/null"), false),
    ] {
        let command = Cli::new("sh").args(["-c", &script]);
        let input = Terminal::start(&command).wait_for_input();
        assert_eq!(!input.is_empty(), pushed, "{script}: {input:?}");
    }
    lab.assert_nothing_left();
}
