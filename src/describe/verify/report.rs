// SPDX-License-Identifier: Apache-2.0
//! What the checks saw.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Outcome;
use crate::error::Result;
use crate::recipe::Verify;

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Severity {
    /// Good to know.
    Note,
    /// Rarely meant.
    Warning,
    /// The image must not be shipped.
    Failure,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// Nothing but notes.
    Pass,
    /// The worst finding is a warning.
    Warning,
    /// At least one failure.
    Fail,
    /// It does not concern this image, or cannot be told.
    NotChecked,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::Fail => "FAIL",
            Self::NotChecked => "not checked",
        })
    }
}

/// Something a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is; that of the check unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Where in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What is there.
    pub what: String,
    /// How many bytes it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Finding {
    pub(in crate::describe) fn new(what: impl Into<String>) -> Self {
        Self {
            severity: None,
            path: None,
            what: what.into(),
            bytes: None,
        }
    }

    pub(in crate::describe) fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    pub(in crate::describe) fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub(in crate::describe) fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            // A name in the image may hold control characters.
            write!(f, "{}: ", path.to_string_lossy().escape_debug())?;
        }
        f.write_str(&self.what)?;
        match self.bytes {
            Some(bytes) => write!(f, " ({bytes} bytes)"),
            None => Ok(()),
        }
    }
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CheckResult {
    /// The rule: the check's name.
    pub rule: String,
    /// What holds of a good image.
    pub summary: String,
    /// What came of it.
    pub status: Status,
    /// What a finding means that says nothing else.
    pub severity: Severity,
    /// Why it was not checked, or does not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was seen.
    pub findings: Vec<Finding>,
}

impl CheckResult {
    pub(in crate::describe) fn new(
        rule: impl Into<String>,
        summary: impl Into<String>,
        severity: Severity,
        outcome: Result<Outcome>,
    ) -> Self {
        let mut result = Self {
            rule: rule.into(),
            summary: summary.into(),
            status: Status::NotChecked,
            severity,
            reason: None,
            findings: Vec::new(),
        };
        match outcome {
            Ok(Outcome::NotChecked(why)) => result.reason = Some(why),
            Ok(Outcome::Checked(findings)) => {
                let worst =
                    findings.iter().map(|f| f.severity.unwrap_or(severity));
                result.status = match worst.max() {
                    Some(Severity::Failure) => Status::Fail,
                    Some(Severity::Warning) => Status::Warning,
                    Some(Severity::Note) | None => Status::Pass,
                };
                result.findings = findings;
            }
            Err(error) => {
                let what = format!("could not be checked: {error}");
                result.status = Status::Fail;
                result.findings =
                    vec![Finding::new(what).severity(Severity::Failure)];
            }
        }
        result
    }
}

/// Everything that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerifyReport {
    /// Whether no check failed.
    pub passed: bool,
    /// In a fixed order.
    pub checks: Vec<CheckResult>,
}

impl VerifyReport {
    pub(in crate::describe) fn new(checks: Vec<CheckResult>) -> Self {
        Self {
            passed: checks.iter().all(|check| check.status != Status::Fail),
            checks,
        }
    }

    /// Adds what else was checked.
    pub fn add(&mut self, checks: impl IntoIterator<Item = CheckResult>) {
        self.checks.extend(checks);
        let failed = |check: &CheckResult| check.status == Status::Fail;
        self.passed = !self.checks.iter().any(failed);
    }

    /// Takes for a warning what the checks found that may fail.
    pub fn allow(&mut self, verify: &Verify) {
        let fails = |check: &&mut CheckResult| check.status == Status::Fail;
        for check in self.checks.iter_mut().filter(fails) {
            if verify.allows(&check.rule) {
                check.status = Status::Warning;
                check.reason = Some("the recipe lets it fail".to_owned());
            }
        }
        self.add([]);
    }

    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        let all = self.checks.iter();
        all.filter(|check| check.status == status).count()
    }

    /// The document that CI systems read: a test case for each check.
    pub fn to_junit(&self, image: &str) -> String {
        super::junit::write(self, image)
    }
}
