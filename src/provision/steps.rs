// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The operations of `steps` and of `customize`.

mod account;
pub(super) mod archive;
mod file;
mod kernel;
mod name;
mod password;
mod script;
mod ssh_key;

use super::package_manager::{Guest, PackageManager, Supplies};
use crate::error::{Context, Error, Result};
use crate::mount::FileOwner;
use crate::recipe::{PackageSpec, Repository, Step, UnitAction, UnitName};

#[cfg(fuzzing)]
pub(super) use kernel::{edit_entry, edit_grub};
pub use password::NewPassword;
#[cfg(fuzzing)]
pub(super) use password::replace_field;

/// What a step may need besides the image.
#[derive(Clone, Copy)]
pub(super) struct Help<'a> {
    pub(super) packages: Option<&'a dyn PackageManager>,
    pub(super) supplies: &'a dyn Supplies,
}

impl<'a> Help<'a> {
    pub(super) fn packages(&self) -> Result<&'a dyn PackageManager> {
        self.packages.ok_or_else(|| {
            Error::internal("a task without its package manager")
        })
    }
}

/// Does one step; returns the password it made up.
pub(super) fn run(
    step: &Step,
    guest: &Guest<'_>,
    help: Help<'_>,
) -> Result<Option<NewPassword>> {
    let root = guest.root();
    let done = match step {
        Step::Password { user, selector } => {
            password::set(root, user, selector, help.supplies.salt(user))
        }
        Step::RootPassword(selector) => {
            password::set(root, "root", selector, help.supplies.salt("root"))
        }
        step => match change_file(step, guest) {
            Some(done) => done,
            None => change_system(step, guest, help),
        }
        .map(|()| None),
    };
    done.during(format!("running the step `{}`", step.name()))
}

/// The steps that are about files; none when `step` is not.
fn change_file(step: &Step, guest: &Guest<'_>) -> Option<Result<()>> {
    let root = guest.root();
    Some(match step {
        Step::AppendLine { file, line } => file::append_line(root, file, line),
        Step::Chmod { mode, path } => root.chmod(path.as_path(), mode.bits()),
        Step::Chown { user, group, path } => {
            file::chown(root, user, group, path)
        }
        Step::Copy { source, dest } => {
            in_guest(guest, "cp", &["-a", "--", source.as_str(), dest.as_str()])
        }
        Step::CopyIn { source, dir } => file::copy_into(root, source, dir),
        Step::Delete { pattern } => file::delete(root, pattern),
        Step::Edit { file, expression } => file::edit(guest, file, expression),
        Step::Link { target, links } => {
            links.iter().try_for_each(|link| root.symlink(target, link))
        }
        Step::Mkdir(path) => {
            root.create_dir_all(path.as_path(), FileOwner::root(0o755))
        }
        Step::Move { source, dest } => file::into_directory(root, source, dest)
            .and_then(|dest| root.rename(source.as_path(), dest)),
        Step::Scrub(path) => file::scrub(root, path),
        Step::TarIn { archive, dir } => archive::unpack(guest, archive, dir),
        Step::Touch(path) => file::touch(root, path.as_path()),
        Step::Truncate(path) => root.truncate(path.as_path()),
        Step::TruncateRecursive(path) => file::truncate_recursive(root, path),
        Step::Upload { file, dest } => file::upload(root, file, dest),
        Step::Write { file, content } => file::write(root, file, content),
        _ => return None,
    })
}

fn change_system(step: &Step, guest: &Guest<'_>, help: Help<'_>) -> Result<()> {
    let root = guest.root();
    match step {
        Step::Firstboot(script) => script::firstboot(root, script),
        Step::FirstbootCommand(command) => {
            script::firstboot_command(root, command)
        }
        Step::FirstbootInstall(names) => {
            let command = help.packages()?.install_command(names);
            script::firstboot_command(root, &command)
        }
        Step::Group { name, gid } => account::group(guest, name, *gid),
        Step::Hold(hold) => help.packages()?.hold(guest, hold),
        Step::Hostname(name) => name::hostname(root, name),
        Step::Install(specs) => install(guest, help, specs),
        Step::KernelCmdline(arguments) => {
            kernel::command_line(guest, arguments)
        }
        Step::Module { name, parameters } => {
            kernel::module(root, name, parameters)
        }
        Step::Repository(repository) => add_repository(guest, help, repository),
        Step::Run(script) => script::run(guest, script),
        Step::RunCommand(command) => {
            in_guest(guest, "/bin/sh", &["-c", command])
        }
        Step::SelinuxMode(mode) => {
            crate::provision::selinux::set_mode(root, mode.as_str())
        }
        Step::SshInject { user, key } => ssh_key::inject(root, user, key),
        Step::Sudo { user, rule } => account::sudo(guest, user, rule),
        Step::Sysctl(sysctl) => kernel::sysctl(root, sysctl),
        Step::Timezone(zone) => name::timezone(root, zone),
        Step::Uninstall(names) => help.packages()?.remove(guest, names),
        Step::Unit { action, units } => change_units(guest, *action, units),
        Step::Update => upgrade(guest, help),
        Step::User(user) => account::user(guest, user),
        _ => Err(Error::internal("a step that is not implemented")),
    }
}

/// Adds a package source and its key.
pub(super) fn add_repository(
    guest: &Guest<'_>,
    help: Help<'_>,
    repository: &Repository,
) -> Result<()> {
    let key = match &repository.key {
        Some(key) => Some(help.supplies.key(key, guest.monitor)?),
        None => None,
    };
    help.packages()?
        .add_repository(guest, repository, key.as_deref())
}

/// Installs packages, and makes room for what comes next.
pub(super) fn install(
    guest: &Guest<'_>,
    help: Help<'_>,
    packages: &[PackageSpec],
) -> Result<()> {
    help.packages()?.install(guest, packages)?;
    make_room(guest, help)
}

/// Upgrades all packages, and makes room for what comes next.
pub(super) fn upgrade(guest: &Guest<'_>, help: Help<'_>) -> Result<()> {
    help.packages()?.upgrade(guest)?;
    make_room(guest, help)
}

/// Package files of no more use go, once it is noted what they were.
fn make_room(guest: &Guest<'_>, help: Help<'_>) -> Result<()> {
    let packages = help.packages()?;
    if let Some(lockable) = packages.lockable() {
        let mut archives = lockable.archives(guest)?;
        if help.supplies.asks_for_places() {
            lockable.locate(guest, &mut archives)?;
        }
        help.supplies.took(archives);
    }
    packages.clean(guest.root())
}

/// By the image's systemctl, which follows `[Install]` and knows aliases.
fn change_units(
    guest: &Guest<'_>,
    action: UnitAction,
    units: &[UnitName],
) -> Result<()> {
    let names: Vec<&str> = units.iter().map(UnitName::as_str).collect();
    let mut args = vec!["--root=/", action.verb(), "--"];
    args.extend(names);
    in_guest(guest, "systemctl", &args)
}

fn in_guest(guest: &Guest<'_>, program: &str, args: &[&str]) -> Result<()> {
    guest
        .environment
        .command(program)
        .args(args.iter().copied())
        .run(guest.monitor)
}
