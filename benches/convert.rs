// SPDX-License-Identifier: Apache-2.0
//! Converts one image with imagewright and with `qemu-img convert -m 16 -W`
//! in turn, each in its own process, and prints a table of medians.
//!
//! The image is that of `fixtures/base-image.sh`, or `IMAGEWRIGHT_BENCH_IMAGE`
//! (qcow2 or raw). `IMAGEWRIGHT_BENCH_RUNS` (5) says how often,
//! `IMAGEWRIGHT_BENCH_ONLY` picks rows by a part of their name.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use imagewright::Monitor;
use imagewright::image::{
    self, Digest, Format, OpenOptions, WriteOptions, Writeback,
};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// A conversion: what it reads, what qemu-img is told, what we are told.
struct Row {
    name: &'static str,
    source: Source,
    qemu: &'static [&'static str],
    format: &'static str,
    compression: &'static str,
    /// How much faster it should be.
    goal: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Raw,
    Plain,
    Zlib,
    Zstd,
}

const fn row(
    name: &'static str,
    source: Source,
    qemu: &'static [&'static str],
    (format, compression): (&'static str, &'static str),
    goal: f64,
) -> Row {
    Row {
        name,
        source,
        qemu,
        format,
        compression,
        goal,
    }
}

const ROWS: &[Row] = &[
    row(
        "qcow2 zlib to raw",
        Source::Zlib,
        &["-O", "raw"],
        ("raw", "none"),
        3.5,
    ),
    row(
        "qcow2 zstd to raw",
        Source::Zstd,
        &["-O", "raw"],
        ("raw", "none"),
        2.2,
    ),
    row(
        "qcow2 to raw",
        Source::Plain,
        &["-O", "raw"],
        ("raw", "none"),
        1.0,
    ),
    row(
        "raw to qcow2",
        Source::Raw,
        &["-O", "qcow2"],
        ("qcow2", "none"),
        1.5,
    ),
    row(
        "raw to qcow2 zlib",
        Source::Raw,
        &["-O", "qcow2", "-c"],
        ("qcow2", "zlib"),
        5.0,
    ),
    row(
        "raw to qcow2 zstd",
        Source::Raw,
        &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
        ("qcow2", "zstd"),
        1.8,
    ),
    row(
        "raw to VMDK streamOptimized",
        Source::Raw,
        &["-O", "vmdk", "-o", "subformat=streamOptimized"],
        ("vmdk", "none"),
        5.0,
    ),
    row(
        "raw to VHDX",
        Source::Raw,
        &["-O", "vhdx"],
        ("vhdx", "none"),
        1.5,
    ),
];

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw.raw",
            Self::Plain => "plain.qcow2",
            Self::Zlib => "zlib.qcow2",
            Self::Zstd => "zstd.qcow2",
        }
    }

    fn make(self, dir: &Path, image: &Path) -> Result<PathBuf> {
        let path = dir.join(self.name());
        let args: &[&str] = match self {
            Self::Raw => &["-O", "raw"],
            Self::Plain => &["-O", "qcow2"],
            Self::Zlib => &["-O", "qcow2", "-c"],
            Self::Zstd => &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
        };
        if !path.exists() {
            qemu_img(args, image, &path)?;
        }
        Ok(path)
    }
}

fn qemu_img(args: &[&str], source: &Path, target: &Path) -> Result<()> {
    let status = Command::new("qemu-img")
        .args(["convert", "-m", "16", "-W"])
        .args(args)
        .args([source, target])
        .status()
        .context("qemu-img: run fixtures/setup.sh to install it")?;
    ensure!(status.success(), "qemu-img failed");
    Ok(())
}

/// One conversion by this library: the child's side.
fn convert(source: &str, target: &str, row: &Row) -> Result<()> {
    let source = image::open(source.as_ref(), &OpenOptions::new())?;
    let target = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target)?;
    let digest = match env::var_os("IMAGEWRIGHT_BENCH_DIGEST") {
        Some(_) => Digest::Sha256,
        None => Digest::None,
    };
    let options = WriteOptions::new(row.format.parse::<Format>()?)
        .compression(
            env::var("IMAGEWRIGHT_BENCH_COMPRESSION")
                .as_deref()
                .unwrap_or(row.compression)
                .parse()?,
        )
        .digest(digest)
        .writeback(Writeback::Kernel);
    image::write(&source, &target, &options, &Monitor::silent())?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.unwrap_or("0").trim().trim_end_matches(" kB"));
    Ok(())
}

/// Time, processor time, size on disk and, of ours, peak memory in KiB.
#[derive(Clone, Copy)]
struct Run {
    time: Duration,
    cpu: Duration,
    size: u64,
    peak: u64,
}

