// SPDX-License-Identifier: Apache-2.0
//! `imagewright shell`.

use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::chroot::Network;
use imagewright::pipeline::{self, ShellOptions};

use crate::args::{Global, Shell};

/// The command's own status becomes ours; 128 plus the signal that ended it.
pub(super) fn run(
    args: Shell,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let input =
        super::input(&args.image, args.verification, &args.opening, global)?;
    let mut options = ShellOptions::new(input);
    options.read_only = args.read_only;
    options.output = args.output;
    options.command = args.command;
    options.work_dir.clone_from(&global.work_dir);
    if args.no_network {
        options.network = Network::None;
    }
    if !options.read_only && options.output.is_none() {
        monitor.warn(
            "changes will be dropped: name a new image with --output to \
             keep them",
        );
    }
    let ended = pipeline::shell(&options, monitor)?;
    let code = shell_code(ended.status);
    Ok(ExitCode::from(code))
}

fn shell_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}
