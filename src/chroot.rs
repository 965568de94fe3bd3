// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Running the image's own programs so that they reach nothing but the image.
//!
//! A [`GuestEnvironment`] dresses a mounted root: a private `/dev`, `/sys`
//! read-only, tmpfs `/run`, a working `/etc/resolv.conf`, a `policy-rc.d` that
//! starts no service. Each command then gets namespaces, `/proc` and a reduced
//! set of capabilities of its own (`sys::guest`). What was dressed is undressed
//! by [`close`](GuestEnvironment::close).

mod command;
mod devices;
mod dracut;
mod emulator;
mod lines;
mod machine_id;
mod policy;
mod relay;
mod resolv_conf;
mod stand_in;
mod terminal;
mod unshare_plugin;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use crate::attach::BlockNode;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot, MountCall, MountStack};
use crate::partition::Architecture;
use crate::sys::binfmt::BinfmtInstance;
use crate::sys::namespace::PrivateMounts;

pub use command::{GuestCommand, Output};
pub use devices::DeviceLink;
pub(crate) use machine_id::LOADER_ENTRIES;

/// Ours alone in the guest's `/run`: gone with it.
const PRIVATE: &str = "/run/imagewright";
const CMDLINE: &str = "/run/imagewright/cmdline";

/// Where a guest sees the package files of a locked build, and in there the
/// configuration of apt that has them as the only source.
pub(crate) const PACKAGES: &str = "/run/imagewright-packages";
pub(crate) const PACKAGES_CONFIG: &str = "apt.conf";

/// Which network a guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Network {
    /// The host's.
    #[default]
    Host,
    /// A loopback interface only.
    None,
}

/// How to dress a root.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EnvironmentOptions {
    /// Nothing in the image is to change.
    pub read_only: bool,
    /// Which network commands see.
    pub network: Network,
    /// What `/proc/cmdline` shows: the image's kernel command line, so that
    /// the host's never gets into a boot entry.
    pub kernel_command_line: String,
    /// Disk and partitions of the image, to appear in `/dev`.
    pub nodes: Vec<BlockNode>,
    /// Links below `/dev/disk`.
    pub links: Vec<DeviceLink>,
    /// A directory of the host with package files, to be seen read-only; apt
    /// is told of it.
    pub packages: Option<PathBuf>,
    /// Variables every command gets besides the fixed ones.
    pub variables: Vec<(String, String)>,
    /// What the image's programs are for; the host's own when not said.
    pub architecture: Option<Architecture>,
}

/// A dressed root in which commands can run.
#[derive(Debug)]
pub struct GuestEnvironment {
    root: GuestRoot,
    directory: CString,
    network: Network,
    variables: Vec<(String, String)>,
    stand_ins: stand_in::StandIns,
    /// Runs programs of another architecture.
    emulator: Option<BinfmtInstance>,
    // Undone in this order.
    policy: Option<policy::NoServices>,
    initramfs: Option<dracut::AnyMachine>,
    scripts: Option<unshare_plugin::NoUnsharing>,
    machine_id: Option<machine_id::TemporaryId>,
    resolv_conf: Option<resolv_conf::Placeholder>,
    mounts: MountStack,
}

impl GuestEnvironment {
    /// Dresses the root mounted at `directory`, a path of the host.
    ///
    /// # Errors
    /// `NotFound` when the image lacks `/dev`, `/sys` or `/run`;
    /// `Unsupported` when its programs are for another architecture and no
    /// emulator is installed.
    ///
    /// # Privileges
    /// CAP_SYS_ADMIN and CAP_MKNOD.
    pub fn enter(
        session: &PrivateMounts,
        directory: &Path,
        options: &EnvironmentOptions,
    ) -> Result<Self> {
        let root = GuestRoot::open(directory)?;
        let directory = CString::new(directory.as_os_str().as_bytes())
            .map_err(|_| Error::invalid("the path contains a NUL byte"))?;
        let mut environment = Self {
            root,
            directory,
            network: options.network,
            variables: options.variables.clone(),
            stand_ins: stand_in::StandIns::default(),
            emulator: emulator::provide(options.architecture)?,
            policy: None,
            initramfs: None,
            scripts: None,
            machine_id: None,
            resolv_conf: None,
            mounts: MountStack::default(),
        };
        match environment.dress(session, options) {
            Ok(()) => Ok(environment),
            Err(error) => {
                let error = error.during("preparing the image's root");
                Err(match environment.close() {
                    Ok(()) => error,
                    Err(second) => error.with_cleanup(second),
                })
            }
        }
    }

