// SPDX-License-Identifier: Apache-2.0
//! Whatever ends a build at whatever moment, nothing of it stays.
//!
//! SIGKILL: the kernel takes back every mount, loop device and process, and
//! the declared work directory is all that is left. SIGINT, SIGTERM and the
//! library's token: not even that is left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imagewright::pipeline::build;
use imagewright::{CancelToken, ErrorKind, Event, Monitor, Progress};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Lab, Random, names_in, run, sha256, tiny_qcow2};

const KILLS: usize = 50;
/// Some moments come after the end, on a machine of uneven speed.
const MAX_TRIES: usize = 150;
const WORK_DIR: &str = ".imagewright";
const PUBLISHED: [&str; 5] = [
    "SHA256SUMS",
    "manifest.json",
    "provenance.json",
    "tiny.qcow2",
    "tiny.raw",
];

/// Every phase, with commands that leave processes behind which do not want
/// to end.
const RECIPE: &str = "metadata: {name: tiny}
disk: {size: 160M}
files:
  - {path: /etc/motd, content: hello}
steps:
  - run-command: sleep 0.1
  - run-command: >-
      trap '' HUP INT TERM;
      sleep 1000 &
      setsid sleep 1001 &
      (setsid sh -c 'trap \"\" HUP INT TERM; while :; do sleep 1; done' &);
      sleep 0.1
  - write: /opt/note:x
  - run-command: dd if=/dev/urandom of=/opt/data bs=1M count=6; sleep 0.1
artifacts:
  - {format: qcow2, compression: zstd}
  - {format: raw}
";

/// A build that is to be ended before its time.
struct Victim {
    lab: Lab,
    input: PathBuf,
    digest: String,
    recipe: PathBuf,
    out: PathBuf,
}

/// When to strike.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// So long after a step began.
    InStep(usize, Duration),
}

/// A started build, and what it says.
struct Running {
    child: Child,
    steps: Receiver<Step>,
    reader: JoinHandle<String>,
    started: Instant,
    latest: String,
}

#[derive(Debug, Clone)]
struct Step {
    number: usize,
    name: String,
    at: Instant,
}

impl Victim {
    fn new() -> Self {
        let lab = Lab::new();
        let input = lab.join("input.qcow2");
        fs::copy(tiny_qcow2(), &input).unwrap();
        Self {
            digest: sha256(&input),
            recipe: lab.recipe("recipe.yaml", RECIPE),
            out: lab.join("out"),
            input,
            lab,
        }
    }

    fn start(&self) -> Running {
        let command = self.lab.build(&self.input, &self.recipe, &self.out);
        let started = Instant::now();
        let mut child = command.args(["--progress", "json"]).start();
        let (send, steps) = channel();
        let stderr = child.stderr.take().unwrap();
        let reader = thread::spawn(move || read_steps(stderr, &send));
        Running {
            child,
            steps,
            reader,
            started,
            latest: "start".to_owned(),
        }
    }

    /// Strikes a run so long after a step began, or sooner: the machine may
    /// be quicker than when the step was measured. A blow that came when the
    /// run had ended, or was past undoing, does not count.
    fn strike(
        &self,
        step: &Step,
        delay: Duration,
        blow: impl Fn(Pid),
    ) -> (ExitStatus, String) {
        for halved in 0..MAX_TRIES {
            let sooner = u32::try_from(halved).unwrap().min(31);
            let delay = delay / 2_u32.pow(sooner);
            let mut running = self.start();
            let reached = running.reach(Moment::InStep(step.number, delay));
            if reached {
                blow(running.pid());
            }
            let (status, said) = running.wait();
            if !status.success() {
                assert!(reached, "it failed by itself: {said}");
                return (status, said);
            }
            self.assert_complete();
            fs::remove_dir_all(&self.out).unwrap();
        }
        panic!("every run had ended before {delay:?} into {step:?}");
    }

