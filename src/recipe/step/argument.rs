// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The parsers of arguments.
//!
//! As in virt-customize, the first `:` ends the first part of an argument, so
//! a path with a `:` in it can only come last. A message never repeats what
//! may be a secret.

use std::str::FromStr;

use super::account::{PasswordSelector, SshKey};
use super::system::{UnitAction, UnitName};
use super::{Step, join};
use crate::error::{Error, Result};
use crate::recipe::file::Principal;
use crate::recipe::package::Hold;
use crate::recipe::path::GuestPath;
use crate::recipe::repository::Repository;

/// What a user may do by sudo unless said.
pub(super) const SUDO_RULE: &str = "ALL=(ALL:ALL) NOPASSWD: ALL";

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

pub(super) fn list<T: FromStr<Err = Error>>(text: &str) -> Result<Vec<T>> {
    if text.trim().is_empty() {
        return Err(Error::invalid("an empty list of packages"));
    }
    text.split(',').map(|item| item.trim().parse()).collect()
}

pub(super) fn append_line(text: &str) -> Result<Step> {
    let (file, line) = split(text, "FILE:LINE")?;
    if line.contains('\n') {
        return Err(Error::invalid("a line must not contain a newline"));
    }
    Ok(Step::AppendLine {
        file: file.parse()?,
        line: line.to_owned(),
    })
}

pub(super) fn chmod(text: &str) -> Result<Step> {
    let (mode, path) = pair(text, "MODE:PATH")?;
    Ok(Step::Chmod { mode, path })
}

pub(super) fn copy(text: &str) -> Result<Step> {
    let (source, dest) = pair(text, "SOURCE:DEST")?;
    Ok(Step::Copy { source, dest })
}

pub(super) fn copy_in(text: &str) -> Result<Step> {
    let (source, dir) = pair(text, "LOCAL:REMOTEDIR")?;
    Ok(Step::CopyIn { source, dir })
}

pub(super) fn delete(text: &str) -> Result<Step> {
    let pattern: GuestPath = text.parse()?;
    if pattern.as_str() == "/" {
        return Err(Error::invalid("refusing to delete the whole image"));
    }
    Ok(Step::Delete { pattern })
}

pub(super) fn hostname(text: &str) -> Result<Step> {
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

pub(super) fn link(text: &str) -> Result<Step> {
    let (target, links) = split(text, "TARGET:LINK[:LINK...]")?;
    let links: Result<_> = links.split(':').map(GuestPath::new).collect();
    Ok(Step::Link {
        target: target.to_owned(),
        links: links?,
    })
}

pub(super) fn command(text: &str) -> Result<String> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Error::invalid("there is no command"));
    }
    Ok(text.to_owned())
}

pub(super) fn timezone(text: &str) -> Result<Step> {
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

pub(super) fn write(text: &str) -> Result<Step> {
    let (file, content) = split(text, "FILE:CONTENT")?;
    Ok(Step::Write {
        file: file.parse()?,
        content: content.to_owned(),
    })
}

pub(super) fn chown(text: &str) -> Result<Step> {
    const FORM: &str = "USER:GROUP:PATH";
    let (user, rest) = split(text, FORM)?;
    let (group, path) = pair(rest, FORM)?;
    Ok(Step::Chown {
        user: user.parse()?,
        group,
        path,
    })
}

pub(super) fn edit(text: &str) -> Result<Step> {
    let (file, expression) = split(text, "FILE:EXPR")?;
    if expression.trim().is_empty() || expression.contains('\0') {
        return Err(Error::invalid("there is no expression"));
    }
    Ok(Step::Edit {
        file: file.parse()?,
        expression: expression.to_owned(),
    })
}

pub(super) fn unit(action: UnitAction, text: &str) -> Result<Step> {
    let units: Result<Vec<UnitName>> =
        text.split(',').map(|item| item.trim().parse()).collect();
    Ok(Step::Unit {
        action,
        units: units?,
    })
}

/// The name of a user or a group, not a number.
pub(in crate::recipe) fn account_name(text: &str) -> Result<String> {
    match text.parse()? {
        Principal::Name(name) => Ok(name),
        Principal::Id(_) => Err(Error::invalid(format!(
            "`{text}` is a number where a name is wanted"
        ))),
    }
}

pub(super) fn group(text: &str) -> Result<Step> {
    let (name, gid) = match text.split_once(':') {
        None => (text, None),
        Some((name, gid)) => match gid.parse()? {
            Principal::Id(gid) => (name, Some(gid)),
            Principal::Name(_) => {
                return Err(Error::invalid(format!(
                    "`{gid}` is not a group number"
                )));
            }
        },
    };
    Ok(Step::Group {
        name: account_name(name)?,
        gid,
    })
}

pub(super) fn hold(text: &str) -> Result<Step> {
    Ok(Step::Hold(match text {
        "all" => Hold::All,
        "kubernetes" => Hold::Kubernetes,
        _ => Hold::These(list(text)?),
    }))
}

pub(super) fn hold_text(hold: &Hold) -> String {
    match hold {
        Hold::None => String::new(),
        Hold::Kubernetes => "kubernetes".to_owned(),
        Hold::All => "all".to_owned(),
        Hold::These(names) => join(names, ","),
    }
}

pub(super) fn module(text: &str) -> Result<Step> {
    let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
    let known = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(known) {
        return Err(Error::invalid(format!(
            "`{}` is not the name of a kernel module",
            name.escape_debug()
        )));
    }
    if parameters.contains(char::is_control) {
        return Err(Error::invalid("module parameters are one line"));
    }
    Ok(Step::Module {
        name: name.to_owned(),
        parameters: parameters.trim().to_owned(),
    })
}

pub(super) fn rename(text: &str) -> Result<Step> {
    let (source, dest) = pair(text, "SOURCE:DEST")?;
    Ok(Step::Move { source, dest })
}

pub(super) fn password(text: &str) -> Result<Step> {
    let Some((user, selector)) = text.split_once(':') else {
        return Err(Error::invalid("not USER:SELECTOR, such as x:random"));
    };
    Ok(Step::Password {
        user: account_name(user)?,
        selector: PasswordSelector::parse(selector)?,
    })
}

pub(super) fn repository(text: &str) -> Result<Step> {
    let repository: Repository = text.parse()?;
    Ok(Step::Repository(Box::new(repository)))
}

pub(super) fn repository_text(repository: &Repository) -> String {
    repository.to_string()
}

pub(super) fn ssh_inject(text: &str) -> Result<Step> {
    let (user, key) = match text.split_once(':') {
        None => (text, SshKey::Newest),
        Some((user, selector)) => (user, selector.parse()?),
    };
    Ok(Step::SshInject {
        user: account_name(user)?,
        key,
    })
}

pub(super) fn sudo(text: &str) -> Result<Step> {
    let (user, rule) = text.split_once(':').unwrap_or((text, SUDO_RULE));
    if rule.trim().is_empty() || rule.contains(char::is_control) {
        return Err(Error::invalid("a sudo rule is one line"));
    }
    Ok(Step::Sudo {
        user: account_name(user)?,
        rule: rule.trim().to_owned(),
    })
}

pub(super) fn tar_in(text: &str) -> Result<Step> {
    let (archive, dir) = pair(text, "TARFILE:REMOTEDIR")?;
    Ok(Step::TarIn { archive, dir })
}

pub(super) fn upload(text: &str) -> Result<Step> {
    let (file, dest) = pair(text, "FILE:DEST")?;
    Ok(Step::Upload { file, dest })
}
