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

mod account;
mod argument;
mod commands;
mod image_source;
mod operation;
mod system;
mod text;

use std::fmt;

pub use account::{
    PasswordCrypto, PasswordSelector, PasswordSource, SshKey, UserSpec,
};
pub(super) use argument::account_name;
pub use image_source::ImageSource;
pub use operation::Operation;
pub use system::{KernelArguments, SelinuxMode, Sysctl, UnitAction, UnitName};

use super::file::{Mode, Principal};
use super::package::{Hold, PackageName, PackageSpec};
use super::path::{GuestPath, HostPath};
use super::repository::Repository;
use super::suggest::suggest;
use crate::error::{Error, Result};

/// One operation, with its argument understood.
#[derive(Debug, Clone, PartialEq)]
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
    /// Changes owners.
    Chown {
        /// The new user.
        user: Principal,
        /// The new group.
        group: Principal,
        /// What to change; links are followed.
        path: GuestPath,
    },
    /// Does the operations of a file, one a line.
    CommandsFromFile(HostPath),
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
    /// Changes each line of a file by a Perl expression.
    Edit {
        /// An existing regular file.
        file: GuestPath,
        /// Such as `s/a/b/`; the line is `$_`.
        expression: String,
    },
    /// Runs a script of the host once, at the first boot.
    Firstboot(HostPath),
    /// Runs a shell command once, at the first boot.
    FirstbootCommand(String),
    /// Installs packages at the first boot.
    FirstbootInstall(Vec<PackageName>),
    /// Adds a group, if there is none of that name.
    Group {
        /// Its name.
        name: String,
        /// Its number; the next free one unless said.
        gid: Option<u32>,
    },
    /// Keeps the versions of packages.
    Hold(Hold),
    /// Sets the host name.
    Hostname(String),
    /// Installs packages.
    Install(Vec<PackageSpec>),
    /// Changes what the kernel is booted with.
    KernelCmdline(KernelArguments),
    /// Makes symbolic links, replacing files (`ln -sf`).
    Link {
        /// What the links say.
        target: String,
        /// Where they are.
        links: Vec<GuestPath>,
    },
    /// Makes a directory and its parents.
    Mkdir(GuestPath),
    /// Loads a kernel module at boot.
    Module {
        /// Its name.
        name: String,
        /// Its parameters, blank-separated; may be empty.
        parameters: String,
    },
    /// Renames within the image.
    Move {
        /// What to rename.
        source: GuestPath,
        /// To what; into it when it is a directory.
        dest: GuestPath,
    },
    /// Sets the password of an existing user, after all other steps.
    Password {
        /// The user.
        user: String,
        /// What it becomes.
        selector: PasswordSelector,
    },
    /// Brings a container image into containerd's namespace `k8s.io`,
    /// pinned.
    PreloadImage(ImageSource),
    /// Adds a package source.
    Repository(Box<Repository>),
    /// Sets root's password, after all other steps.
    RootPassword(PasswordSelector),
    /// Runs a script of the host in the image.
    Run(HostPath),
    /// Runs a shell command in the image.
    RunCommand(String),
    /// Overwrites a regular file, then deletes it.
    Scrub(GuestPath),
    /// Adds a public key to those a user may log in with.
    SshInject {
        /// An existing user.
        user: String,
        /// The key.
        key: SshKey,
    },
    /// Lets a user run commands as root.
    Sudo {
        /// The user.
        user: String,
        /// What follows the name in sudoers(5).
        rule: String,
    },
    /// Sets a kernel parameter at boot.
    Sysctl(Sysctl),
    /// Unpacks an archive of the host into a directory.
    TarIn {
        /// Plain, or compressed by gzip, xz or zstd.
        archive: HostPath,
        /// An existing directory in the image.
        dir: GuestPath,
    },
    /// Sets how SELinux is started.
    SelinuxMode(SelinuxMode),
    /// Sets the time zone.
    Timezone(String),
    /// Creates a file, or sets its times.
    Touch(GuestPath),
    /// Empties an existing file.
    Truncate(GuestPath),
    /// Empties every regular file below a path.
    TruncateRecursive(GuestPath),
    /// Removes packages and what depends on them.
    Uninstall(Vec<PackageName>),
    /// Enables, disables or masks units.
    Unit {
        /// What happens to them.
        action: UnitAction,
        /// Which.
        units: Vec<UnitName>,
    },
    /// Updates every package.
    Update,
    /// Copies one file from the host, with its mode and owner numbers.
    Upload {
        /// A file on the host.
        file: HostPath,
        /// File, or directory to put it in.
        dest: GuestPath,
    },
    /// Adds a user, or changes an existing one.
    User(UserSpec),
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
            Self::Chown { .. } => "chown",
            Self::CommandsFromFile(_) => "commands-from-file",
            Self::Copy { .. } => "copy",
            Self::CopyIn { .. } => "copy-in",
            Self::Delete { .. } => "delete",
            Self::Edit { .. } => "edit",
            Self::Firstboot(_) => "firstboot",
            Self::FirstbootCommand(_) => "firstboot-command",
            Self::FirstbootInstall(_) => "firstboot-install",
            Self::Group { .. } => "group",
            Self::Hold(_) => "hold",
            Self::Hostname(_) => "hostname",
            Self::Install(_) => "install",
            Self::KernelCmdline(_) => "kernel-cmdline",
            Self::Link { .. } => "link",
            Self::Mkdir(_) => "mkdir",
            Self::Module { .. } => "module",
            Self::Move { .. } => "move",
            Self::Password { .. } => "password",
            Self::PreloadImage(_) => "preload-image",
            Self::Repository(_) => "repository",
            Self::RootPassword(_) => "root-password",
            Self::Run(_) => "run",
            Self::RunCommand(_) => "run-command",
            Self::Scrub(_) => "scrub",
            Self::SshInject { .. } => "ssh-inject",
            Self::Sudo { .. } => "sudo",
            Self::Sysctl(_) => "sysctl",
            Self::TarIn { .. } => "tar-in",
            Self::SelinuxMode(_) => "selinux-mode",
            Self::Timezone(_) => "timezone",
            Self::Touch(_) => "touch",
            Self::Truncate(_) => "truncate",
            Self::TruncateRecursive(_) => "truncate-recursive",
            Self::Uninstall(_) => "uninstall",
            Self::Unit { action, .. } => action.operation(),
            Self::Update => "update",
            Self::Upload { .. } => "upload",
            Self::User(_) => "user",
            Self::Write { .. } => "write",
        }
    }

    /// The argument, such that [`parse`](Self::parse) gives this step again;
    /// but in place of a secret it says that there is one, which does not
    /// parse.
    pub fn argument(&self) -> String {
        match self {
            Self::AppendLine { file, line } => format!("{file}:{line}"),
            Self::Chmod { mode, path } => format!("{mode}:{path}"),
            Self::Chown { user, group, path } => {
                format!("{user}:{group}:{path}")
            }
            Self::Copy { source, dest } | Self::Move { source, dest } => {
                format!("{source}:{dest}")
            }
            Self::CopyIn { source, dir } => format!("{source}:{dir}"),
            Self::Delete { pattern } => pattern.to_string(),
            Self::Edit { file, expression } => format!("{file}:{expression}"),
            Self::Group { name, gid: None } => name.clone(),
            Self::Group {
                name,
                gid: Some(gid),
            } => format!("{name}:{gid}"),
            Self::Hold(hold) => argument::hold_text(hold),
            Self::Install(packages) => join(packages, ","),
            Self::KernelCmdline(arguments) => arguments.to_string(),
            Self::Link { target, links } => {
                format!("{target}:{}", join(links, ":"))
            }
            Self::Mkdir(path)
            | Self::Scrub(path)
            | Self::Touch(path)
            | Self::Truncate(path)
            | Self::TruncateRecursive(path) => path.to_string(),
            Self::Module { name, parameters } if parameters.is_empty() => {
                name.clone()
            }
            Self::Module { name, parameters } => {
                format!("{name}:{parameters}")
            }
            Self::Password { user, selector } => format!("{user}:{selector}"),
            Self::PreloadImage(source) => source.to_string(),
            Self::Repository(repository) => {
                argument::repository_text(repository)
            }
            Self::RootPassword(selector) => selector.to_string(),
            Self::CommandsFromFile(file)
            | Self::Firstboot(file)
            | Self::Run(file) => file.to_string(),
            Self::FirstbootCommand(text)
            | Self::Hostname(text)
            | Self::RunCommand(text)
            | Self::Timezone(text) => text.clone(),
            Self::SshInject { user, key } => format!("{user}{key}"),
            Self::Sudo { user, rule } if rule == argument::SUDO_RULE => {
                user.clone()
            }
            Self::Sudo { user, rule } => format!("{user}:{rule}"),
            Self::SelinuxMode(mode) => mode.to_string(),
            Self::Sysctl(sysctl) => sysctl.to_string(),
            Self::TarIn { archive, dir } => format!("{archive}:{dir}"),
            Self::FirstbootInstall(packages) | Self::Uninstall(packages) => {
                join(packages, ",")
            }
            Self::Unit { units, .. } => join(units, ","),
            Self::Update => String::new(),
            Self::Upload { file, dest } => format!("{file}:{dest}"),
            Self::User(user) => user.to_string(),
            Self::Write { file, content } => format!("{file}:{content}"),
        }
    }

    /// Has the password that this step sets, if it sets one, hashed so.
    pub fn set_password_crypto(&mut self, crypto: PasswordCrypto) {
        if let Self::Password { selector, .. } | Self::RootPassword(selector) =
            self
        {
            selector.crypto = Some(crypto);
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
            | Self::TarIn { archive: path, .. }
            | Self::PreloadImage(ImageSource::Archive(path))
            | Self::SshInject {
                key: SshKey::File(path),
                ..
            }
            | Self::CommandsFromFile(path)
            | Self::Firstboot(path)
            | Self::Run(path) => vec![path],
            Self::Install(packages) => packages
                .iter_mut()
                .filter_map(PackageSpec::file_mut)
                .collect(),
            Self::Password { selector, .. } | Self::RootPassword(selector) => {
                selector.file_mut().into_iter().collect()
            }
            Self::Repository(repository) => {
                repository.key_file_mut().into_iter().collect()
            }
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

#[cfg(test)]
mod tests;
