// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The operations of the recipe's `steps`.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::stat::UtimensatFlags;
use nix::sys::stat::utimensat;
use nix::sys::time::TimeSpec;

use super::files::{Ownership, copy_in};
use super::package_manager::{Guest, PackageManager};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot, descriptor_path};
use crate::recipe::{GuestPath, HostPath, Step};

/// Does one step.
pub(super) fn run<'a>(
    step: &Step,
    guest: &Guest<'_>,
    packages: &dyn Fn() -> Result<&'a dyn PackageManager>,
) -> Result<()> {
    let root = guest.root();
    match step {
        Step::AppendLine { file, line } => append_line(root, file, line),
        Step::Chmod { mode, path } => root.chmod(path.as_path(), mode.bits()),
        Step::Copy { source, dest } => {
            in_guest(guest, "cp", &["-a", "--", source.as_str(), dest.as_str()])
        }
        Step::CopyIn { source, dir } => copy_into(root, source, dir),
        Step::Delete { pattern } => {
            for path in root.glob(pattern.as_str())? {
                root.remove_all(path)?;
            }
            Ok(())
        }
        Step::Hostname(name) => hostname(root, name),
        Step::Install(specs) => packages()?.install(guest, specs),
        Step::Link { target, links } => {
            links.iter().try_for_each(|link| root.symlink(target, link))
        }
        Step::Mkdir(path) => {
            root.create_dir_all(path.as_path(), FileOwner::root(0o755))
        }
        Step::Move { source, dest } => {
            root.rename(source.as_path(), into_directory(root, source, dest)?)
        }
        Step::Run(script) => run_script(guest, script),
        Step::RunCommand(command) => {
            in_guest(guest, "/bin/sh", &["-c", command])
        }
        Step::Timezone(zone) => timezone(root, zone),
        Step::Touch(path) => touch(root, path.as_path()),
        Step::Truncate(path) => root.truncate(path.as_path()),
        Step::Uninstall(names) => packages()?.remove(guest, names),
        Step::Update => packages()?.upgrade(guest),
        Step::Upload { file, dest } => upload(root, file, dest),
        Step::Write { file, content } => write(root, file, content),
    }
    .during(format!("running the step `{}`", step.name()))
}

fn in_guest(guest: &Guest<'_>, program: &str, args: &[&str]) -> Result<()> {
    guest
        .environment
        .command(program)
        .args(args.iter().copied())
        .run(guest.monitor)
}

fn run_script(guest: &Guest<'_>, script: &HostPath) -> Result<()> {
    let content = fs::read(script.as_path())
        .during("reading a script")
        .at(script.as_path())?;
    let path = guest.environment.private_path("script");
    guest
        .root()
        .write(&path, &content, FileOwner::root(0o700))?;
    let program = path.display().to_string();
    let ran = guest.environment.command(program).run(guest.monitor);
    guest.root().remove_all(&path)?;
    ran.map_err(|error| error.during(format!("running the script {script}")))
}

/// Owner and mode of an existing file, or those of a new one.
fn owner_of(root: &GuestRoot, path: &Path) -> Result<FileOwner> {
    let found = root.metadata(path)?;
    Ok(found.map_or(FileOwner::root(0o644), |found| (&found).into()))
}

fn write(root: &GuestRoot, file: &GuestPath, content: &str) -> Result<()> {
    let path = file.as_path();
    root.write(path, content.as_bytes(), owner_of(root, path)?)
}

/// Ends an unfinished last line first; keeps the file's kind of line end.
fn append_line(root: &GuestRoot, file: &GuestPath, line: &str) -> Result<()> {
    let path = file.as_path();
    let before = root.read_if_exists(path)?.unwrap_or_default();
    let first_end = before.iter().position(|byte| *byte == b'\n');
    let windows = first_end
        .and_then(|end| before.get(end.checked_sub(1)?))
        .is_some_and(|byte| *byte == b'\r');
    let end = if windows { "\r\n" } else { "\n" };
    let mut text = String::new();
    if before.last().is_some_and(|byte| *byte != b'\n') {
        text.push_str(end);
    }
    text.push_str(line);
    text.push_str(end);
    root.append(path, text.as_bytes(), FileOwner::root(0o644))
}

