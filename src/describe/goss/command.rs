// SPDX-License-Identifier: Apache-2.0
//! `command`: what a program of the image says.
//!
//! It runs in the contained root, on a filesystem that is read-only, without
//! a network. A program that needs a running system fails there.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::document::Resource;
use super::matcher::Actual;
use super::{Guest, Seen};
use crate::chroot::GuestEnvironment;
use crate::error::{ErrorKind, Result};
use crate::progress::Monitor;

/// Goss's own, in milliseconds.
const TIMEOUT: u64 = 10_000;
const POLL: Duration = Duration::from_millis(50);

pub(super) fn look(
    guest: &Guest<'_>,
    resource: &Resource,
    attribute: &str,
) -> Result<Seen> {
    let Some(environment) = guest.environment else {
        return Ok(Seen::Unknown("no program of the image runs".to_owned()));
    };
    let line = resource.name("exec");
    let line = match attribute {
        "exit-status" | "stdout" => line.to_owned(),
        // Captured in the place of standard output.
        "stderr" => format!("{{ {line}\n}} 2>&1 >/dev/null"),
        _ => {
            let why = format!("`{attribute}` of a command is not known here");
            return Ok(Seen::Unknown(why));
        }
    };
    let timeout = resource.attributes.get("timeout").and_then(Value::as_u64);
    let timeout = Duration::from_millis(timeout.unwrap_or(TIMEOUT));
    let Some((status, text)) = run(environment, &line, timeout)? else {
        let ended = format!("did not end within {} ms", timeout.as_millis());
        return Ok(Seen::is(ended));
    };
    Ok(match attribute {
        "exit-status" => Seen::is(status),
        _ => Seen::Is(Actual::Text(text)),
    })
}

/// Status and output; none when the time is up.
fn run(
    environment: &GuestEnvironment,
    line: &str,
    timeout: Duration,
) -> Result<Option<(i32, String)>> {
    let monitor = Monitor::silent();
    let (done, ended) = channel::<()>();
    let deadline = Instant::now() + timeout;
    let token = monitor.cancel_token().clone();
    let timer = thread::spawn(move || {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match ended.recv_timeout(left.min(POLL)) {
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    token.cancel();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
    });
    let command = environment.command("/bin/sh").args(["-c", line]);
    let output = command.output(&monitor);
    drop(done);
    let _ = timer.join();
    match output {
        Ok(output) => {
            use std::os::unix::process::ExitStatusExt;
            let status = output.status;
            let signal = || status.signal().map_or(-1, |number| 128 + number);
            let code = status.code().unwrap_or_else(signal);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(Some((code, text)))
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => Ok(None),
        Err(error) => Err(error),
    }
}