fn measure(target: &Path, work: impl FnOnce() -> Result<u64>) -> Result<Run> {
    let _ = fs::remove_file(target);
    let status = Command::new("sync").status()?;
    ensure!(status.success(), "sync failed");
    let cpu_before = children_cpu()?;
    let start = Instant::now();
    let peak = work()?;
    let time = start.elapsed();
    let cpu = children_cpu()?.saturating_sub(cpu_before);
    let size = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(target)?);
    Ok(Run {
        time,
        cpu,
        size: size * 512,
        peak,
    })
}

/// Processor time of all children so far.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = u64::try_from(time.num_microseconds()).unwrap_or(0);
        Duration::from_micros(micros)
    };
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by_key(|run| run.time);
    let size = runs[0].size;
    let peak = runs.iter().map(|run| run.peak).max().unwrap_or(0);
    Run {
        size,
        peak,
        ..runs[runs.len() / 2]
    }
}

fn bench(row: &Row, index: usize, source: &Path, dir: &Path) -> Result<()> {
    let runs = env::var("IMAGEWRIGHT_BENCH_RUNS");
    let runs: usize = runs.as_deref().unwrap_or("5").parse()?;
    let (ours, theirs) = (dir.join("ours"), dir.join("theirs"));
    let (mut us, mut them) = (Vec::new(), Vec::new());
    // Warms the page cache.
    io::copy(&mut File::open(source)?, &mut io::sink())?;
    for _ in 0..runs {
        them.push(measure(&theirs, || {
            qemu_img(row.qemu, source, &theirs)?;
            Ok(0)
        })?);
        us.push(measure(&ours, || {
            let output = Command::new(env::current_exe()?)
                .args(["--convert", &index.to_string()])
                .args([source, &ours])
                .output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{errors}");
            Ok(String::from_utf8(output.stdout)?.trim().parse()?)
        })?);
    }
    let status = Command::new("qemu-img")
        .args(["compare", "-q"])
        .args([&ours, &theirs])
        .status()?;
    ensure!(status.success(), "{}: the outputs differ", row.name);
    let (us, them) = (median(us), median(them));
    let ratio = them.time.as_secs_f64() / us.time.as_secs_f64();
    let cpu = |run: Run| run.cpu.as_secs_f64();
    println!(
        "| {} | {:.2} s | {:.2} s | {ratio:.1}x | {:.1}x | {:.2} s | {:.2} s \
         | {} | {} | {} |",
        row.name,
        them.time.as_secs_f64(),
        us.time.as_secs_f64(),
        row.goal,
        cpu(them),
        cpu(us),
        them.size >> 20,
        us.size >> 20,
        us.peak >> 10,
    );
    fs::remove_file(&ours)?;
    fs::remove_file(&theirs)?;
    Ok(())
}

fn image_path() -> PathBuf {
    if let Some(path) = env::var_os("IMAGEWRIGHT_BENCH_IMAGE") {
        return path.into();
    }
    let dir = env::var_os("IMAGEWRIGHT_FIXTURES").map_or_else(
        || PathBuf::from("/var/tmp/imagewright-fixtures"),
        PathBuf::from,
    );
    dir.join("debian-12/debian-12-base-amd64.qcow2")
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    if let [_, flag, index, source, target] = &args[..]
        && flag == "--convert"
    {
        return convert(source, target, &ROWS[index.parse::<usize>()?]);
    }
    let image = image_path();
    ensure!(
        image.exists(),
        "{}: run fixtures/base-image.sh to make it",
        image.display()
    );
    let dir = match env::var_os("IMAGEWRIGHT_BENCH_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            env::temp_dir().join(format!("imagewright-{}", std::process::id()))
        }
    };
    fs::create_dir_all(&dir)?;
    let only = env::var("IMAGEWRIGHT_BENCH_ONLY").unwrap_or_default();
    println!(
        "| conversion | qemu-img | imagewright | ratio | goal \
         | qemu CPU | our CPU | qemu MiB | our MiB | our peak MiB |"
    );
    println!("|{}", " --- |".repeat(10));
    let made = |source: Source| source.make(&dir, &image);
    for (index, row) in ROWS.iter().enumerate() {
        if row.name.contains(&only) {
            bench(row, index, &made(row.source)?, &dir)?;
        }
    }
    if env::var_os("IMAGEWRIGHT_BENCH_DIR").is_none() {
        for source in [Source::Raw, Source::Plain, Source::Zlib, Source::Zstd] {
            let _ = fs::remove_file(dir.join(source.name()));
        }
        fs::remove_dir(&dir)?;
    }
    Ok(())
}
