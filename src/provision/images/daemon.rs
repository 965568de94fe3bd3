// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! containerd, running in the contained root for as long as there is work.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Generation;
use crate::error::{Error, ErrorKind, Result, after};
use crate::mount::FileOwner;
use crate::progress::Monitor;
use crate::provision::package_manager::Guest;

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// Runs containerd until standard input ends, then asks it to end and waits
/// for it: its database is whole on the disk.
const SCRIPT: &str = "containerd --config \"$1\" --log-level warn & pid=$!
{ read -r _; kill -TERM $pid; } <&3 3<&- &
wait $pid";

/// A containerd that serves.
pub(super) struct Daemon;

impl Daemon {
    /// Does `work` with a socket of containerd; it has ended afterwards.
    pub(super) fn run(
        guest: &Guest<'_>,
        generation: Generation,
        work: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        let path = |name: &str| {
            let path = guest.environment.private_path(name);
            path.display().to_string()
        };
        let (config, socket) =
            (path("containerd.toml"), path("containerd.sock"));
        let text = config_text(generation, &path("containerd"), &socket);
        guest
            .root()
            .write(&config, text.as_bytes(), FileOwner::root(0o600))?;
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let done = thread::scope(|scope| {
            let daemon = scope.spawn(|| serve(guest, &config, read));
            let running = Running {
                daemon,
                stop: Some(File::from(write)),
            };
            let worked = running
                .wait_for_socket(guest, &socket)
                .and_then(|()| work(&socket));
            after(worked, running.stop())
        });
        guest.root().remove_all(&config)?;
        done
    }
}

fn serve(
    guest: &Guest<'_>,
    config: &str,
    stdin: OwnedFd,
) -> Result<(ExitStatus, String)> {
    // What it says is not for the person who builds, unless it fails.
    let monitor = Monitor::quiet(guest.monitor);
    guest
        .environment
        .command("/bin/sh")
        .args(["-c", &format!("exec 3<&0 </dev/null\n{SCRIPT}"), "sh"])
        .arg(config)
        .stdin_from(stdin)
        .status(&monitor)
}

struct Running<'scope> {
    daemon: ScopedJoinHandle<'scope, Result<(ExitStatus, String)>>,
    /// Closed, it is told to end.
    stop: Option<File>,
}

impl Running<'_> {
    fn wait_for_socket(&self, guest: &Guest<'_>, socket: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            guest.monitor.check()?;
            if guest.root().exists(socket)? {
                return Ok(());
            }
            // Why is for `stop` to say.
            if self.daemon.is_finished() || Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Command,
                    "containerd does not begin to serve",
                ));
            }
            thread::sleep(POLL);
        }
    }

    fn stop(mut self) -> Result<()> {
        drop(self.stop.take());
        let ended = self
            .daemon
            .join()
            .map_err(|_| Error::internal("containerd's thread panicked"))?;
        match ended? {
            (status, _) if status.success() => Ok(()),
            (status, said) => Err(Error::new(
                ErrorKind::Command,
                format!("containerd ended with {status}; it said:\n{said}"),
            )),
        }
    }
}

/// No CRI, which would want a network, and no snapshotter that mounts.
fn config_text(generation: Generation, state: &str, socket: &str) -> String {
    const SNAPSHOTTERS: [&str; 7] = [
        "aufs",
        "blockfile",
        "btrfs",
        "devmapper",
        "erofs",
        "overlayfs",
        "zfs",
    ];
    let version = match generation {
        Generation::One => 2,
        Generation::Two { .. } => 3,
    };
    let disabled: String = SNAPSHOTTERS
        .iter()
        .map(|name| format!(", \"io.containerd.snapshotter.v1.{name}\""))
        .collect();
    format!(
        "version = {version}\n\
         root = \"/var/lib/containerd\"\n\
         state = \"{state}\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \
         \"io.containerd.internal.v1.restart\"{disabled}]\n\
         [grpc]\n\
         address = \"{socket}\"\n\
         [ttrpc]\n\
         address = \"{socket}.ttrpc\"\n"
    )
}
