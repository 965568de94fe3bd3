// SPDX-License-Identifier: Apache-2.0
//! What a build costs besides the package manager's own run, by phase.
//!
//! Builds from the Debian base image with an empty recipe, and enters it
//! read-only for a command that does nothing; prints medians and the peak
//! memory of our process. `IMAGEWRIGHT_BENCH_RUNS` (5) says how often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_imagewright");

fn main() -> Result<()> {
    let base = base_image()?;
    let runs = match std::env::var("IMAGEWRIGHT_BENCH_RUNS") {
        Ok(runs) => runs.parse().context("IMAGEWRIGHT_BENCH_RUNS")?,
        Err(_) => 5,
    };
    let mut phases: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    let mut totals = Vec::new();
    let mut shells = Vec::new();
    for _ in 0..runs {
        let (seconds, report) = build(&base)?;
        totals.push(seconds);
        let list = report["phases"].as_array().context("no phases")?;
        for (number, phase) in list.iter().enumerate() {
            let name = phase["name"].as_str().context("no name")?;
            let time = phase["seconds"].as_f64().context("no time")?;
            phases
                .entry((number, name.to_owned()))
                .or_default()
                .push(time);
        }
        shells.push(shell(&base)?);
    }
    println!("build with an empty recipe, median of {runs}:");
    for ((_, name), times) in &mut phases {
        println!("{:>8.3} s  {name}", median(times));
    }
    println!("{:>8.3} s  the whole process", median(&mut totals));
    println!("shell --read-only -- true, median of {runs}:");
    println!("{:>8.3} s  the whole process", median(&mut shells));
    println!("peak memory of one process: {} MiB", peak_memory()? >> 10);
    Ok(())
}

fn base_image() -> Result<PathBuf> {
    let fixtures = std::env::var_os("IMAGEWRIGHT_FIXTURES")
        .map_or_else(|| "/var/tmp/imagewright-fixtures".into(), PathBuf::from);
    let base = fixtures.join("debian-12/debian-12-base-amd64.qcow2");
    ensure!(base.exists(), "no base image: run fixtures/base-image.sh");
    Ok(base)
}

fn build(base: &Path) -> Result<(f64, Value)> {
    let output = tempfile::tempdir_in("/var/tmp")?;
    let start = Instant::now();
    let done = Command::new(BINARY)
        .args(["--json", "--quiet", "build", "--disk-image"])
        .arg(base)
        .arg("--output")
        .arg(output.path())
        .stderr(Stdio::inherit())
        .output()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(done.status.success(), "the build failed: {}", done.status);
    Ok((seconds, serde_json::from_slice(&done.stdout)?))
}

fn shell(base: &Path) -> Result<f64> {
    let start = Instant::now();
    let status = Command::new(BINARY)
        .arg("shell")
        .arg(base)
        .args(["--read-only", "--", "true"])
        .status()?;
    ensure!(status.success(), "the shell failed: {status}");
    Ok(start.elapsed().as_secs_f64())
}

/// In KiB, of the largest child.
fn peak_memory() -> Result<i64> {
    use nix::sys::resource::{UsageWho, getrusage};
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
