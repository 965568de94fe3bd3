// SPDX-License-Identifier: Apache-2.0
//! What is on a disk, before looking into its filesystems.

use serde::Serialize;

use super::{DiscoverOptions, PartitionLayout};
use crate::block::ReadAt;
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::{FilesystemKind, Superblock, probe};
use crate::partition::{Partition, PartitionKind, PartitionTable, TableKind};

/// The partition table and the superblock of every partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// The table; `None` for a disk that is one filesystem.
    pub table: Option<PartitionTable>,
    /// Every partition, in the order of the table; or the disk itself, as
    /// partition 0.
    pub partitions: Vec<PartitionLayout>,
}

/// A filesystem the root may be on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The partition; number 0 is the disk itself.
    pub partition: Partition,
    /// What it holds.
    pub filesystem: Superblock,
    /// The btrfs subvolume to look into; `None` for the default one.
    pub subvolume: Option<String>,
}

impl Candidate {
    /// The filesystem of a partition.
    pub(crate) fn new(
        partition: &PartitionLayout,
        filesystem: &Superblock,
    ) -> Self {
        Self {
            partition: partition.partition.clone(),
            filesystem: filesystem.clone(),
            subvolume: None,
        }
    }

    /// `partition 1`, or `the disk`.
    pub fn place(&self) -> String {
        place(&self.partition)
    }
}

pub(super) fn place(partition: &Partition) -> String {
    match partition.number {
        0 => "the disk".to_owned(),
        number => format!("partition {number}"),
    }
}

/// Whether an operating system that is to be changed can have its root there.
fn can_be_root(kind: FilesystemKind) -> bool {
    kind.is_ext()
        || matches!(
            kind,
            FilesystemKind::Xfs | FilesystemKind::Btrfs | FilesystemKind::F2fs
        )
}

impl Survey {
    /// Reads the partition table and probes every partition.
    ///
    /// A partition whose superblock is damaged does not fail the survey: the
    /// reason stands in [`PartitionLayout::problem`].
    ///
    /// # Errors
    /// As [`PartitionTable::read`]; and whatever [`ReadAt::read_at`] returns.
    pub fn read(disk: &dyn ReadAt) -> Result<Self> {
        let table = PartitionTable::read(disk)?;
        let survey = Self::of_table(disk, table)?;
        let is_mbr = survey
            .table
            .as_ref()
            .is_some_and(|table| table.kind == TableKind::Mbr);
        if is_mbr && !survey.knows_a_filesystem() {
            // An MBR does not tell the sector size: 512 made no sense.
            if let Ok(table @ Some(_)) = PartitionTable::read_mbr(disk, 4096) {
                let retried = Self::of_table(disk, table)?;
                if retried.knows_a_filesystem() {
                    return Ok(retried);
                }
            }
        }
        Ok(survey)
    }

    fn of_table(
        disk: &dyn ReadAt,
        table: Option<PartitionTable>,
    ) -> Result<Self> {
        let whole = [Partition::whole_disk(disk.size())];
        let mut partitions = match &table {
            Some(table) => table.partitions.as_slice(),
            None => &whole,
        };
        // A boot sector with the signature of an empty table.
        if partitions.is_empty() && probe(disk)?.is_some() {
            partitions = &whole;
        }
        let partitions = partitions
            .iter()
            .map(|partition| survey_partition(disk, partition))
            .collect::<Result<_>>()?;
        Ok(Self { table, partitions })
    }

    fn knows_a_filesystem(&self) -> bool {
        self.partitions.iter().any(|p| p.filesystem.is_some())
    }

    /// The filesystems the root may be on, by the options.
    ///
    /// # Errors
    /// `NotFound` when there is none, or the partition of the options is not
    /// one; `Unsupported` when it could only be in LUKS, LVM or a RAID.
    pub fn candidates(
        &self,
        options: &DiscoverOptions,
    ) -> Result<Vec<Candidate>> {
        if let Some(number) = options.root {
            return Ok(vec![self.candidate(number)?]);
        }
        let candidates: Vec<_> =
            self.partitions.iter().filter_map(as_candidate).collect();
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        self.refuse_containers()?;
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "no partition has a filesystem an operating system can be on \
                 ({})",
                self.describe()
            ),
        )
        .hint("is it a disk image with an installed Linux?"))
    }

    fn candidate(&self, number: u32) -> Result<Candidate> {
        let partitions = self.partitions.iter();
        let Some(found) =
            partitions.clone().find(|p| p.partition.number == number)
        else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no partition {number} ({})", self.describe()),
            ));
        };
        if let Some(problem) = &found.problem {
            return Err(Error::corrupt(problem)
                .during(format!("reading {}", place(&found.partition))));
        }
        match &found.filesystem {
            Some(fs) if fs.kind.is_container() => Err(container(found, fs)),
            _ => as_candidate(found).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "no operating system can be on {}",
                        describe(found)
                    ),
                )
            }),
        }
    }

    /// Where the root may be if it is nowhere else.
    pub(super) fn refuse_containers(&self) -> Result<()> {
        for partition in &self.partitions {
            match &partition.filesystem {
                Some(fs) if fs.kind.is_container() => {
                    return Err(container(partition, fs));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every partition with what it holds.
    pub(super) fn describe(&self) -> String {
        let all: Vec<_> = self.partitions.iter().map(describe).collect();
        match all.is_empty() {
            true => "the partition table is empty".to_owned(),
            false => all.join(", "),
        }
    }
}

fn describe(partition: &PartitionLayout) -> String {
    let holds = match (&partition.filesystem, &partition.problem) {
        (Some(fs), _) => fs.kind.name(),
        (None, Some(_)) => "damaged",
        (None, None) => "nothing known",
    };
    format!("{}: {holds}", place(&partition.partition))
}

fn survey_partition(
    disk: &dyn ReadAt,
    partition: &Partition,
) -> Result<PartitionLayout> {
    let mut layout = PartitionLayout::new(partition.clone());
    // Neither holds a filesystem; the first covers others.
    if matches!(
        partition.kind,
        PartitionKind::Extended | PartitionKind::BiosBoot
    ) {
        return Ok(layout);
    }
    match probe(&partition.slice(disk)?) {
        Ok(found) => layout.filesystem = found,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            layout.problem = Some(error.to_string());
        }
        Err(error) => {
            return Err(error.during(format!("reading {}", place(partition))));
        }
    }
    Ok(layout)
}

fn as_candidate(partition: &PartitionLayout) -> Option<Candidate> {
    let filesystem = partition.filesystem.as_ref()?;
    can_be_root(filesystem.kind).then(|| Candidate::new(partition, filesystem))
}

fn container(partition: &PartitionLayout, fs: &Superblock) -> Error {
    let (what, needs) = match fs.kind {
        FilesystemKind::Luks => ("encrypted (LUKS)", "its key and dm-crypt"),
        FilesystemKind::Lvm => {
            ("a physical volume of LVM", "LVM and the device mapper")
        }
        _ => ("a member of a software RAID", "mdadm"),
    };
    Error::unsupported(format!(
        "{} is {what}; reading it needs {needs}, which imagewright does not \
         use",
        place(&partition.partition)
    ))
    .hint(
        "use an image whose root is a plain partition (most distributions \
         publish one), or unpack the volume into one first",
    )
}
