// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Steps: the ordered operations of a recipe and of `customize`.
//!
//! Names and arguments are those of virt-customize, so that its users need
//! not learn new ones. In a recipe a step is a one-key mapping
//! (`- install: a,b`, or a list as the argument of `install` and
//! `uninstall`), or its bare name when it takes no argument (`- update`).
//!
//! One table, [`Operation::ALL`], drives the recipe, the command line, its
//! help and the documentation.

mod operation;

use std::fmt;

use serde::de::{
    self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use operation::Operation;

use super::file::Mode;
use super::package::{PackageName, PackageSpec};
use super::path::{GuestPath, HostPath};
use super::suggest::suggest;
use crate::error::{Error, Result};

/// One operation, with its argument understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Adds a line, after ending an unfinished last one; the file may be
    /// absent.
    AppendLine {
        /// The file.
        file: GuestPath,
        /// The line, without its end.
        line: String,
    },
    /// Changes permission bits.
    Chmod {
        /// The new bits.
        mode: Mode,
        /// What to change; links are followed.
        path: GuestPath,
    },
    /// Copies within the image, recursively, with owners and modes.
    Copy {
        /// What to copy.
        source: GuestPath,
        /// To where; into it when it is a directory.
        dest: GuestPath,
    },
    /// Copies from the host, recursively, into an existing directory.
    CopyIn {
        /// A file or directory on the host.
        source: HostPath,
        /// An existing directory in the image.
        dir: GuestPath,
    },
    /// Deletes recursively what the pattern (`*`, `?`, `[…]`) matches.
    Delete {
        /// A path, possibly with wildcards.
        pattern: GuestPath,
    },
    /// Sets the host name.
    Hostname(String),
    /// Installs packages.
    Install(Vec<PackageSpec>),
    /// Makes symbolic links, replacing files (`ln -sf`).
    Link {
        /// What the links say.
        target: String,
        /// Where they are.
        links: Vec<GuestPath>,
    },
    /// Makes a directory and its parents.
    Mkdir(GuestPath),
    /// Renames within the image.
    Move {
        /// What to rename.
        source: GuestPath,
        /// To what; into it when it is a directory.
        dest: GuestPath,
    },
    /// Runs a script of the host in the image.
    Run(HostPath),
    /// Runs a shell command in the image.
    RunCommand(String),
    /// Sets the time zone.
    Timezone(String),
    /// Creates a file, or sets its times.
    Touch(GuestPath),
    /// Empties an existing file.
    Truncate(GuestPath),
    /// Removes packages and what depends on them.
    Uninstall(Vec<PackageName>),
    /// Updates every package.
    Update,
    /// Copies one file from the host, with its mode and owner numbers.
    Upload {
        /// A file on the host.
        file: HostPath,
        /// File, or directory to put it in.
        dest: GuestPath,
    },
    /// Writes a file, replacing its content.
    Write {
        /// The file.
        file: GuestPath,
        /// Its content, with nothing added.
        content: String,
    },
}

impl Step {
    /// The step that virt-customize calls `--name argument`; `argument` is
    /// empty for operations that take none.
    ///
    /// # Errors
    /// `InvalidArgument`, beginning with the name of the operation.
    pub fn parse(name: &str, argument: &str) -> Result<Self> {
        let Some(operation) = Operation::find(name) else {
            return Err(unknown(name));
        };
        if !operation.takes_argument() && !argument.is_empty() {
            return Err(Error::invalid(format!("{name} takes no argument")));
        }
        operation.parse(argument).map_err(|error| {
            Error::invalid(format!("{name}: {}", error.message()))
        })
    }

