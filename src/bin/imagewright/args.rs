// SPDX-License-Identifier: Apache-2.0
//! The command line as typed.

mod customize;
mod diff;
mod inspect;
mod layers;
mod lock;
mod package;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use imagewright::image::{Compression, Format, Subformat};
use imagewright::pipeline::Stage;

pub(crate) use customize::{Change, Customize, Provision};
pub(crate) use diff::Diff;
pub(crate) use inspect::{Inspect, Sbom};
pub(crate) use layers::Layers;
pub(crate) use lock::{Bundle, Lock, LockSources, Locking};
pub(crate) use package::Package;

/// Makes a Kubernetes node image of a cloud image, offline.
#[derive(Debug, Parser)]
#[command(name = "imagewright", version, max_term_width = 80)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Print the result as one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How progress is shown, on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressMode::Auto)]
    pub(crate) progress: ProgressMode,
    /// Where fetched images are kept
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Where a session works; beside the output unless said
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) work_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// Lines
    Plain,
    /// One JSON document a line
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build node images from a cloud image, by a recipe
    Build(Build),
    /// Fetch and verify an image; print its path in the cache
    Fetch(Fetch),
    /// Enter the root of an image
    Shell(Shell),
    /// Clean an image of what must not be shipped
    Sysprep(Sysprep),
    /// Check an image offline, without changing it
    Verify(Verify),
    /// Change an image, by virt-customize's options in their order
    Customize(Box<Customize>),
    /// Change an image by a recipe, without clean-up and artifacts
    Provision(Provision),
    /// Write an image as artifacts, cleaned, with manifest and checksums
    Package(Package),
    /// Write an image in another format
    Convert(Convert),
    /// Rewrite an image in place without what is no longer used
    Compact(Compact),
    /// Tell how two images differ
    Diff(Diff),
    /// Record all that a build takes, by digest; write no image
    Lock(Lock),
    /// Gather all that a locked build needs in one directory
    Bundle(Bundle),
    /// Tell what an image file is
    Info(Info),
    /// Tell what is in an image: system, packages, Kubernetes, accounts
    Inspect(Inspect),
    /// Write the bill of materials of an image
    Sbom(Sbom),
    /// Write the man page, the completions and the schema
    #[command(hide = true)]
    Assets(Assets),
}

/// Which image, and what vouches for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Verification {
    /// Expected SHA-256 of the image; no checksum file is looked for
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// The checksum file, if it is not beside the image
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) checksums: Option<String>,
    /// The checksum file's detached signature
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) signature: Option<String>,
    /// OpenPGP keys; with them a valid signature is required
    #[arg(long, value_name = "FILE")]
    pub(crate) keyring: Option<PathBuf>,
    /// Take the image although nothing vouches for it
    #[arg(long)]
    pub(crate) insecure_no_checksum: bool,
}

