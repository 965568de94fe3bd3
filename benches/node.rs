// SPDX-License-Identifier: Apache-2.0
//! What a whole Kubernetes node costs, by kind of work.
//!
//! Builds the node of `fixtures/node.yaml` from the Debian base image, its
//! packages of Kubernetes and container images from `fixtures/kubernetes.sh`,
//! the rest from where the image's apt gets it. Prints medians;
//! `IMAGEWRIGHT_BENCH_RUNS` (3) says of how many, `IMAGEWRIGHT_BENCH_BINARY`
//! which binary.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The kinds of work, in the order of a build, and how their phases begin.
const KINDS: [(&str, &[&str]); 6] = [
    ("fetch", &["fetch and verify"]),
    ("decode", &["decode"]),
    (
        "package manager",
        &["refresh", "install", "hold", "add repository", "remove"],
    ),
    ("sysprep", &["clean up"]),
    ("write", &["write the outputs", "publish"]),
    ("other", &[""]),
];

fn main() -> Result<()> {
    let fixtures = std::env::var_os("IMAGEWRIGHT_FIXTURES")
        .map_or_else(|| "/var/tmp/imagewright-fixtures".into(), PathBuf::from);
    let runs = match std::env::var("IMAGEWRIGHT_BENCH_RUNS") {
        Ok(runs) => runs.parse().context("IMAGEWRIGHT_BENCH_RUNS")?,
        Err(_) => 3,
    };
    let served = fixtures.join("kubernetes");
    ensure!(
        served.join("key.asc").exists(),
        "no Kubernetes: run fixtures/kubernetes.sh"
    );
    let server = Server::start(&served)?;
    let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut tasks: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    let mut totals = Vec::new();
    for _ in 0..runs {
        let (seconds, report) = build(&fixtures, server.port)?;
        totals.push(seconds);
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        let phases = report["phases"].as_array().context("no phases")?;
        for (number, phase) in phases.iter().enumerate() {
            let name = phase["name"].as_str().context("no name")?;
            let time = phase["seconds"].as_f64().context("no time")?;
            let kind = KINDS
                .iter()
                .find(|(_, begins)| begins.iter().any(|b| name.starts_with(b)))
                .context("no kind")?;
            *sums.entry(kind.0).or_default() += time;
            tasks
                .entry((number, name.to_owned()))
                .or_default()
                .push(time);
        }
        for (kind, sum) in sums {
            kinds.entry(kind).or_default().push(sum);
        }
    }
    println!("a Kubernetes node, median of {runs}:");
    for (kind, _) in KINDS {
        if let Some(times) = kinds.get_mut(kind) {
            println!("{:>8.2} s  {kind}", median(times));
        }
    }
    println!("{:>8.2} s  the whole process", median(&mut totals));
    println!("phases of more than 0.05 s:");
    for ((_, name), times) in &mut tasks {
        let time = median(times);
        if time > 0.05 {
            println!(
                "{time:>8.2} s  {}",
                name.chars().take(60).collect::<String>()
            );
        }
    }
    Ok(())
}

fn build(fixtures: &Path, port: u16) -> Result<(f64, Value)> {
    let output = tempfile::tempdir_in("/var/tmp")?;
    let recipe =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/node.yaml");
    let images = fixtures.join("kubernetes/images");
    let archives: Vec<String> = ["kubernetes.oci", "pause.docker", "etcd.oci"]
        .iter()
        .map(|name| images.join(format!("{name}.tar")).display().to_string())
        .collect();
    let binary = std::env::var_os("IMAGEWRIGHT_BENCH_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_imagewright").into());
    let start = Instant::now();
    let done = Command::new(binary)
        .args(["--json", "--quiet", "build", "--disk-image"])
        .arg(fixtures.join("debian-12/debian-12-base-amd64.qcow2"))
        .arg("--recipe")
        .arg(recipe)
        .arg("--set")
        .arg(format!(
            "kubernetes.repository=http://127.0.0.1:{port}/repo/"
        ))
        .arg("--set")
        .arg(format!(
            "kubernetes.key={}",
            fixtures.join("kubernetes/key.asc").display()
        ))
        .arg("--set")
        .arg(format!(
            "kubernetes.images.archives=[{}]",
            archives.join(", ")
        ))
        .arg("--output")
        .arg(output.path())
        .stderr(Stdio::inherit())
        .output()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(done.status.success(), "the build failed: {}", done.status);
    Ok((seconds, serde_json::from_slice(&done.stdout)?))
}

/// The fixtures by HTTP, until it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(directory: &Path) -> Result<Self> {
        let mut child = Command::new("python3")
            .args(["-u", "-c"])
            .arg(
                "import http.server as h\n\
                 s = h.ThreadingHTTPServer(('127.0.0.1', 0),\n\
                 \x20   h.SimpleHTTPRequestHandler)\n\
                 print(s.server_port)\ns.serve_forever()",
            )
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        let port = line.trim().parse()?;
        Ok(Self { child, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