    /// The name of the operation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AppendLine { .. } => "append-line",
            Self::Chmod { .. } => "chmod",
            Self::Copy { .. } => "copy",
            Self::CopyIn { .. } => "copy-in",
            Self::Delete { .. } => "delete",
            Self::Hostname(_) => "hostname",
            Self::Install(_) => "install",
            Self::Link { .. } => "link",
            Self::Mkdir(_) => "mkdir",
            Self::Move { .. } => "move",
            Self::Run(_) => "run",
            Self::RunCommand(_) => "run-command",
            Self::Timezone(_) => "timezone",
            Self::Touch(_) => "touch",
            Self::Truncate(_) => "truncate",
            Self::Uninstall(_) => "uninstall",
            Self::Update => "update",
            Self::Upload { .. } => "upload",
            Self::Write { .. } => "write",
        }
    }

    /// The argument, such that [`parse`](Self::parse) gives this step again.
    pub fn argument(&self) -> String {
        match self {
            Self::AppendLine { file, line } => format!("{file}:{line}"),
            Self::Chmod { mode, path } => format!("{mode}:{path}"),
            Self::Copy { source, dest } | Self::Move { source, dest } => {
                format!("{source}:{dest}")
            }
            Self::CopyIn { source, dir } => format!("{source}:{dir}"),
            Self::Delete { pattern } => pattern.to_string(),
            Self::Install(packages) => join(packages, ","),
            Self::Link { target, links } => {
                format!("{target}:{}", join(links, ":"))
            }
            Self::Mkdir(path) | Self::Touch(path) | Self::Truncate(path) => {
                path.to_string()
            }
            Self::Run(script) => script.to_string(),
            Self::Hostname(text)
            | Self::RunCommand(text)
            | Self::Timezone(text) => text.clone(),
            Self::Uninstall(packages) => join(packages, ","),
            Self::Update => String::new(),
            Self::Upload { file, dest } => format!("{file}:{dest}"),
            Self::Write { file, content } => format!("{file}:{content}"),
        }
    }

    /// The files on the host this step reads.
    pub fn host_paths(&self) -> Vec<HostPath> {
        self.clone()
            .host_paths_mut()
            .into_iter()
            .map(|p| p.clone())
            .collect()
    }

    pub(super) fn host_paths_mut(&mut self) -> Vec<&mut HostPath> {
        match self {
            Self::CopyIn { source: path, .. }
            | Self::Upload { file: path, .. }
            | Self::Run(path) => vec![path],
            Self::Install(packages) => packages
                .iter_mut()
                .filter_map(PackageSpec::file_mut)
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn join<T: fmt::Display>(items: &[T], separator: &str) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(separator)
}

fn unknown(name: &str) -> Error {
    let known = Operation::ALL.iter().map(|operation| operation.name);
    let meant = match suggest(name, known) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    };
    Error::invalid(format!("unknown step `{}`{meant}", name.escape_debug()))
}

impl fmt::Display for Step {
    /// One line for plans and progress; long content is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 100;
        f.write_str(self.name())?;
        let argument = self.argument();
        if argument.is_empty() {
            return Ok(());
        }
        let shown: String = argument.chars().take(LONGEST).collect();
        write!(f, " {}", escape_controls(&shown))?;
        if shown.len() < argument.len() {
            write!(f, "… ({} bytes)", argument.len())?;
        }
        Ok(())
    }
}