    /// Runs to the end; returns the steps and how long they took.
    fn measure(&self) -> Vec<(Step, Duration)> {
        let running = self.start();
        let mut steps: Vec<Step> = running.steps.iter().collect();
        let end = Instant::now();
        let (status, said) = running.wait();
        assert!(status.success(), "{said}");
        self.assert_complete();
        let mut last = end;
        let mut measured = Vec::new();
        while let Some(step) = steps.pop() {
            let took = last - step.at;
            last = step.at;
            measured.insert(0, (step, took));
        }
        measured
    }

    /// All outputs, whole, and nothing else.
    fn assert_complete(&self) {
        assert_eq!(names_in(&self.out), PUBLISHED);
        check_sums(&self.out);
        self.lab.assert_nothing_left();
        assert_eq!(sha256(&self.input), self.digest);
    }

    /// What may be there after SIGKILL: one session's work directory.
    fn assert_only_work_dir(&self) {
        self.lab.assert_nothing_left();
        assert_eq!(sha256(&self.input), self.digest);
        let mut names = names_in(&self.out);
        names.retain(|name| name != WORK_DIR);
        let work = self.out.join(WORK_DIR);
        let sessions = names_in(&work);
        assert!(sessions.len() <= 1, "not reclaimed: {sessions:?}");
        if names.is_empty() {
            return;
        }
        // Killed between two renames: what has its name is whole.
        let session = work.join(sessions.first().map_or("", String::as_str));
        let gathered = self.lab.join("gathered");
        fs::create_dir(&gathered).unwrap();
        for directory in [session.join("out"), self.out.clone()] {
            for name in PUBLISHED {
                let _ = fs::rename(directory.join(name), gathered.join(name));
            }
        }
        assert_eq!(names_in(&gathered), PUBLISHED);
        check_sums(&gathered);
        fs::remove_dir_all(&gathered).unwrap();
        let mut names = names_in(&self.out);
        names.retain(|name| name != WORK_DIR);
        assert_eq!(names, [""; 0]);
    }
}

fn check_sums(directory: &Path) {
    let script = "cd \"$1\" && sha256sum --check --strict SHA256SUMS";
    let directory = directory.to_str().unwrap();
    run("sh", ["-euc", script, "sh", directory]);
}

fn read_steps(
    stderr: ChildStderr,
    send: &std::sync::mpsc::Sender<Step>,
) -> String {
    let mut said = String::new();
    let mut lines = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        said.push_str(&line);
        let Ok(event) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if event["event"] == "step" {
            let number = event["number"].as_u64().unwrap();
            let _ = send.send(Step {
                number: usize::try_from(number).unwrap(),
                name: event["name"].as_str().unwrap().to_owned(),
                at: Instant::now(),
            });
        }
    }
    let _ = lines.read_to_string(&mut said);
    said
}

