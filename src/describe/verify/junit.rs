// SPDX-License-Identifier: Apache-2.0
//! JUnit's XML, as CI systems read it.

use std::fmt::Write as _;

use super::{CheckResult, Status, VerifyReport};

pub(super) fn write(report: &VerifyReport, image: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"",
        report.checks.len(),
        report.count(Status::Fail),
        report.count(Status::NotChecked)
    );
    let name = escaped(image);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<testsuites {counts}>");
    let _ = writeln!(out, "  <testsuite name=\"{name}\" {counts}>");
    for check in &report.checks {
        let _ = write!(
            out,
            "    <testcase classname=\"imagewright.verify\" name=\"{}\"",
            escaped(&check.rule)
        );
        match body(check) {
            Some(body) => {
                let _ = writeln!(out, ">\n{body}    </testcase>");
            }
            None => out.push_str("/>\n"),
        }
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn body(check: &CheckResult) -> Option<String> {
    let lines: Vec<String> =
        check.findings.iter().map(ToString::to_string).collect();
    let text = escaped(&lines.join("\n"));
    let summary = escaped(&check.summary);
    Some(match check.status {
        Status::Pass if lines.is_empty() => return None,
        Status::Pass | Status::Warning => {
            format!("      <system-out>{text}</system-out>\n")
        }
        Status::Fail => format!(
            "      <failure message=\"not so: {summary}\">{text}</failure>\n"
        ),
        Status::NotChecked => {
            let why = escaped(check.reason.as_deref().unwrap_or_default());
            format!("      <skipped message=\"{why}\"/>\n")
        }
    })
}

/// Also drops what XML 1.0 has no way to write.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