/// A terminal must not obey what stands in a recipe.
fn escape_controls(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

impl Serialize for Step {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Install(packages) => {
                map.serialize_entry(self.name(), packages)?;
            }
            Self::Uninstall(packages) => {
                map.serialize_entry(self.name(), packages)?;
            }
            Self::Update => map.serialize_entry(self.name(), &())?,
            _ => map.serialize_entry(self.name(), &self.argument())?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step such as `run-command: update-grub`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Step, E> {
        match Operation::find(name) {
            None => Err(E::custom(unknown(name).message())),
            Some(operation) if operation.takes_argument() => {
                Err(E::custom(format_args!(
                    "{name} needs an argument: `{name}: {}`",
                    operation.argument
                )))
            }
            Some(_) => Step::parse(name, "")
                .map_err(|error| E::custom(error.message())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> Result<Step, A::Error> {
        let Some(name) = map.next_key_seed(KnownName)? else {
            return Err(de::Error::custom("an empty step"));
        };
        let step = map.next_value_seed(Argument(name))?;
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom(format_args!(
                "two operations in one step; begin the second with its own `-` \
                 after {name}"
            )));
        }
        Ok(step)
    }
}

/// The key of a step; fails where the key stands.
struct KnownName;

impl<'de> de::DeserializeSeed<'de> for KnownName {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Operation::find(&name) {
            Some(operation) => Ok(operation.name),
            None => Err(de::Error::custom(unknown(&name).message())),
        }
    }
}

/// The value of a step with this name; fails where the value stands.
struct Argument(&'static str);

impl<'de> de::DeserializeSeed<'de> for Argument {
    type Value = Step;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Step, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Argument {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Operation::find(self.0) {
            Some(operation) if operation.takes_argument() => {
                write!(f, "{}", operation.argument)
            }
            _ => f.write_str("nothing"),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Step, E> {
        match Operation::find(self.0) {
            Some(operation) if operation.takes_argument() => {
                Err(E::invalid_type(de::Unexpected::Unit, &self))
            }
            _ => self.visit_str(""),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Step, E> {
        let operation = Operation::find(self.0)
            .ok_or_else(|| E::custom(unknown(self.0).message()))?;
        if !operation.takes_argument() && !text.is_empty() {
            return Err(E::custom("takes no argument"));
        }
        operation
            .parse(text)
            .map_err(|error| E::custom(error.message()))
    }

    // From a deserializer that knows numbers, for the same message.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Step, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut items: A,
    ) -> Result<Step, A::Error> {
        match self.0 {
            "install" => collect(&mut items).map(Step::Install),
            "uninstall" => collect(&mut items).map(Step::Uninstall),
            _ => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }
}

fn collect<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    items: &mut A,
) -> Result<Vec<T>, A::Error> {
    let mut all = Vec::new();
    while let Some(item) = items.next_element()? {
        all.push(item);
    }
    if all.is_empty() {
        return Err(de::Error::custom("an empty list of packages"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_round_trips() {
        let cases = [
            ("append-line", "/etc/hosts:10.0.0.1 a:b"),
            ("chmod", "0755:/usr/local/bin/x"),
            ("copy", "/a:/b"),
            ("copy-in", "./files:/opt"),
            ("delete", "/var/log/*.gz"),
            ("hostname", "node-1.example"),
            ("install", "a,b=1.2,./c.deb"),
            ("link", "../x:/etc/y:/etc/z"),
            ("mkdir", "/opt/a/b"),
            ("move", "/a:/b"),
            ("run", "setup.sh"),
            ("run-command", "echo a:b && true"),
            ("timezone", "Europe/Paris"),
            ("touch", "/a"),
            ("truncate", "/a"),
            ("uninstall", "snapd,a"),
            ("update", ""),
            ("upload", "a.txt:/etc/b:c"),
            ("write", "/etc/motd:a: b\nc\n"),
        ];
        let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
        let table: Vec<_> = Operation::ALL.iter().map(|o| o.name).collect();
        assert_eq!(names, table, "a case for each, the table sorted");
        for (name, argument) in cases {
            let step = Step::parse(name, argument).unwrap();
            assert_eq!(step.name(), name);
            assert_eq!(step.argument(), argument);
            let json = serde_json::to_string(&step).unwrap();
            let again: Step = serde_json::from_str(&json).unwrap();
            assert_eq!(again, step, "{json}");
        }
    }

    #[test]
    fn what_does_not_parse() {
        let mut lines = Vec::new();
        for (name, argument) in [
            ("instal", "a"),
            ("update", "now"),
            ("write", "/etc/motd"),
            ("write", "etc/motd:x"),
            ("append-line", "/a:b\nc"),
            ("chmod", "9:/a"),
            ("chmod", "0755"),
            ("install", ""),
            ("install", "a,,b"),
            ("install", "-y"),
            ("uninstall", "a=1"),
            ("link", "/a"),
            ("link", ":/a"),
            ("hostname", "a b"),
            ("timezone", "/etc/passwd"),
            ("timezone", "a/../b"),
            ("run-command", ""),
            ("run", ""),
            ("delete", "/"),
            ("copy-in", "a:/b/../c"),
        ] {
            let error = Step::parse(name, argument).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            lines.push(error.to_string());
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn one_line_for_plans() {
        let step = Step::parse("write", "/etc/motd:a\n\u{1b}[31mb").unwrap();
        assert_eq!(step.to_string(), r"write /etc/motd:a\n\u{1b}[31mb");
        let long = format!("/a:{}", "ä".repeat(500));
        let step = Step::parse("write", &long).unwrap();
        assert!(step.to_string().ends_with("ä… (1003 bytes)"));
        assert_eq!(Step::Update.to_string(), "update");
    }
}