impl Running {
    /// Waits for the moment; whether it came before the end.
    fn reach(&mut self, moment: Moment) -> bool {
        let mut deadline = match moment {
            Moment::After(delay) => Some(self.started + delay),
            Moment::InStep(..) => None,
        };
        loop {
            let now = Instant::now();
            let patience = match deadline {
                Some(deadline) => deadline.saturating_duration_since(now),
                None => Duration::from_secs(60),
            };
            match self.steps.recv_timeout(patience) {
                Ok(step) => {
                    if let Moment::InStep(number, delay) = moment
                        && number == step.number
                    {
                        deadline = Some(step.at + delay);
                    }
                    self.latest = step.name;
                }
                Err(RecvTimeoutError::Timeout) => {
                    assert!(deadline.is_some(), "{moment:?} never came");
                    return self.child.try_wait().unwrap().is_none();
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.reader.join().unwrap())
    }
}

/// Half of the moments are spread over the time, the others over the steps,
/// so that the short ones are met as well.
fn moments(
    measured: &[(Step, Duration)],
    random: &mut Random,
) -> impl Iterator<Item = Moment> {
    let first = measured[0].0.at;
    let last = measured.last().unwrap();
    let total = last.0.at + last.1 - first;
    let strata = KILLS / 2;
    let mut moments = Vec::new();
    for number in 0..MAX_TRIES {
        let fraction = random.fraction();
        moments.push(match number % 2 {
            0 => {
                let stratum = (number / 2 % strata) as f64;
                let share = (stratum + fraction) / strata as f64;
                Moment::After(total.mul_f64(share))
            }
            _ => {
                let (step, took) = &measured[number / 2 % measured.len()];
                Moment::InStep(step.number, took.mul_f64(fraction))
            }
        });
    }
    moments.into_iter()
}

#[test]
fn privileged_sigkill_leaves_nothing_but_the_work_directory() {
    let victim = Victim::new();
    let mut random = Random::new();
    let measured = victim.measure();
    for name in PUBLISHED {
        fs::remove_file(victim.out.join(name)).unwrap();
    }
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut kills = 0;
    for moment in moments(&measured, &mut random) {
        if kills == KILLS {
            break;
        }
        let mut running = victim.start();
        if !running.reach(moment) {
            let (status, said) = running.wait();
            assert!(status.success(), "{said}");
            victim.assert_complete();
            for name in PUBLISHED {
                fs::remove_file(victim.out.join(name)).unwrap();
            }
            continue;
        }
        let latest = running.latest.clone();
        kill(running.pid(), Signal::SIGKILL).unwrap();
        let (status, said) = running.wait();
        println!("{moment:?}: {latest}");
        if status.success() {
            // It ended between the look and the blow.
            continue;
        }
        assert_eq!(status.signal(), Some(9), "{said}");
        victim.assert_only_work_dir();
        *met.entry(latest).or_default() += 1;
        kills += 1;
    }
    println!("{met:#?}");
    assert_eq!(kills, KILLS);
    for (step, took) in &measured {
        let long = *took > Duration::from_millis(50);
        assert!(!long || met.contains_key(&step.name), "missed {step:?}");
    }
    victim.measure();
}

#[test]
fn privileged_a_killed_shell_leaves_nothing() {
    let victim = Victim::new();
    let work = victim.lab.join("work");
    let marker = victim.lab.marker();
    let script = format!("echo ready-{marker} >&2; sleep 1000");
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let mut child = victim
            .lab
            .cli()
            .args(["shell", "--insecure-no-checksum", "--work-dir"])
            .arg(&work)
            .arg(&victim.input)
            .args(["--", "/bin/sh", "-c", &script])
            .start();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready-") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "{line}");
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, signal).unwrap();
        let status = child.wait().unwrap();
        victim.lab.assert_nothing_left();
        if signal == Signal::SIGKILL {
            assert_eq!(status.signal(), Some(9));
        } else {
            assert_eq!(status.code(), Some(130));
            assert!(!work.exists(), "{:?}", names_in(&work));
        }
    }
    assert_eq!(sha256(&victim.input), victim.digest);
}

#[test]
fn privileged_sigint_and_sigterm_clean_up_and_say_so() {
    let victim = Victim::new();
    let mut random = Random::new();
    let measured = victim.measure();
    fs::remove_dir_all(&victim.out).unwrap();
    // Once it is publishing, it is too late.
    let count = measured.len() - 1;
    for (index, (step, took)) in measured[..count].iter().enumerate() {
        let delay = took.mul_f64(random.fraction() * 0.8);
        let signal = [Signal::SIGINT, Signal::SIGTERM][index / 2 % 2];
        let struck = victim.strike(step, delay, |pid| match index % 2 {
            // As a terminal does it: to everybody in the foreground.
            0 => killpg(pid, signal).unwrap(),
            _ => kill(pid, signal).unwrap(),
        });
        let (status, said) = struck;
        println!("{signal} {delay:?} {}: {said}", step.name);
        assert_eq!(status.code(), Some(130), "{signal} {delay:?}: {said}");
        let last = said.lines().last().unwrap();
        assert!(last.contains("cancelled"), "{last}");
        assert_eq!(names_in(&victim.out), [""; 0], "{signal} {delay:?}");
        victim.lab.assert_nothing_left();
        assert_eq!(sha256(&victim.input), victim.digest);
    }
    victim.measure();
}

