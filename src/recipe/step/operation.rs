// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The table of operations: names, forms of arguments, help, parsers.

use super::argument as a;
use super::system::UnitAction;
use super::{PasswordSelector, Step};
use crate::error::Result;

/// An operation a step can be.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Operation {
    /// Its name, also that of the option of `customize`.
    pub name: &'static str,
    /// The form of its argument, empty when it takes none.
    pub argument: &'static str,
    /// What it does, in the imperative.
    pub summary: &'static str,
    parse: fn(&str) -> Result<Step>,
}

const fn operation(
    name: &'static str,
    argument: &'static str,
    summary: &'static str,
    parse: fn(&str) -> Result<Step>,
) -> Operation {
    Operation {
        name,
        argument,
        summary,
        parse,
    }
}

impl Operation {
    /// Every operation, by name.
    pub const ALL: &'static [Self] = &[
        operation(
            "append-line",
            "FILE:LINE",
            "Append a line to a file",
            a::append_line,
        ),
        operation("chmod", "MODE:PATH", "Change permission bits", a::chmod),
        operation(
            "chown",
            "USER:GROUP:PATH",
            "Change owners, by name or number",
            a::chown,
        ),
        operation(
            "commands-from-file",
            "FILENAME",
            "Do the operations in a file, one a line",
            |text| text.parse().map(Step::CommandsFromFile),
        ),
        operation("copy", "SOURCE:DEST", "Copy within the image", a::copy),
        operation(
            "copy-in",
            "LOCAL:REMOTEDIR",
            "Copy files or directories into a directory of the image",
            a::copy_in,
        ),
        operation("delete", "PATH", "Delete what matches", a::delete),
        operation(
            "disable-unit",
            "UNIT,UNIT...",
            "Have units not started at boot",
            |text| a::unit(UnitAction::Disable, text),
        ),
        operation(
            "edit",
            "FILE:EXPR",
            "Change each line of a file by a Perl expression",
            a::edit,
        ),
        operation(
            "enable-unit",
            "UNIT,UNIT...",
            "Have units started at boot",
            |text| a::unit(UnitAction::Enable, text),
        ),
        operation(
            "firstboot",
            "SCRIPT",
            "Run a script of the host at the first boot",
            |text| text.parse().map(Step::Firstboot),
        ),
        operation(
            "firstboot-command",
            "COMMAND",
            "Run a shell command at the first boot",
            |text| a::command(text).map(Step::FirstbootCommand),
        ),
        operation(
            "firstboot-install",
            "PKG,PKG...",
            "Install packages at the first boot",
            |text| a::list(text).map(Step::FirstbootInstall),
        ),
        operation("group", "NAME[:GID]", "Add a group", a::group),
        operation(
            "hold",
            "PKG,PKG...|kubernetes|all",
            "Keep the versions of packages",
            a::hold,
        ),
        operation("hostname", "NAME", "Set the host name", a::hostname),
        operation("install", "PKG,PKG...", "Install packages", |text| {
            a::list(text).map(Step::Install)
        }),
        operation(
            "kernel-cmdline",
            "ARG [-ARG...]",
            "Add kernel arguments, remove those after a `-`",
            |text| text.parse().map(Step::KernelCmdline),
        ),
        operation(
            "link",
            "TARGET:LINK[:LINK...]",
            "Make symbolic links",
            a::link,
        ),
        operation(
            "mask-unit",
            "UNIT,UNIT...",
            "Have units never started",
            |text| a::unit(UnitAction::Mask, text),
        ),
        operation("mkdir", "DIR", "Make a directory and its parents", |text| {
            text.parse().map(Step::Mkdir)
        }),
        operation(
            "module",
            "NAME[:PARAMETERS]",
            "Load a kernel module at boot",
            a::module,
        ),
        operation("move", "SOURCE:DEST", "Rename within the image", a::rename),
        operation(
            "password",
            "USER:SELECTOR",
            "Set a password: file:FILE, password:PASSWORD, hash:HASH, \
             random, disabled, locked[:SELECTOR]",
            a::password,
        ),
        operation(
            "preload-image",
            "IMAGE|file:ARCHIVE",
            "Bring a container image, or those of an OCI or docker archive, \
             into containerd, pinned",
            |text| text.parse().map(Step::PreloadImage),
        ),
        operation(
            "repository",
            "NAME URI [SUITE [COMPONENT...]]",
            "Add a package source; further words: key=FILE|URL, \
             arch=ARCH,..., trusted",
            a::repository,
        ),
        operation(
            "root-password",
            "SELECTOR",
            "Set the password of root, as with password",
            |text| PasswordSelector::parse(text).map(Step::RootPassword),
        ),
        operation(
            "run",
            "SCRIPT",
            "Run a script of the host in the image",
            |text| text.parse().map(Step::Run),
        ),
        operation(
            "run-command",
            "COMMAND",
            "Run a shell command in the image",
            |text| a::command(text).map(Step::RunCommand),
        ),
        operation(
            "scrub",
            "FILE",
            "Overwrite a file, then delete it",
            |text| text.parse().map(Step::Scrub),
        ),
        operation(
            "selinux-mode",
            "enforcing|permissive|disabled",
            "Set how SELinux is started",
            |text| text.parse().map(Step::SelinuxMode),
        ),
        operation(
            "ssh-inject",
            "USER[:SELECTOR]",
            "Let a user in with a public key: file:FILE, string:KEY, \
             else your newest",
            a::ssh_inject,
        ),
        operation(
            "sudo",
            "USER[:RULE]",
            "Let a user run commands as root, all and without a password \
             unless said",
            a::sudo,
        ),
        operation(
            "sysctl",
            "KEY=VALUE",
            "Set a kernel parameter at boot",
            |text| text.parse().map(Step::Sysctl),
        ),
        operation(
            "tar-in",
            "TARFILE:REMOTEDIR",
            "Unpack an archive into a directory of the image",
            a::tar_in,
        ),
        operation("timezone", "ZONE", "Set the time zone", a::timezone),
        operation("touch", "FILE", "Create a file or set its times", |text| {
            text.parse().map(Step::Touch)
        }),
        operation("truncate", "FILE", "Empty a file", |text| {
            text.parse().map(Step::Truncate)
        }),
        operation(
            "truncate-recursive",
            "PATH",
            "Empty every file below a directory",
            |text| text.parse().map(Step::TruncateRecursive),
        ),
        operation("uninstall", "PKG,PKG...", "Remove packages", |text| {
            a::list(text).map(Step::Uninstall)
        }),
        operation("unmask-unit", "UNIT,UNIT...", "Undo a mask-unit", |text| {
            a::unit(UnitAction::Unmask, text)
        }),
        operation("update", "", "Update every package", |_| Ok(Step::Update)),
        operation(
            "upload",
            "FILE:DEST",
            "Copy one file into the image",
            a::upload,
        ),
        operation(
            "user",
            "NAME[:KEY=VALUE...]",
            "Add a user, or change one: uid, group, groups (G,G...), \
             home, shell, comment; or a bare :system",
            |text| text.parse().map(Step::User),
        ),
        operation("write", "FILE:CONTENT", "Write a file", a::write),
    ];

    /// The operation with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|operation| operation.name == name)
    }

    /// Whether it takes an argument.
    pub fn takes_argument(&self) -> bool {
        !self.argument.is_empty()
    }

    pub(super) fn parse(&self, argument: &str) -> Result<Step> {
        (self.parse)(argument)
    }
}
