// SPDX-License-Identifier: Apache-2.0
//! Running commands to their end, which always comes.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes longer, even emulated and beside other work.
const LONGEST: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(5);

/// Polls until `ready`, at most for `patience`; whether it was.
pub(crate) fn wait_for(
    patience: Duration,
    mut ready: impl FnMut() -> bool,
) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if ready() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// A command that is put together.
#[must_use]
pub(crate) struct Cli(Command);

impl Cli {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(
        mut self,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(
        mut self,
        name: impl AsRef<OsStr>,
        value: impl AsRef<OsStr>,
    ) -> Self {
        self.0.env(name, value);
        self
    }

    /// Program and arguments, to be run by another program.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let program = self.0.get_program().to_owned();
        let args = self.0.get_args().map(OsStr::to_owned);
        [program].into_iter().chain(args).collect()
    }

    /// The variables it was given.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let given = self.0.get_envs();
        given
            .filter_map(|(name, value)| Some((name.into(), value?.into())))
            .collect()
    }

    /// The same in a network namespace of its own: nothing is reached.
    pub(crate) fn without_network(self) -> Self {
        let mut command = Self::new("unshare").args(["--net", "--"]);
        for (name, value) in self.variables() {
            command = command.env(name, value);
        }
        command.args(self.words())
    }

    /// Runs it with `stdin` as its input.
    pub(crate) fn run_with(mut self, stdin: impl Into<Stdio>) -> Finished {
        self.0.stdin(stdin);
        finish(self.0)
    }

    /// Runs it with an empty input.
    pub(crate) fn run(self) -> Finished {
        self.run_with(Stdio::null())
    }

    /// Starts it in a process group of its own, standard error piped.
    pub(crate) fn start(mut self) -> Child {
        self.0
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("starting the command")
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The exit code; 128 and more for a signal, as a shell tells it.
    pub(crate) fn code(&self) -> i32 {
        let signal = || 128 + self.status.signal().unwrap_or(0);
        self.status.code().unwrap_or_else(signal)
    }

    /// Fails unless it ended with status 0; returns standard output.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }
}

fn finish(mut command: Command) -> Finished {
    let what = format!("{command:?}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let mut status = None;
    let ended = wait_for(LONGEST, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !ended {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let finished = Finished {
        status: status.unwrap_or_default(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    };
    assert!(ended, "{what} did not end: {finished:#?}");
    finished
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a program that has to succeed; returns its standard output.
#[track_caller]
pub(crate) fn run<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
) -> String {
    Cli::new(program).args(args).run().success()
}

/// Runs a shell script in a mount namespace of its own: what it mounts is
/// gone at its end. `args` are `$1` and so on.
pub(crate) fn in_own_mounts<S: AsRef<OsStr>>(
    script: &str,
    args: impl IntoIterator<Item = S>,
) -> Finished {
    Cli::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .args(["/bin/sh", "-euc", script, "sh"])
        .args(args)
        .run()
}

/// By `sha256sum`.
pub(crate) fn sha256(path: &Path) -> String {
    let said = run("sha256sum", ["--".as_ref(), path]);
    said.split_whitespace().next().unwrap().to_owned()
}
