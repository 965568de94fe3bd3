// SPDX-License-Identifier: Apache-2.0
//! The options of `customize` and `provision`.
//!
//! Those that do something in the image are the library's own table of
//! operations; they are done in the order of the command line.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use imagewright::image::{Compression, Format};
use imagewright::recipe::{ByteSize, Operation, PasswordCrypto, Step};

use super::{Layers, Opening, Verification, parse_format};

/// An image, and where it goes when it is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    /// The image: a path; with --output a URL, too
    pub(crate) image: String,
    /// Write the changed image there; without it, it replaces the image
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Format of the output, as FORMAT[+COMPRESSION]; by its suffix unless
    /// said
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(crate) format: Option<(Format, Option<Compression>)>,
    /// Print the plan and do nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Give the image's programs no network
    #[arg(long)]
    pub(crate) no_network: bool,
    /// Do not have an image with SELinux relabel itself at its next boot
    #[arg(long)]
    pub(crate) no_selinux_relabel: bool,
    /// The default; for scripts that say it
    #[arg(long, hide = true, conflicts_with = "no_selinux_relabel")]
    selinux_relabel: bool,
    /// There is no log in the image; for scripts that say it
    #[arg(long, hide = true)]
    no_logfile: bool,
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
pub(crate) struct Customize {
    #[command(flatten)]
    pub(crate) change: Change,
    /// Make the disk this large, and its root as large as there is room
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk_size: Option<ByteSize>,
    /// How passwords are hashed: sha256, sha512, yescrypt; as the image's
    /// system does unless said
    #[arg(long, value_name = "METHOD")]
    pub(crate) password_crypto: Option<PasswordCrypto>,
    #[command(flatten)]
    pub(crate) steps: Steps,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Provision {
    #[command(flatten)]
    pub(crate) change: Change,
    #[command(flatten)]
    pub(crate) layers: Layers,
}

/// The operations asked for, in the order of the command line.
#[derive(Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl clap::Args for Steps {
    fn augment_args(command: Command) -> Command {
        let command = command
            .next_help_heading("Operations, done in the order they are given");
        let command = command.args(Operation::ALL.iter().map(option));
        command.next_help_heading(None::<&str>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn option(operation: &Operation) -> Arg {
    let arg = Arg::new(operation.name)
        .long(operation.name)
        .help(operation.summary);
    if !operation.takes_argument() {
        return arg
            .action(ArgAction::SetTrue)
            .overrides_with(operation.name);
    }
    // Each argument is parsed by the library, whose messages never repeat a
    // password.
    arg.action(ArgAction::Append)
        .value_name(operation.argument)
        .allow_hyphen_values(true)
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for operation in Operation::ALL {
            let name = operation.name;
            if !operation.takes_argument() {
                if matches.get_flag(name) {
                    let place = matches.index_of(name).unwrap_or_default();
                    given.push((place, name, ""));
                }
                continue;
            }
            let places = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name);
            let values = values.into_iter().flatten();
            for (place, value) in places.zip(values) {
                given.push((place, name, value.as_str()));
            }
        }
        given.sort_by_key(|(place, ..)| *place);
        let steps = given.into_iter().map(|(_, name, argument)| {
            Step::parse(name, argument).map_err(|error| {
                let message = format!("--{error}\n");
                clap::Error::raw(ErrorKind::ValueValidation, message)
            })
        });
        steps.collect::<Result<_, _>>().map(Self)
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Args, Command};

    fn steps(words: &[&str]) -> Result<Vec<String>, clap::Error> {
        let base = ["imagewright", "customize", "a.qcow2"];
        let args = Args::try_parse_from(base.iter().chain(words))?;
        let Command::Customize(customize) = args.command else {
            panic!("another command");
        };
        let steps = &customize.steps.0;
        Ok(steps.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn operations_keep_the_order_of_the_command_line() {
        let words = [
            "--write",
            "/a:1",
            "--update",
            "--run-command",
            "x -y",
            "--write=/b:2",
            "--output",
            "o.raw",
            "--install",
            "p,q",
            "--run-command",
            "-z",
        ];
        assert_eq!(
            steps(&words).unwrap(),
            [
                "write /a:1",
                "update",
                "run-command x -y",
                "write /b:2",
                "install p,q",
                "run-command -z"
            ]
        );
        assert_eq!(steps(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_password_is_in_no_message() {
        let words = ["--root-password", "password:hunter2"];
        assert_eq!(steps(&words).unwrap(), ["root-password [secret]"]);
        for words in [
            ["--root-password", "passwort:hunter2"],
            ["--root-password", "hunter2"],
            ["--root-password", "hash:hunter2"],
            ["--password", "hunter2"],
            ["--password", "root:hunter2"],
        ] {
            let error = steps(&words).unwrap_err().to_string();
            assert!(error.contains(words[0]), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
