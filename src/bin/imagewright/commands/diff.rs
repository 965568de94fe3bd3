// SPDX-License-Identifier: Apache-2.0
//! `imagewright diff`.

use std::fmt::Write;
use std::process::ExitCode;

use imagewright::Monitor;
use imagewright::describe::diff::{Change, DiffReport, Finding, Topic};
use imagewright::pipeline::{self, DiffOptions, LocalOptions};

use crate::args::{Diff, Global};
use crate::render;

/// As diff(1) says that there are differences.
const DIFFERENT: u8 = 1;
/// Of what `--strict` finds, unless `--verbose`.
const MAX_LINES: usize = 200;

pub(super) fn run(
    args: &Diff,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let image = |path: &std::path::Path| {
        let mut options = LocalOptions::new(path);
        options.work_dir.clone_from(&global.work_dir);
        options
    };
    let mut options = DiffOptions::new(image(&args.before), image(&args.after));
    options.strict = args.strict;
    options.mount = args.mount;
    let report = pipeline::diff(&options, monitor)?;
    match global.json {
        true => render::print_json(&report)?,
        false => render::print(&summary(&report, global.verbose > 0))?,
    }
    Ok(match report.identical {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DIFFERENT),
    })
}

fn summary(report: &DiffReport, all: bool) -> String {
    let mut text = String::new();
    if report.identical {
        text.push_str("identical\n");
    }
    for section in &report.sections {
        let _ = writeln!(text, "{}", title(section.topic));
        let limit = if all { usize::MAX } else { MAX_LINES };
        for finding in section.findings.iter().take(limit) {
            line(&mut text, finding, all);
        }
        if section.findings.len() > limit {
            let more = section.findings.len() - limit;
            let _ = writeln!(text, "  and {more} more (--verbose)");
        }
    }
    text
}

fn title(topic: Topic) -> &'static str {
    match topic {
        Topic::Accounts => "ACCOUNTS",
        Topic::Privileges => "PRIVILEGED FILES",
        Topic::AlteredPackageFiles => "ALTERED FILES OF UNCHANGED PACKAGES",
        Topic::Trust => "TRUST AND KEYS",
        Topic::Repositories => "REPOSITORIES",
        Topic::Packages => "PACKAGES",
        Topic::Kubernetes => "KUBERNETES",
        Topic::ContainerImages => "CONTAINER IMAGES",
        Topic::Kernel => "KERNEL",
        Topic::Modules => "KERNEL MODULES",
        Topic::Sysctl => "SYSCTL",
        Topic::Units => "UNITS",
        Topic::Configuration => "CONFIGURATION",
        Topic::Partitions => "PARTITIONS",
        Topic::Files => "OTHER FILES",
        _ => "TREE",
    }
}

fn line(text: &mut String, finding: &Finding, all: bool) {
    let mark = match finding.change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Upgraded => '^',
        Change::Downgraded => 'v',
        _ => '~',
    };
    let _ = write!(text, "  {mark} {}", finding.subject);
    match (&finding.before, &finding.after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(before), Some(after)) if before.len() + after.len() < 60 => {
            let _ = write!(text, ": {before} -> {after}");
        }
        (Some(before), Some(after)) => {
            let _ = write!(text, "\n      from {before}\n      to   {after}");
        }
        (Some(one), None) | (None, Some(one)) => {
            let _ = write!(text, ": {one}");
        }
        (None, None) => {}
    }
    text.push('\n');
    for line in finding.diff.iter().flat_map(|diff| diff.lines()) {
        let _ = writeln!(text, "      {line}");
    }
    for path in finding.paths.iter().filter(|_| all) {
        let _ = writeln!(text, "      {path}");
    }
}
