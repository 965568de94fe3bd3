// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What the kernel is booted with, its modules and parameters.

use std::path::Path;

use super::file::owner_of;
use crate::error::{Context, Error, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::boot_entries::{self, CMDLINE};
use crate::provision::package_manager::Guest;
use crate::recipe::{KernelArguments, Sysctl};

/// After what distributions have, which end in `50-` or `60-`.
const SYSCTL: &str = "/etc/sysctl.d/99-imagewright.conf";
const MODULES: &str = "/etc/modules-load.d/imagewright.conf";
const MODPROBE: &str = "/etc/modprobe.d/imagewright.conf";
const GRUB: &str = "/etc/default/grub";
const GRUBBY: &str = "/usr/sbin/grubby";
/// What makes GRUB's configuration anew: a program and its arguments.
const REGENERATE: [(&str, &[&str]); 3] = [
    ("/usr/sbin/update-grub", &[]),
    ("/usr/sbin/grub2-mkconfig", &["-o", "/boot/grub2/grub.cfg"]),
    ("/usr/sbin/grub-mkconfig", &["-o", "/boot/grub/grub.cfg"]),
];

/// Sets a parameter at boot; an earlier value of ours goes.
pub(super) fn sysctl(root: &GuestRoot, sysctl: &Sysctl) -> Result<()> {
    let is_same = |line: &str| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == sysctl.key)
    };
    let line = format!("{} = {}", sysctl.key, sysctl.value);
    replace_line(root, SYSCTL, is_same, &line)
}

/// Loads a module at boot, with its parameters.
pub(super) fn module(
    root: &GuestRoot,
    name: &str,
    parameters: &str,
) -> Result<()> {
    replace_line(root, MODULES, |line| line == name, name)?;
    if parameters.is_empty() {
        return Ok(());
    }
    let start = format!("options {name} ");
    let line = format!("{start}{parameters}");
    replace_line(root, MODPROBE, |line| line.starts_with(&start), &line)
}