impl Verification {
    /// Whether something is to vouch for the image.
    pub(crate) fn asks(&self) -> bool {
        let Self {
            sha256,
            checksums,
            signature,
            keyring,
            insecure_no_checksum: _,
        } = self;
        let files = [sha256, checksums, signature];
        files.iter().any(|file| file.is_some()) || keyring.is_some()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Opening {
    /// The image's format; told by its magic unless said
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_format: Option<Format>,
    /// The partition with the root, if there are several
    #[arg(long, value_name = "NUMBER")]
    pub(crate) root: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// The cloud image: a path or URL; else the recipe's source.image
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) disk_image: Option<String>,
    #[command(flatten)]
    pub(crate) layers: Layers,
    /// The directory the images appear in
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Output format, as FORMAT[+COMPRESSION]; may be repeated
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(crate) format: Vec<(Format, Option<Compression>)>,
    /// Stop after this stage: fetch or provision; the next run continues
    #[arg(long, value_name = "STAGE", default_value_t = Stage::Package)]
    pub(crate) until: Stage,
    /// Continue a stopped build with this stage: provision or package
    #[arg(long, value_name = "STAGE", default_value_t = Stage::Fetch)]
    pub(crate) from: Stage,
    #[command(flatten)]
    pub(crate) locking: Locking,
    /// Sign SHA256SUMS with this secret key of minisign; the password of an
    /// encrypted one is in IMAGEWRIGHT_SIGN_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: Option<PathBuf>,
    /// Print the plan and do nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Give the image's programs no network
    #[arg(long)]
    pub(crate) no_network: bool,
    /// Write a damaged GPT anew from its valid copy, in the result
    #[arg(long)]
    pub(crate) repair_table: bool,
    /// Update the ESP by our own FAT code even if the kernel could
    #[arg(long, hide = true)]
    pub(crate) own_fat: bool,
    #[command(flatten)]
    pub(crate) verification: Verification,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// A path or URL
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) verification: Verification,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shell {
    /// The image: a path or URL
    pub(crate) image: String,
    /// Mount everything read-only
    #[arg(long, conflicts_with = "output")]
    pub(crate) read_only: bool,
    /// Write the changed image there; without it changes are dropped
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Give the image's programs no network
    #[arg(long)]
    pub(crate) no_network: bool,
    #[command(flatten)]
    pub(crate) verification: Verification,
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// The command; a login shell if there is none
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sysprep {
    /// The image file
    #[arg(required_unless_present = "list")]
    pub(crate) image: Option<PathBuf>,
    /// List the operations
    #[arg(long, visible_alias = "list-operations")]
    pub(crate) list: bool,
    /// Run these besides the default ones
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) enable: Vec<String>,
    /// Do not run these
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) disable: Vec<String>,
    /// Run exactly these: from nothing, each word adds an operation, `all`
    /// or `defaults`, or takes it away with `-` in front
    #[arg(
        long,
        value_name = "[-]NAME,...",
        value_delimiter = ',',
        allow_hyphen_values = true,
        conflicts_with_all = ["enable", "disable"],
    )]
    pub(crate) operations: Vec<String>,
    /// Write the cleaned image there; without it the image is replaced
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Compress the new image: none, zlib[:LEVEL] or zstd[:LEVEL]; one that
    /// is replaced stays as it is
    #[arg(long, value_name = "METHOD")]
    pub(crate) compression: Option<Compression>,
    /// Print what would be done and do nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The image file
    pub(crate) image: PathBuf,
    /// Check also that it is what they make
    #[command(flatten)]
    pub(crate) layers: Layers,
    /// Make the checks of this file in goss's format, too; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) goss: Vec<PathBuf>,
    /// Write the result in JUnit's format, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Convert {
    /// The image file
    pub(crate) source: PathBuf,
    /// The file to write
    pub(crate) target: PathBuf,
    /// Its format; told by its suffix unless said
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// none, zlib[:LEVEL], zstd[:LEVEL], for raw also xz[:LEVEL]; told by the
    /// suffix (.raw.gz, .raw.xz, .raw.zst) unless said
    #[arg(long, value_name = "METHOD")]
    pub(crate) compression: Option<Compression>,
    /// The variant of VHD (fixed, dynamic) or VMDK (streamOptimized,
    /// monolithicSparse)
    #[arg(long, value_name = "VARIANT")]
    pub(crate) variant: Option<Subformat>,
    /// The unit of allocation of qcow2 or VHDX, such as 64K
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) cluster_size: Option<u64>,
    /// The source's format; told by its magic unless said
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_format: Option<Format>,
    /// Follow backing files out of the image's directory
    #[arg(long)]
    pub(crate) backing_anywhere: bool,
    /// Write a qcow2 with only what differs from this image
    #[arg(long, value_name = "FILE")]
    pub(crate) backing: Option<PathBuf>,
    /// Lay out tables and places of a qcow2 for all of the disk
    #[arg(long, value_name = "WHAT", value_enum)]
    #[arg(default_value_t, conflicts_with = "backing")]
    pub(crate) preallocation: Preallocation,
    /// Print the SHA-256 of the target, too
    #[arg(long)]
    pub(crate) digest: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compact {
    /// The image file
    pub(crate) image: PathBuf,
    /// none, zlib[:LEVEL] or zstd[:LEVEL]; as it is unless said
    #[arg(long, value_name = "METHOD")]
    pub(crate) compression: Option<Compression>,
    #[command(flatten)]
    pub(crate) opening: Opening,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// The image file
    pub(crate) image: PathBuf,
    /// Its format; told by its magic unless said
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Read headers and tables only: no sizes in other formats
    #[arg(long)]
    pub(crate) brief: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Assets {
    /// The directory to write to
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// As the library's, which knows no clap.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Preallocation {
    #[default]
    Off,
    Metadata,
}

/// `64K`, `2M`, `512`.
fn parse_size(text: &str) -> Result<u64, imagewright::Error> {
    Ok(text.parse::<imagewright::recipe::ByteSize>()?.bytes())
}

/// `qcow2`, `qcow2+zstd`, `qcow2+zlib:9`.
fn parse_format(
    text: &str,
) -> Result<(Format, Option<Compression>), imagewright::Error> {
    match text.split_once('+') {
        None => Ok((text.parse()?, None)),
        Some((format, compression)) => {
            Ok((format.parse()?, Some(compression.parse()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_fits_80_columns() {
        let mut command = Args::command();
        command.build();
        let mut pending = vec![command];
        while let Some(mut command) = pending.pop() {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            pending.extend(command.get_subcommands().cloned());
        }
    }
}
