// SPDX-License-Identifier: Apache-2.0
//! A directory of the host that nobody may touch.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use tempfile::TempDir;

use crate::support::run;

/// What a session looks for in the directories that a hostile image points
/// here: each would be read, changed or removed.
const FILES: [&str; 27] = [
    ".bash_history",
    "EFI/debian/grub.cfg",
    "a.log",
    "cmdline",
    "fstab",
    "group",
    "hostname",
    "hosts",
    "imagewright/cmdline",
    "journal/0123/system.journal",
    "junk",
    "kernel/cmdline",
    "loader/random-seed",
    "localtime",
    "loop-control",
    "machine-id",
    "null",
    "os-release",
    "passwd",
    "policy-rc.d",
    "pts/ptmx",
    "resolv.conf",
    "shm/x",
    "ssh/ssh_host_rsa_key",
    "ssh_host_rsa_key",
    "systemd/resolve/stub-resolv.conf",
    "wtmp",
];

/// The directory, watched: an access is an event.
pub(super) struct Canary {
    _owner: TempDir,
    directory: PathBuf,
    before: String,
    inotify: Inotify,
}

impl Canary {
    /// At a path that no image has.
    pub(super) fn new() -> Self {
        let owner = tempfile::Builder::new()
            .prefix("imagewright-canary-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let directory = owner.path().join("host");
        for name in FILES {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("canary {name}\n")).unwrap();
        }
        let (before, inotify) = watch(&directory);
        Self {
            _owner: owner,
            directory,
            before,
            inotify,
        }
    }

    /// Forgets what happened so far.
    pub(super) fn reset(&mut self) {
        (self.before, self.inotify) = watch(&self.directory);
    }

    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    /// Fails if anything in the directory was read or changed.
    #[track_caller]
    pub(super) fn assert_untouched(&self, what: &str) {
        let events = self.events();
        assert!(events.is_empty(), "{what}: {events:#?}");
        assert_eq!(state(&self.directory), self.before, "{what}");
        // That look was an access: so one would have been noticed.
        assert!(!self.events().is_empty());
    }

    fn events(&self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    all.extend(events.into_iter().map(|event| {
                        format!("{:?} {:?}", event.mask, event.name)
                    }));
                }
                Err(Errno::EAGAIN) => return all,
                Err(errno) => panic!("{errno}"),
            }
        }
    }
}

fn watch(directory: &Path) -> (String, Inotify) {
    let before = state(directory);
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let directories = run("find", [directory.to_str().unwrap(), "-type", "d"]);
    for path in directories.lines() {
        let all = AddWatchFlags::IN_ALL_EVENTS;
        inotify.add_watch(path, all).unwrap();
    }
    (before, inotify)
}

/// Names, modes, owners, times and contents.
fn state(directory: &Path) -> String {
    let script = "cd \"$1\"; \
        find . -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n' | sort; \
        find . -type f -exec sha256sum {} + | sort";
    let directory = directory.to_str().unwrap();
    run("sh", ["-euc", script, "sh", directory])
}