/// Puts `line` at the end of a file of ours, without those it replaces.
fn replace_line(
    root: &GuestRoot,
    path: &str,
    replaced: impl Fn(&str) -> bool,
    line: &str,
) -> Result<()> {
    if let Some(parent) = Path::new(path).parent() {
        root.create_dir_all(parent, FileOwner::root(0o755))?;
    }
    let before = root.read_if_exists(path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let mut text: String = before
        .lines()
        .filter(|line| !replaced(line))
        .map(|line| format!("{line}\n"))
        .collect();
    text.push_str(line);
    text.push('\n');
    root.write(path, text.as_bytes(), owner_of(root, Path::new(path))?)
}

/// Changes the kernel command line wherever the image keeps it, then has the
/// image's own tools make the configuration of its boot loader anew.
pub(super) fn command_line(
    guest: &Guest<'_>,
    arguments: &KernelArguments,
) -> Result<()> {
    let root = guest.root();
    let mut found = false;
    let entries = boot_entries::paths(root)?;
    // Without it the entries of later kernels would not have the arguments.
    let line = match entries.is_empty() && !root.exists(CMDLINE)? {
        true => None,
        false => boot_entries::kernel_command_line(root)?,
    };
    if let Some(line) = line {
        found = true;
        let line = format!("{}\n", edit_words(&line, arguments));
        let owner = match root.exists(CMDLINE)? {
            true => owner_of(root, Path::new(CMDLINE))?,
            false => FileOwner::root(0o644),
        };
        root.create_dir_all("/etc/kernel", FileOwner::root(0o755))?;
        root.write(CMDLINE, line.as_bytes(), owner)?;
    }
    if root.exists(GRUBBY)? {
        found = true;
        grubby(guest, arguments)?;
    }
    // After grubby, which has done it already where it is there.
    for path in &entries {
        found = true;
        change(root, path, |text| edit_entry(text, arguments))?;
    }
    for path in boot_entries::environments(root)? {
        let block = root.read(&path)?;
        let block = String::from_utf8_lossy(&block);
        let edit = |line: &str| edit_words(line, arguments);
        if let Some(new) = boot_entries::edit_environment(&block, edit)? {
            root.write(&path, new.as_bytes(), owner_of(root, &path)?)?;
        }
    }
    if root.exists(GRUB)? {
        found = true;
        change(root, GRUB, |text| edit_grub(text, arguments, true))?;
        for path in root.glob("/etc/default/grub.d/*.cfg")? {
            change(root, path, |text| edit_grub(text, arguments, false))?;
        }
        regenerate(guest)?;
    }
    if found {
        return Ok(());
    }
    Err(Error::unsupported(
        "the image keeps its kernel command line in no known place",
    )
    .hint(format!(
        "known are {GRUB}, /etc/kernel/cmdline and entries of the Boot \
         Loader Specification"
    )))
}

fn regenerate(guest: &Guest<'_>) -> Result<()> {
    for (program, args) in REGENERATE {
        if guest.root().exists(program)? {
            return guest
                .environment
                .command(program)
                .args(args.iter().copied())
                .run(guest.monitor)
                .during("making the configuration of GRUB anew");
        }
    }
    Err(Error::unsupported(
        "the image has no program that makes GRUB's configuration anew",
    ))
}

fn grubby(guest: &Guest<'_>, arguments: &KernelArguments) -> Result<()> {
    let mut args = vec!["--update-kernel=ALL".to_owned()];
    if !arguments.add.is_empty() {
        args.push(format!("--args={}", arguments.add.join(" ")));
    }
    if !arguments.remove.is_empty() {
        args.push(format!("--remove-args={}", arguments.remove.join(" ")));
    }
    guest
        .environment
        .command(GRUBBY)
        .args(args)
        .run(guest.monitor)
}

fn change(
    root: &GuestRoot,
    path: impl AsRef<Path>,
    edit: impl Fn(&str) -> String,
) -> Result<()> {
    let path = path.as_ref();
    let before = root.read(path)?;
    let before = String::from_utf8(before)
        .map_err(|_| Error::unsupported("not UTF-8").at(path))?;
    let after = edit(&before);
    if after == before {
        return Ok(());
    }
    root.write(path, after.as_bytes(), owner_of(root, path)?)
}

/// A command line with words removed and added.
fn edit_words(line: &str, arguments: &KernelArguments) -> String {
    let removed = |word: &str| {
        arguments.remove.iter().any(|gone| {
            word == gone || (gone.ends_with('=') && word.starts_with(gone))
        })
    };
    let mut words: Vec<&str> = line
        .split_whitespace()
        .filter(|word| !removed(word))
        .collect();
    for word in &arguments.add {
        if !words.contains(&word.as_str()) {
            words.push(word);
        }
    }
    words.join(" ")
}

/// An entry of the Boot Loader Specification.
pub(in crate::provision) fn edit_entry(
    text: &str,
    arguments: &KernelArguments,
) -> String {
    let edit = |line: &str| match boot_entries::options(line) {
        // What a variable of GRUB stands for is edited where that is set.
        Some(rest) if rest.contains("$kernelopts") => format!("{line}\n"),
        Some(rest) => {
            format!("options {}\n", edit_words(rest, arguments))
        }
        None => format!("{line}\n"),
    };
    text.lines().map(edit).collect()
}

/// A file of shell assignments that GRUB's tools read. Words are removed from
/// both variables; they are added to `GRUB_CMDLINE_LINUX`, which all entries
/// have, where it is set without taking up its earlier value. `make` sets it
/// if no line does. A value that is more than one word of text (escapes, several
/// lines, commands) is left as it is, and a line after it adds to it.
pub(in crate::provision) fn edit_grub(
    text: &str,
    arguments: &KernelArguments,
    make: bool,
) -> String {
    const ALL: &str = "GRUB_CMDLINE_LINUX";
    let removal = KernelArguments::only_removing(&arguments.remove);
    let (mut seen, mut unreadable) = (false, false);
    let mut edited = String::new();
    for line in text.lines() {
        let assignment = line.trim_start().split_once('=');
        let (name, arguments) = match assignment {
            Some((name, value)) if name == ALL => {
                let extends = value.contains("$GRUB_CMDLINE_LINUX")
                    || value.contains("${GRUB_CMDLINE_LINUX");
                seen |= !extends;
                (name, if extends { &removal } else { arguments })
            }
            Some((name, _)) if name == "GRUB_CMDLINE_LINUX_DEFAULT" => {
                (name, &removal)
            }
            _ => ("", arguments),
        };
        match assignment.and_then(|(_, value)| Literal::parse(value)) {
            Some(Literal { quote, text, rest }) if !name.is_empty() => {
                let words = edit_words(text, arguments);
                edited.push_str(&format!("{name}={quote}{words}{quote}{rest}"));
            }
            _ => {
                unreadable |= name == ALL;
                edited.push_str(line);
            }
        }
        edited.push('\n');
    }
    let words = edit_words("", arguments);
    if unreadable {
        let more = format!("{ALL}=\"${ALL} {words}\"\n");
        if !words.is_empty() && !edited.ends_with(&more) {
            edited.push_str(&more);
        }
    } else if make && !seen {
        edited.push_str(&format!("{ALL}=\"{words}\"\n"));
    }
    edited
}

/// The value of a shell's assignment, where it is one word of text on one line.
struct Literal<'a> {
    /// The one it is to be written in.
    quote: char,
    text: &'a str,
    /// What follows: a comment, say.
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (text, rest) = match quote {
            Some(quote) => value[1..].split_once(quote)?,
            None => value.split_at(
                value.find(char::is_whitespace).unwrap_or(value.len()),
            ),
        };
        let ends = rest.chars().next().is_none_or(char::is_whitespace);
        let plain = match quote {
            Some(_) => !text.contains('\\'),
            None => !text.contains(['\\', '"', '\'', '`', '(', ';', '&', '|']),
        };
        (ends && plain).then_some(Self {
            quote: quote.unwrap_or('"'),
            text,
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_added_once_and_removed_whole() {
        for (line, edit, expected) in [
            ("a b", "c", "a b c"),
            ("a b", "b", "a b"),
            ("quiet a", "-quiet b=1 b=2", "a b=1 b=2"),
            ("console=tty0 x=1", "-console= -x", "x=1"),
            ("", "a", "a"),
        ] {
            let arguments = edit.parse().unwrap();
            assert_eq!(edit_words(line, &arguments), expected, "{line} {edit}");
        }
    }

    #[test]
    fn grub_defaults() {
        const NAME: &str = "GRUB_CMDLINE_LINUX";
        let arguments = "net.ifnames=0 -quiet".parse().unwrap();
        let text = "# x\nGRUB_TIMEOUT=0\n\
            GRUB_CMDLINE_LINUX_DEFAULT='quiet splash'\n\
            GRUB_CMDLINE_LINUX=console=ttyS0\n";
        assert_eq!(
            edit_grub(text, &arguments, true),
            "# x\nGRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT='splash'\n\
             GRUB_CMDLINE_LINUX=\"console=ttyS0 net.ifnames=0\"\n"
        );
        assert_eq!(
            edit_grub("", &arguments, true),
            "GRUB_CMDLINE_LINUX=\"net.ifnames=0\"\n"
        );
        for (line, edited) in [
            ("\"a\" # why", "\"a net.ifnames=0\" # why\n"),
            ("'x=\"1\"' ", "'x=\"1\" net.ifnames=0' \n"),
        ] {
            assert_eq!(
                edit_grub(&format!("{NAME}={line}"), &arguments, true),
                format!("{NAME}={edited}")
            );
        }
        for line in ["\"a \\\n  b\"", "\"x=\\\"1\\\"\"", "\"a\"'b'", "\"a"] {
            let more =
                "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX net.ifnames=0\"";
            let once = edit_grub(&format!("{NAME}={line}"), &arguments, true);
            assert_eq!(once, format!("{NAME}={line}\n{more}\n"));
            assert_eq!(edit_grub(&once, &arguments, true), once);
        }
        let extending = "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX a\"\n";
        assert_eq!(edit_grub(extending, &arguments, false), extending);
    }

    #[test]
    fn boot_loader_entries() {
        let arguments = "a=1 -ro".parse().unwrap();
        assert_eq!(
            edit_entry("title x\noptions root=/dev/a ro\n", &arguments),
            "title x\noptions root=/dev/a a=1\n"
        );
    }
}