    fn dress(
        &mut self,
        session: &PrivateMounts,
        options: &EnvironmentOptions,
    ) -> Result<()> {
        let Self { root, mounts, .. } = self;
        mount_virtual(session, root, mounts)?;
        devices::populate(root, &options.nodes, &options.links)?;
        root.create_dir_all(PRIVATE, FileOwner::root(0o700))?;
        let cmdline = format!("{}\n", options.kernel_command_line);
        root.write(CMDLINE, cmdline.as_bytes(), FileOwner::root(0o444))?;
        self.resolv_conf = resolv_conf::provide(
            session,
            root,
            mounts,
            options.network,
            options.read_only,
        )?;
        if let Some(directory) = &options.packages {
            show_packages(session, root, mounts, directory)?;
            let path = format!("{PACKAGES}/{PACKAGES_CONFIG}");
            self.variables.push(("APT_CONFIG".to_owned(), path));
        }
        if !options.read_only {
            self.policy = policy::NoServices::install(root)?;
            self.initramfs = dracut::AnyMachine::install(root)?;
            self.scripts = unshare_plugin::NoUnsharing::install(root)?;
            self.machine_id = machine_id::TemporaryId::install(root)?;
        }
        Ok(())
    }

    /// The root's files.
    pub fn root(&self) -> &GuestRoot {
        &self.root
    }

    /// A path in the root where a file can be put for a command to read;
    /// it is on a tmpfs and gone with the environment.
    pub fn private_path(&self, name: &str) -> PathBuf {
        Path::new(PRIVATE).join(name)
    }

    /// Runs a shell's `script` from here on where `program`, a path in the
    /// root, is asked for by that path here, or by its name in the root. The
    /// script finds the program itself at its path.
    ///
    /// # Errors
    /// `Io`.
    pub fn stand_in(
        &self,
        program: impl AsRef<Path>,
        script: &str,
    ) -> Result<()> {
        self.stand_ins.add(&self.root, program.as_ref(), script)
    }

    /// A command to run in the root: `program` is looked up in the image's
    /// `PATH` unless it holds a slash.
    pub fn command(&self, program: impl Into<String>) -> GuestCommand<'_> {
        GuestCommand::new(self, program.into())
    }

    /// Undresses the root: what the image had is there again.
    ///
    /// # Errors
    /// `Cleanup`.
    pub fn close(mut self) -> Result<()> {
        let mut results = Vec::new();
        if let Some(policy) = self.policy.take() {
            results.push(policy.remove(&self.root));
        }
        if let Some(initramfs) = self.initramfs.take() {
            results.push(initramfs.remove(&self.root));
        }
        if let Some(scripts) = self.scripts.take() {
            results.push(scripts.remove(&self.root));
        }
        if let Some(id) = self.machine_id.take() {
            results.push(id.remove(&self.root));
        }
        results.push(std::mem::take(&mut self.mounts).close());
        if let Some(placeholder) = self.resolv_conf.take() {
            results.push(placeholder.remove(&self.root));
        }
        results
            .into_iter()
            .filter_map(Result::err)
            .reduce(Error::with_cleanup)
            .map_or(Ok(()), |error| {
                Err(error
                    .with_kind(ErrorKind::Cleanup)
                    .during("restoring the image's root"))
            })
    }
}

fn show_packages(
    session: &PrivateMounts,
    root: &GuestRoot,
    mounts: &mut MountStack,
    directory: &Path,
) -> Result<()> {
    root.create_dir_all(PACKAGES, FileOwner::root(0o755))?;
    let mut call = MountCall::bind(directory);
    mounts.mount_guest(session, &call, root, Path::new(PACKAGES))?;
    call.flags |= MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC;
    mounts.remount_last(&call)
}

fn mount_virtual(
    session: &PrivateMounts,
    root: &GuestRoot,
    mounts: &mut MountStack,
) -> Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let sealed = plain | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    // A kernel package's scripts write firmware variables when they find
    // them, and these would be the host's.
    let table = [
        ("/dev", "tmpfs", plain, "mode=0755,size=1m"),
        ("/sys", "sysfs", sealed, ""),
        ("/sys/firmware", "tmpfs", sealed, "size=4k"),
        (
            "/run",
            "tmpfs",
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            "mode=0755",
        ),
    ];
    for (target, kind, flags, options) in table {
        let call = MountCall::virtual_filesystem(kind, flags, options);
        mounts
            .mount_guest(session, &call, root, Path::new(target))
            .map_err(|error| {
                error.hint(format!("the image needs a directory {target}"))
            })?;
    }
    let directories = [
        ("/dev/pts", 0o755),
        ("/dev/shm", 0o1777),
        ("/run/lock", 0o1777),
    ];
    for (path, mode) in directories {
        root.create_dir_all(path, FileOwner::root(mode))?;
    }
    let terminals = MountCall::virtual_filesystem(
        "devpts",
        plain,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    );
    mounts.mount_guest(session, &terminals, root, Path::new("/dev/pts"))?;
    let shared = MountCall::virtual_filesystem(
        "tmpfs",
        plain | MsFlags::MS_NODEV,
        "mode=1777",
    );
    mounts.mount_guest(session, &shared, root, Path::new("/dev/shm"))
}

/// Where in the image `program` is, by the `PATH` that commands get.
fn find_program(root: &GuestRoot, program: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    for directory in command::PATH.split(':') {
        let path = Path::new(directory).join(program);
        let found = root.metadata(&path)?;
        if found.is_some_and(|found| {
            found.is_file() && found.permissions().mode() & 0o111 != 0
        }) {
            return Ok(path);
        }
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("the image has no program `{program}`"),
    ))
    .during("looking up a command")
}
