// SPDX-License-Identifier: Apache-2.0
//! What a build did, and how long each phase of it took.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::Stage;
use crate::artifact::Manifest;
use crate::describe::verify::VerifyReport;
use crate::progress::{Event, Monitor};
use crate::provision::NewPassword;

/// The result of a build.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BuildReport {
    /// What is also in `manifest.json`.
    pub manifest: Manifest,
    /// The published files.
    pub files: Vec<PathBuf>,
    /// Passwords that were made up; nothing else knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<NewPassword>,
    /// What the checks of the result found, where the recipe asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerifyReport>,
    /// How long each phase took.
    pub phases: Vec<Phase>,
}

/// One phase of the work.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// How long it took, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Tells the monitor of each phase, and takes its time.
#[derive(Debug)]
pub(super) struct Stopwatch<'a> {
    monitor: &'a Monitor,
    total: usize,
    running: Option<(String, Instant)>,
    phases: Vec<Phase>,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn new(monitor: &'a Monitor, total: usize) -> Self {
        Self {
            monitor,
            total,
            running: None,
            phases: Vec::new(),
        }
    }

    /// How many phases there will be, as far as is known by now.
    pub(super) fn expect(&mut self, total: usize) {
        self.total = total;
    }

    /// Ends the running phase and begins the next.
    pub(super) fn begin(&mut self, name: &str) {
        self.end();
        let number = self.phases.len() + 1;
        self.monitor.event(&Event::Step {
            number,
            total: self.total.max(number),
            name,
        });
        self.running = Some((name.to_owned(), Instant::now()));
    }

    fn end(&mut self) {
        if let Some((name, start)) = self.running.take() {
            let duration = start.elapsed();
            self.phases.push(Phase { name, duration });
        }
    }

    pub(super) fn finish(mut self) -> Vec<Phase> {
        self.end();
        self.monitor.event(&Event::Finished);
        self.phases
    }
}

/// How far a build came.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BuildOutcome {
    /// It is done.
    Done(Box<BuildReport>),
    /// It stopped, and can be continued.
    Stopped(StoppedBuild),
}

/// A build that stopped where it was told to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StoppedBuild {
    /// The last stage that is done.
    pub stopped_after: Stage,
    /// The directory that the next run continues with.
    pub kept: PathBuf,
    /// Passwords that were made up; nothing else knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<NewPassword>,
    /// How long each phase took.
    pub phases: Vec<Phase>,
}
