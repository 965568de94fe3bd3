// SPDX-License-Identifier: Apache-2.0
//! What it costs to look into an image, without root.
//!
//! `inspect --json` of the Debian base image as qcow2 with zstd, run as
//! nobody; prints medians of wall and CPU time, and the peak memory of one
//! process. `IMAGEWRIGHT_BENCH_RUNS` (5) says how often.
//! `IMAGEWRIGHT_BENCH_PEER=1` runs virt-inspector in turn with it, once each
//! run, with the kernel of `fixtures/peer-kernel.sh`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};

const BINARY: &str = env!("CARGO_BIN_EXE_imagewright");
const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

fn main() -> Result<()> {
    let fixtures = std::env::var_os("IMAGEWRIGHT_FIXTURES")
        .map_or_else(|| "/var/tmp/imagewright-fixtures".into(), PathBuf::from);
    let runs = match std::env::var("IMAGEWRIGHT_BENCH_RUNS") {
        Ok(runs) => runs.parse().context("IMAGEWRIGHT_BENCH_RUNS")?,
        Err(_) => 5,
    };
    let peer = std::env::var_os("IMAGEWRIGHT_BENCH_PEER").is_some();
    let directory = tempfile::tempdir_in("/var/tmp")?;
    let (image, program) = prepare(&fixtures, directory.path())?;
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..runs {
        ours.push(measure(inspect(&program, &image))?);
        if peer {
            theirs.push(measure(virt_inspector(&fixtures, &image)?)?);
        }
    }
    report("imagewright inspect --json, as nobody", &mut ours);
    if peer {
        report("virt-inspector, its appliance in TCG", &mut theirs);
    }
    Ok(())
}

/// The image as zstd, and the program, where nobody can read them.
fn prepare(fixtures: &Path, directory: &Path) -> Result<(PathBuf, PathBuf)> {
    use std::os::unix::fs::PermissionsExt;
    let base = fixtures.join("debian-12/debian-12-base-amd64.qcow2");
    ensure!(base.exists(), "no base image: run fixtures/base-image.sh");
    let open = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode)
    };
    open(directory, 0o755)?;
    let image = directory.join("base.qcow2");
    let done = Command::new("qemu-img")
        .args(["convert", "-c", "-O", "qcow2"])
        .args(["-o", "compression_type=zstd"])
        .args([&base, &image])
        .status()?;
    ensure!(done.success(), "qemu-img: {done}");
    open(&image, 0o644)?;
    let program = directory.join("imagewright");
    std::fs::copy(BINARY, &program)?;
    open(&program, 0o755)?;
    Ok((image, program))
}

fn inspect(program: &Path, image: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(NOBODY).arg(program);
    command.args(["--json", "inspect"]).arg(image);
    command
}

fn virt_inspector(fixtures: &Path, image: &Path) -> Result<Command> {
    let kernel = fixtures.join("peer-kernel");
    let only = |name: &str| -> Result<PathBuf> {
        let mut entries = std::fs::read_dir(kernel.join(name))
            .context("no kernel: run fixtures/peer-kernel.sh")?;
        Ok(entries.next().context("no kernel")??.path())
    };
    let mut command = Command::new("virt-inspector");
    command
        .args(["--format=qcow2", "-a"])
        .arg(image)
        .env("LIBGUESTFS_BACKEND", "direct")
        .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        .env("LIBGUESTFS_CACHEDIR", &kernel)
        .env("SUPERMIN_KERNEL", only("boot")?)
        .env("SUPERMIN_MODULES", only("modules")?);
    Ok(command)
}

/// Wall and CPU seconds, and the peak in KiB.
struct Cost {
    wall: f64,
    cpu: f64,
    peak: i64,
}

fn measure(mut command: Command) -> Result<Cost> {
    let seconds = |usage: &Usage| {
        let times = [usage.user_time(), usage.system_time()];
        let [user, system] = times.map(|time| {
            time.tv_sec() as f64 + time.tv_usec() as f64 / 1_000_000.0
        });
        user + system
    };
    let before = seconds(&getrusage(UsageWho::RUSAGE_CHILDREN)?);
    let start = Instant::now();
    let done = command
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .with_context(|| format!("{command:?}"))?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(done.success(), "{command:?}: {done}");
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Cost {
        wall,
        cpu: seconds(&after) - before,
        // Of the largest child so far.
        peak: after.max_rss(),
    })
}

fn report(name: &str, costs: &mut [Cost]) {
    let mut middle = |of: fn(&Cost) -> f64| {
        costs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        costs.get(costs.len() / 2).map_or(f64::NAN, of)
    };
    let (wall, cpu) = (middle(|cost| cost.wall), middle(|cost| cost.cpu));
    println!("{name}, median of {}:", costs.len());
    println!("{wall:>8.3} s  wall");
    println!("{cpu:>8.3} s  CPU");
    if let Some(first) = costs.iter().map(|cost| cost.peak).min() {
        println!("{:>8.1} MiB  peak", first as f64 / 1024.0);
    }
}