/// The tools of the host run while the disk is attached; one that the
/// terminal ends would be a failure rather than a cancellation.
#[test]
fn privileged_a_key_at_the_terminal_is_a_cancellation_in_every_phase() {
    let victim = Victim::new();
    let measured = victim.measure();
    fs::remove_dir_all(&victim.out).unwrap();
    let attach = |(step, _): &&(Step, Duration)| step.name.contains("attach");
    let (step, took) = measured.iter().find(attach).unwrap();
    for part in 1..=12 {
        let delay = took.mul_f64(f64::from(part) / 14.0);
        let struck = victim.strike(step, delay, |pid| {
            killpg(pid, Signal::SIGINT).unwrap();
        });
        let (status, said) = struck;
        assert_eq!(status.code(), Some(130), "{delay:?}: {said}");
        assert_eq!(names_in(&victim.out), [""; 0]);
    }
    victim.lab.assert_nothing_left();
}

#[test]
fn privileged_a_second_signal_ends_at_once() {
    let victim = Victim::new();
    let measured = victim.measure();
    fs::remove_dir_all(&victim.out).unwrap();
    let step = &measured[measured.len() / 2].0;
    let mut running = victim.start();
    assert!(running.reach(Moment::InStep(step.number, Duration::ZERO)));
    kill(running.pid(), Signal::SIGINT).unwrap();
    // Gone already: the first one was enough.
    let _ = kill(running.pid(), Signal::SIGTERM);
    let (status, said) = running.wait();
    assert_eq!(status.code(), Some(130), "{said}");
    victim.assert_only_work_dir();
    victim.measure();
}

/// Cancels when a step begins, or when a command says a word.
struct CancelAt {
    token: CancelToken,
    step: Option<usize>,
    word: Option<&'static str>,
    steps: Mutex<usize>,
}

impl Progress for CancelAt {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Step { number, .. } => {
                *self.steps.lock().unwrap() = *number;
                if self.step == Some(*number) {
                    self.token.cancel();
                }
            }
            Event::Output(line) if self.word == Some(line) => {
                self.token.cancel();
            }
            _ => {}
        }
    }
}

fn build_and_cancel(
    victim: &Victim,
    recipe: &Path,
    step: Option<usize>,
    word: Option<&'static str>,
) -> (imagewright::Result<()>, usize) {
    let options = victim.lab.build_options(&victim.input, recipe, &victim.out);
    let token = CancelToken::new();
    let progress = Arc::new(CancelAt {
        token: token.clone(),
        step,
        word,
        steps: Mutex::new(0),
    });
    let monitor = Monitor::new(progress.clone(), token);
    let built = build(&options, &monitor).map(drop);
    let steps = *progress.steps.lock().unwrap();
    (built, steps)
}

#[test]
fn privileged_a_cancelled_library_call_cleans_up() {
    let victim = Victim::new();
    let (built, steps) = build_and_cancel(&victim, &victim.recipe, None, None);
    built.unwrap();
    assert!(steps > 7, "{steps}");
    fs::remove_dir_all(&victim.out).unwrap();
    for step in 1..=steps {
        let (built, reached) =
            build_and_cancel(&victim, &victim.recipe, Some(step), None);
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{step}: {error}");
        assert!(error.to_string().contains("cancelled"), "{error}");
        assert!(error.cleanup().is_none(), "{error}");
        // Attaching is too short to be interrupted.
        assert!(reached == step || reached == step + 1, "{reached}");
        assert_eq!(names_in(&victim.out), [""; 0], "{step}");
        victim.lab.assert_nothing_left();
    }
    assert_eq!(sha256(&victim.input), victim.digest);
}

#[test]
fn privileged_a_running_command_is_cancelled_at_once() {
    let victim = Victim::new();
    let recipe = victim.lab.recipe(
        "long.yaml",
        "steps:\n  - run-command: \"sleep 1000 & echo ready; sleep 1000\"\n",
    );
    let started = Instant::now();
    let (built, _) = build_and_cancel(&victim, &recipe, None, Some("ready"));
    let took = started.elapsed();
    let error = built.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(names_in(&victim.out), [""; 0]);
    victim.lab.assert_nothing_left();
}
