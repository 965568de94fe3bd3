// SPDX-License-Identifier: Apache-2.0
//! Looks into the candidates and puts the system together.

mod tree;

use super::{
    Candidate, DiscoverOptions, Family, Fstab, OpenRoot, OsRelease, RootReader,
    Survey, SystemLayout, architecture,
};
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::FilesystemKind;
use crate::partition::PartitionKind;

/// In the order systemd reads them.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// Bytes read of a text file; real ones have a few hundred.
const MAX_TEXT: usize = 64 << 10;
/// Where distributions put the root when it is not in btrfs's default
/// subvolume: Fedora; Ubuntu and openSUSE; Debian.
const ROOT_SUBVOLUMES: [&str; 3] = ["root", "@", "@rootfs"];

/// A root with an operating system.
struct Found {
    candidate: Candidate,
    reader: Box<dyn RootReader>,
    os: OsRelease,
}

/// What looking into a candidate showed.
enum Look {
    Found(Box<Found>),
    Nothing,
    /// It could not be opened.
    Closed,
}

/// What became of the candidates.
#[derive(Default)]
struct Search {
    found: Vec<Found>,
    /// Those that could not be looked into.
    closed: Vec<Candidate>,
    /// Those that are damaged.
    failed: Vec<Error>,
}

impl Survey {
    /// Looks for the operating system in the candidates and puts its tree
    /// together.
    ///
    /// `open` is called for each candidate (for btrfs, until one fits, for the
    /// default subvolume and for those that are usual) and returns `None` if
    /// it cannot look into it, or the subvolume does not exist. It must not
    /// change a byte of the disk: mount read-only, with `noload` or
    /// `norecovery`.
    ///
    /// # Errors
    /// `NotFound` when no operating system is there; `InvalidArgument` when
    /// there are several and the options name none; `Unsupported` when the
    /// root could not be looked into, or lies in LUKS, LVM or a RAID, as does
    /// `/usr`, `/var` or `/boot`; `Corrupt` when a filesystem of the system
    /// is; and whatever `open` returns.
    pub fn assemble(
        &self,
        options: &DiscoverOptions,
        open: &mut OpenRoot<'_>,
    ) -> Result<SystemLayout> {
        let mut assemble = || {
            let mut search = Search::default();
            for candidate in self.candidates(options)? {
                search.look_into(candidate, open, options)?;
            }
            let warnings = search.failed.iter().map(Error::to_string).collect();
            let found = search.only_one(self)?;
            self.layout(&found, warnings, options)
        };
        assemble()
            .map_err(|e: Error| e.during("discovering the operating system"))
    }

    fn layout(
        &self,
        found: &Found,
        warnings: Vec<String>,
        options: &DiscoverOptions,
    ) -> Result<SystemLayout> {
        let reader = found.reader.as_ref();
        let fstab = reader.read_head("/etc/fstab", MAX_TEXT)?;
        let fstab = Fstab::parse(&fstab.unwrap_or_default());
        let of_type = match found.candidate.partition.kind {
            PartitionKind::LinuxRoot(architecture) => Some(architecture),
            _ => None,
        };
        let table = self.table.as_ref();
        let mut layout = SystemLayout {
            table: table.map(|table| table.kind),
            sector_size: table.map_or(512, |table| table.sector_size),
            disk_len: table
                .map_or(found.candidate.partition.len, |table| table.disk_len),
            partitions: self.partitions.clone(),
            root: found.candidate.partition.number,
            os: found.os.clone(),
            family: Family::of(&found.os),
            architecture: architecture::of_root(reader)?.or(of_type),
            mounts: Vec::new(),
            warnings,
        };
        if let Some(table) = table {
            let damage = table.warnings.iter().map(ToString::to_string);
            layout.warnings.extend(damage);
        }
        tree::plant(&mut layout, &found.candidate, &fstab, reader, options)?;
        Ok(layout)
    }
}

impl Search {
    fn look_into(
        &mut self,
        candidate: Candidate,
        open: &mut OpenRoot<'_>,
        options: &DiscoverOptions,
    ) -> Result<()> {
        match try_subvolumes(&candidate, open) {
            Ok(Look::Found(found)) => self.found.push(*found),
            Ok(Look::Nothing) => {}
            Ok(Look::Closed) => self.closed.push(candidate),
            // Somebody else's damaged filesystem is no reason to stop.
            Err(error)
                if options.root.is_none()
                    && matches!(
                        error.kind(),
                        ErrorKind::Corrupt | ErrorKind::Unsupported
                    ) =>
            {
                self.failed.push(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The one root, or why there is none or more.
    fn only_one(mut self, survey: &Survey) -> Result<Found> {
        match (self.found.pop(), self.found.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(last), false) => {
                self.found.push(last);
                Err(several(&self.found))
            }
            (None, _) => Err(self.none(survey)),
        }
    }

    fn none(mut self, survey: &Survey) -> Error {
        if !self.failed.is_empty() {
            return self.failed.remove(0);
        }
        if let Err(error) = survey.refuse_containers() {
            return error;
        }
        if let Some(candidate) = self.closed.first() {
            return Error::unsupported(format!(
                "no operating system was found, but {} ({}) can only be \
                 looked into by mounting it",
                candidate.place(),
                candidate.filesystem.kind
            ))
            .hint("run it as root, on a kernel with that filesystem");
        }
        nothing(survey)
    }
}

fn try_subvolumes(
    candidate: &Candidate,
    open: &mut OpenRoot<'_>,
) -> Result<Look> {
    let btrfs = candidate.filesystem.kind == FilesystemKind::Btrfs;
    let named: &[&str] = if btrfs { &ROOT_SUBVOLUMES } else { &[] };
    let default = std::iter::once(None);
    let mut look = Look::Closed;
    for subvolume in default.chain(named.iter().copied().map(Some)) {
        let candidate = Candidate {
            subvolume: subvolume.map(str::to_owned),
            ..candidate.clone()
        };
        let Some(reader) = open(&candidate)? else {
            continue;
        };
        if let Some(os) = os_release(reader.as_ref())? {
            return Ok(Look::Found(Box::new(Found {
                candidate,
                reader,
                os,
            })));
        }
        look = Look::Nothing;
    }
    Ok(look)
}

fn os_release(root: &dyn RootReader) -> Result<Option<OsRelease>> {
    for path in OS_RELEASE {
        if let Some(bytes) = root.read_head(path, MAX_TEXT)? {
            let os = OsRelease::parse(&bytes);
            if os.get("ID").is_some() || os.get("NAME").is_some() {
                return Ok(Some(os));
            }
        }
    }
    Ok(None)
}

fn several(found: &[Found]) -> Error {
    let all: Vec<_> = found
        .iter()
        .map(|f| format!("{} on {}", f.os.pretty_name, f.candidate.place()))
        .collect();
    let numbers: Vec<_> = found
        .iter()
        .map(|f| f.candidate.partition.number.to_string())
        .collect();
    Error::invalid(format!(
        "the disk has {} operating systems: {}",
        found.len(),
        all.join(", ")
    ))
    .hint(format!(
        "choose one with --root {}",
        numbers.join(" or --root ")
    ))
}

fn nothing(survey: &Survey) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "no operating system was found: neither {} on any partition ({})",
            OS_RELEASE.join(" nor "),
            survey.describe()
        ),
    )
    .hint("is it a disk image with an installed Linux?")
}
