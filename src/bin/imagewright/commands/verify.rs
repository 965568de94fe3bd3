// SPDX-License-Identifier: Apache-2.0
//! `imagewright verify`.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use imagewright::describe::goss::GossFile;
use imagewright::describe::verify::{Status, VerifyReport};
use imagewright::pipeline::{self, VerifyOptions};
use imagewright::{ErrorKind, Monitor};

use crate::args::{Global, Verify};
use crate::render;

/// A finding of a clean-up may be thousands of files.
const MAX_LINES: usize = 20;

pub(super) fn run(
    args: &Verify,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let image = super::local(&args.image, &args.opening, global);
    let mut options = VerifyOptions::new(image);
    if !args.layers.is_empty() {
        options.recipe = Some(args.layers.load()?);
    }
    for path in &args.goss {
        options.goss.push(GossFile::load(path)?);
    }
    let report = pipeline::verify(&options, monitor)?;
    if let Some(path) = &args.junit {
        let name = args.image.display().to_string();
        std::fs::write(path, report.to_junit(&name))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report, global.verbose > 0))?,
    }
    Ok(match report.passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(ErrorKind::Verify.exit_code()),
    })
}

/// Checks that passed without a word are only counted, unless `all`.
fn summary(report: &VerifyReport, all: bool) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let silent = check.findings.is_empty() && check.status == Status::Pass;
        if silent && !all {
            continue;
        }
        let _ = write!(text, "{:<12} {}", check.status, check.rule);
        match &check.reason {
            Some(reason) => {
                let _ = writeln!(text, ": {reason}");
            }
            None => text.push('\n'),
        }
        let limit = if all { usize::MAX } else { MAX_LINES };
        for finding in check.findings.iter().take(limit) {
            let _ = writeln!(text, "{:12} {finding}", "");
        }
        if check.findings.len() > limit {
            let more = check.findings.len() - limit;
            let _ = writeln!(text, "{:12} and {more} more (--verbose)", "");
        }
    }
    let count = |status| report.count(status);
    let _ = writeln!(
        text,
        "{} passed, {} with warnings, {} failed, {} not checked",
        count(Status::Pass),
        count(Status::Warning),
        count(Status::Fail),
        count(Status::NotChecked)
    );
    text
}