/// `dest`, or the entry of that name in it when it is a directory.
fn into_directory(
    root: &GuestRoot,
    source: &GuestPath,
    dest: &GuestPath,
) -> Result<PathBuf> {
    let dest = dest.as_path();
    let directory = root.metadata(dest)?.is_some_and(|found| found.is_dir());
    match (directory, source.as_path().file_name()) {
        (true, Some(name)) => Ok(dest.join(name)),
        _ => Ok(dest.to_owned()),
    }
}

fn copy_into(
    root: &GuestRoot,
    source: &HostPath,
    dir: &GuestPath,
) -> Result<()> {
    let dir = dir.as_path();
    if !root.metadata(dir)?.is_some_and(|found| found.is_dir()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the directory to copy into does not exist in the image",
        )
        .at(dir)
        .hint("make it with a step `mkdir` before"));
    }
    let from = fs::canonicalize(source.as_path()).at(source.as_path())?;
    let name = from
        .file_name()
        .ok_or_else(|| Error::invalid("no file name").at(&from))?;
    copy_in(root, &from, &dir.join(name), Ownership::Keep)
}

fn upload(root: &GuestRoot, file: &HostPath, dest: &GuestPath) -> Result<()> {
    let from = file.as_path();
    let mut to = dest.as_path().to_owned();
    if root.metadata(&to)?.is_some_and(|found| found.is_dir()) {
        let name = from
            .file_name()
            .ok_or_else(|| Error::invalid("no file name").at(from))?;
        to.push(name);
    }
    copy_in(root, from, &to, Ownership::Keep)
}

fn touch(root: &GuestRoot, path: &Path) -> Result<()> {
    root.append(path, b"", FileOwner::root(0o644))?;
    let fd = root.open_path(path)?;
    let link = descriptor_path(std::os::fd::AsFd::as_fd(&fd));
    utimensat(
        nix::fcntl::AT_FDCWD,
        &link,
        &TimeSpec::UTIME_NOW,
        &TimeSpec::UTIME_NOW,
        UtimensatFlags::FollowSymlink,
    )
    .at(path)
}

fn timezone(root: &GuestRoot, zone: &str) -> Result<()> {
    let data = Path::new("/usr/share/zoneinfo").join(zone);
    if !root.metadata(&data)?.is_some_and(|found| found.is_file()) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("the image knows no time zone `{zone}`"),
        )
        .at(data)
        .hint("names are those below /usr/share/zoneinfo (package tzdata)"));
    }
    root.symlink(&data, "/etc/localtime")?;
    // Debian keeps the name a second time.
    if root.exists("/etc/timezone")? {
        let text = format!("{zone}\n");
        root.write("/etc/timezone", text.as_bytes(), FileOwner::root(0o644))?;
    }
    Ok(())
}

/// The name in `/etc/hostname`, and in `/etc/hosts` in place of the old one.
fn hostname(root: &GuestRoot, name: &str) -> Result<()> {
    let old = root.read_if_exists("/etc/hostname")?.unwrap_or_default();
    let old = String::from_utf8_lossy(&old).trim().to_owned();
    let text = format!("{name}\n");
    root.write("/etc/hostname", text.as_bytes(), FileOwner::root(0o644))?;
    let hosts = root.read_if_exists("/etc/hosts")?.unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts).into_owned();
    let renamed = rename_host(&hosts, &old, name);
    if renamed == hosts {
        return Ok(());
    }
    let owner = owner_of(root, Path::new("/etc/hosts"))?;
    root.write("/etc/hosts", renamed.as_bytes(), owner)
}

fn rename_host(hosts: &str, old: &str, new: &str) -> String {
    let is_old = |word: &str| {
        word == "unassigned-hostname"
            || (!old.is_empty() && old != "localhost" && word == old)
    };
    let mut text = String::new();
    for line in hosts.split_inclusive('\n') {
        if line.trim_start().starts_with('#')
            || !line.split_whitespace().any(is_old)
        {
            text.push_str(line);
            continue;
        }
        for piece in line.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            match is_old(word) {
                true => {
                    text.push_str(new);
                    text.push_str(piece.get(word.len()..).unwrap_or_default());
                }
                false => text.push_str(piece),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_replaced_as_a_word() {
        let hosts = "127.0.0.1\tlocalhost\n127.0.1.1 node.x node\n# node\n";
        assert_eq!(
            rename_host(hosts, "node", "new"),
            "127.0.0.1\tlocalhost\n127.0.1.1 node.x new\n# node\n"
        );
    }
}
