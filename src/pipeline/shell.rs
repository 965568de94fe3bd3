// SPDX-License-Identifier: Apache-2.0
//! A person, or one command, in the root of an image.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::ExitStatus;

use super::ShellOptions;
use super::input::Input;
use super::mounted::{MountedDisk, MountedOptions};
use super::single_output::{SingleOutput, as_named};
use super::work_dir::WorkDir;
use crate::chroot::GuestEnvironment;
use crate::error::{Context, Error, Result, after};
use crate::progress::Monitor;
use crate::sys::capability;
use crate::sys::namespace::{PrivateMounts, in_private_mounts};

/// How a shell ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Shell {
    /// The status of the command.
    pub status: ExitStatus,
}

/// Enters an image.
///
/// Without [`output`](ShellOptions::output) what the command changes is
/// dropped; with it, the changed image is written there when the command ends
/// with status 0.
///
/// # Errors
/// `NotFound` when the image has no such command, and those of opening,
/// attaching and mounting. The command's own status is no error.
///
/// # Privileges
/// Root: CAP_SYS_ADMIN and CAP_MKNOD.
pub fn shell(options: &ShellOptions, monitor: &Monitor) -> Result<Shell> {
    capability::require_admin("entering an image")?;
    let scratch = options.work_base();
    let input = Input::fetch(&options.input, &scratch, monitor)?;
    let work = WorkDir::create(&options.work_base())?;
    let done = in_private_mounts(|session| {
        run(options, &input, &work, session, monitor)
    });
    after(done, work.close())
}

fn run(
    options: &ShellOptions,
    input: &Input,
    work: &WorkDir,
    session: &PrivateMounts,
    monitor: &Monitor,
) -> Result<Shell> {
    let disk = disk_to_enter(options, input, work, monitor)?;
    let how = MountedOptions {
        read_only: options.read_only,
        network: options.network,
        ..MountedOptions::default()
    };
    let mounted = MountedDisk::open(session, &disk, &input.layout, work, &how)?;
    let ended = enter(options, mounted.environment(), monitor);
    let status = match (ended, &options.output) {
        (Ok(status), Some(_)) if status.success() => {
            let left = mounted.leave()?;
            let trimmed = left.finish();
            after(trimmed, left.close())?;
            status
        }
        (ended, _) => after(ended, mounted.close())?,
    };
    if let Some(output) = &options.output
        && status.success()
    {
        let options = as_named(output, input.image.format());
        SingleOutput {
            path: output.clone(),
            options,
            replaces: None,
        }
        .write(disk, work, monitor)?;
    }
    Ok(Shell { status })
}

/// The image's own file when it is only read and needs no decoding.
fn disk_to_enter(
    options: &ShellOptions,
    input: &Input,
    work: &WorkDir,
    monitor: &Monitor,
) -> Result<File> {
    let as_it_is = input.image.is_plain_raw() && !input.is_decoded();
    if options.read_only && as_it_is {
        return File::open(&input.path).at(&input.path);
    }
    input.working_disk(work, monitor)
}

fn enter(
    options: &ShellOptions,
    environment: &GuestEnvironment,
    monitor: &Monitor,
) -> Result<ExitStatus> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let mut words = options.command.iter().cloned();
    let command = match words.next() {
        Some(program) => environment.command(program).args(words),
        None => environment.command(login_shell(environment)?).arg("-l"),
    };
    if stdin.is_terminal() && stdout.is_terminal() {
        return command.interact(stdin.as_fd(), stdout.as_fd(), monitor);
    }
    let stderr = io::stderr();
    command.connect([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()], monitor)
}

fn login_shell(environment: &GuestEnvironment) -> Result<&'static str> {
    for shell in ["/bin/bash", "/bin/sh"] {
        if environment.root().exists(shell)? {
            return Ok(shell);
        }
    }
    Err(Error::new(
        crate::error::ErrorKind::NotFound,
        "the image has no shell",
    ))
}
