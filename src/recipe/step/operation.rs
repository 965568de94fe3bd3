// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The table of operations and the parsers of their arguments.
//!
//! As in virt-customize, the first `:` ends the first part of an argument, so
//! a path with a `:` in it can only come last.

use std::str::FromStr;

use super::Step;
use crate::error::{Error, Result};
use crate::recipe::path::GuestPath;

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
            append_line,
        ),
        operation("chmod", "MODE:PATH", "Change permission bits", chmod),
        operation("copy", "SOURCE:DEST", "Copy within the image", copy),
        operation(
            "copy-in",
            "LOCAL:REMOTEDIR",
            "Copy files or directories into a directory of the image",
            copy_in,
        ),
        operation("delete", "PATH", "Delete what matches", delete),
        operation("hostname", "NAME", "Set the host name", hostname),
        operation("install", "PKG,PKG...", "Install packages", install),
        operation("link", "TARGET:LINK[:LINK...]", "Make symbolic links", link),
        operation("mkdir", "DIR", "Make a directory and its parents", |text| {
            text.parse().map(Step::Mkdir)
        }),
        operation("move", "SOURCE:DEST", "Rename within the image", |text| {
            let (source, dest) = pair(text, "SOURCE:DEST")?;
            Ok(Step::Move { source, dest })
        }),
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
            run_command,
        ),
        operation("timezone", "ZONE", "Set the time zone", timezone),
        operation("touch", "FILE", "Create a file or set its times", |text| {
            text.parse().map(Step::Touch)
        }),
        operation("truncate", "FILE", "Empty a file", |text| {
            text.parse().map(Step::Truncate)
        }),
        operation("uninstall", "PKG,PKG...", "Remove packages", |text| {
            list(text).map(Step::Uninstall)
        }),
        operation("update", "", "Update every package", |_| Ok(Step::Update)),
        operation(
            "upload",
            "FILE:DEST",
            "Copy one file into the image",
            |text| {
                let (file, dest) = pair(text, "FILE:DEST")?;
                Ok(Step::Upload { file, dest })
            },
        ),
        operation("write", "FILE:CONTENT", "Write a file", write),
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

/// Splits at the first colon; `form` is for the message.
fn split<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str)> {
    match text.split_once(':') {
        Some((first, rest)) if !first.is_empty() => Ok((first, rest)),
        _ => Err(Error::invalid(format!("`{text}` is not {form}"))),
    }
}

/// Both parts of an argument, each of its type.
fn pair<A, B>(text: &str, form: &str) -> Result<(A, B)>
where
    A: FromStr<Err = Error>,
    B: FromStr<Err = Error>,
{
    let (first, rest) = split(text, form)?;
    Ok((first.parse()?, rest.parse()?))
}

fn list<T: FromStr<Err = Error>>(text: &str) -> Result<Vec<T>> {
    if text.trim().is_empty() {
        return Err(Error::invalid("an empty list of packages"));
    }
    text.split(',').map(|item| item.trim().parse()).collect()
}

fn append_line(text: &str) -> Result<Step> {
    let (file, line) = split(text, "FILE:LINE")?;
    if line.contains('\n') {
        return Err(Error::invalid("a line must not contain a newline"));
    }
    Ok(Step::AppendLine {
        file: file.parse()?,
        line: line.to_owned(),
    })
}

fn chmod(text: &str) -> Result<Step> {
    let (mode, path) = pair(text, "MODE:PATH")?;
    Ok(Step::Chmod { mode, path })
}

fn copy(text: &str) -> Result<Step> {
    let (source, dest) = pair(text, "SOURCE:DEST")?;
    Ok(Step::Copy { source, dest })
}

fn copy_in(text: &str) -> Result<Step> {
    let (source, dir) = pair(text, "LOCAL:REMOTEDIR")?;
    Ok(Step::CopyIn { source, dir })
}

fn delete(text: &str) -> Result<Step> {
    let pattern: GuestPath = text.parse()?;
    if pattern.as_str() == "/" {
        return Err(Error::invalid("refusing to delete the whole image"));
    }
    Ok(Step::Delete { pattern })
}

fn hostname(text: &str) -> Result<Step> {
    // hostname(7): letters, digits and hyphens between dots; HOST_NAME_MAX.
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if text.len() > 64 || !text.split('.').all(label) {
        return Err(Error::invalid(format!("`{text}` is not a host name")));
    }
    Ok(Step::Hostname(text.to_owned()))
}

fn install(text: &str) -> Result<Step> {
    list(text).map(Step::Install)
}

fn link(text: &str) -> Result<Step> {
    let (target, links) = split(text, "TARGET:LINK[:LINK...]")?;
    let links: Result<_> = links.split(':').map(GuestPath::new).collect();
    Ok(Step::Link {
        target: target.to_owned(),
        links: links?,
    })
}

fn run_command(text: &str) -> Result<Step> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Error::invalid("there is no command"));
    }
    Ok(Step::RunCommand(text.to_owned()))
}

fn timezone(text: &str) -> Result<Step> {
    // A name below /usr/share/zoneinfo.
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-_.".contains(c))
    };
    if !text.split('/').all(part) {
        return Err(Error::invalid(format!(
            "`{text}` is not a time zone such as `Europe/Paris`"
        )));
    }
    Ok(Step::Timezone(text.to_owned()))
}

fn write(text: &str) -> Result<Step> {
    let (file, content) = split(text, "FILE:CONTENT")?;
    Ok(Step::Write {
        file: file.parse()?,
        content: content.to_owned(),
    })
}
