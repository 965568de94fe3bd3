// SPDX-License-Identifier: Apache-2.0
//! Results and errors for people and programs.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use imagewright::ErrorKind;
use imagewright::artifact::ArtifactRecord;
use imagewright::pipeline::Phase;
use imagewright::provision::NewPassword;
use serde_json::json;

/// Text without what a terminal would obey: names, labels and last words come
/// from images.
pub(crate) fn visible(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.replace(obeyed, "\u{fffd}")
}

/// Prints a result; a reader that went away is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(visible(text).as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Tells what failed and what to do; returns the exit code of its kind.
pub(crate) fn fail(error: &anyhow::Error, json: bool) -> ExitCode {
    let known = error.downcast_ref::<imagewright::Error>();
    let kind = known.map_or(ErrorKind::Internal, imagewright::Error::kind);
    let advice = known.and_then(imagewright::Error::advice);
    if json {
        let document = match known {
            Some(error) => json!({"error": error}),
            None => json!({
                "error": {"kind": kind, "message": format!("{error:#}")}
            }),
        };
        let _ = print_json(&document);
    }
    let mut stderr = io::stderr().lock();
    let message = match known {
        Some(error) => error.to_string(),
        None => format!("{error:#}"),
    };
    let _ = writeln!(stderr, "imagewright: {}", visible(&message));
    if let Some(advice) = advice {
        let _ = writeln!(stderr, "  hint: {}", visible(advice));
    }
    ExitCode::from(kind.exit_code())
}

/// The one time a password that was made up is told.
pub(crate) fn passwords(passwords: &[NewPassword]) -> String {
    let mut text = String::new();
    for new in passwords {
        let password = new.password.expose();
        let _ = writeln!(text, "password of {}: {password}", new.user);
    }
    text
}

/// The files that came out.
pub(crate) fn artifacts(artifacts: &[ArtifactRecord]) -> String {
    let mut text = String::new();
    for artifact in artifacts {
        let _ = writeln!(
            text,
            "{}  {}  {}",
            artifact.sha256,
            bytes(artifact.size),
            artifact.name
        );
    }
    text
}

/// How long each phase took.
pub(crate) fn phases(phases: &[Phase]) -> String {
    let mut text = String::new();
    for Phase { name, duration, .. } in phases {
        let _ = writeln!(text, "{:>7.2} s  {name}", duration.as_secs_f64());
    }
    text
}

/// Bytes as people read them.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
