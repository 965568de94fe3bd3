// SPDX-License-Identifier: Apache-2.0
//! Fits a partition table to a larger disk.

use serde::Serialize;

use super::table::Stored;
use super::{
    Partition, PartitionKind, PartitionTable, TableKind, Warning, gpt, mbr,
};
use crate::block::{ReadAt, Slice, WriteAt};
use crate::error::{Error, Result};

/// Partitions end on a multiple of this, as those of `sfdisk` do.
const ALIGNMENT: u64 = 1 << 20;

/// The change of one partition, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionGrowth {
    /// The partition's number.
    pub number: u32,
    /// Its first byte, which stays.
    pub start: u64,
    /// Its length on the disk.
    pub old_len: u64,
    /// Its length after [`GrowPlan::apply`].
    pub new_len: u64,
}

/// Bytes to write.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct Write {
    what: &'static str,
    offset: u64,
    len: usize,
    #[serde(skip)]
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what, offset, len, ..
        } = self;
        write!(f, "{what}: {len} bytes at byte {offset}")
    }
}

impl Write {
    fn new(what: &'static str, offset: u64, bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self {
            what,
            offset,
            len,
            bytes,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let end = |w: &Self| {
            w.offset
                .saturating_add(u64::try_from(w.len).unwrap_or(u64::MAX))
        };
        self.offset < end(other) && other.offset < end(self)
    }
}

/// What has to be written so that a partition table fits a disk that is, or
/// will be, larger than the one it was made for.
///
/// Numbers, order, GUIDs, names, attributes and every start stay as they are.
/// A plan is made without writing, can be shown (it serialises), and is
/// applied once the disk has its new length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GrowPlan {
    /// The format of the table.
    pub table: TableKind,
    /// Bytes of the disk the plan fits.
    pub disk_len: u64,
    /// The partition that becomes larger, if one does.
    pub partition: Option<PartitionGrowth>,
    /// The damage that is repaired on the way.
    pub repairs: Vec<Warning>,
    writes: Vec<Write>,
    #[serde(skip)]
    before: PartitionTable,
}

impl GrowPlan {
    /// Plans to enlarge partition `number` to the end of a disk of `disk_len`
    /// bytes, and to move the backup GPT there.
    ///
    /// The partition's new end is a multiple of 1 MiB, as `sfdisk` makes it;
    /// where that is not beyond its present end, the partition stays.
    ///
    /// # Errors
    /// `NotFound` when there is no such partition; `InvalidArgument` when it
    /// is not physically the last one, or the disk would become smaller;
    /// `Unsupported` for a logical partition that shares its record with
    /// others; `Corrupt` when the table is
    /// damaged and needs [`repair`](Self::repair) first.
    pub fn new(
        table: &PartitionTable,
        disk_len: u64,
        number: u32,
    ) -> Result<Self> {
        refuse_damage(table).map_err(|e| {
            e.during(format!("planning to grow partition {number}"))
        })?;
        Self::repairing(table, disk_len, number)
    }

    /// As [`new`](Self::new), but a table of which one copy is damaged is
    /// taken: both are written anew from the valid one.
    ///
    /// # Errors
    /// As [`new`](Self::new), but for the damage.
    pub fn repairing(
        table: &PartitionTable,
        disk_len: u64,
        number: u32,
    ) -> Result<Self> {
        let plan = || {
            let partition = table.partition(number)?;
            check_growable(table, partition)?;
            Self::plan(table, disk_len, Some(partition))
        };
        plan().map_err(|e: Error| {
            e.during(format!("planning to grow partition {number}"))
        })
    }

    /// Plans to write both copies of a GPT anew from the valid one, and to put
    /// the backup at the end of a disk of `disk_len` bytes.
    ///
    /// # Errors
    /// `InvalidArgument` when the disk would become smaller; `Unsupported`
    /// when the primary copy's usual place is in use.
    pub fn repair(table: &PartitionTable, disk_len: u64) -> Result<Self> {
        Self::plan(table, disk_len, None)
            .map_err(|e| e.during("planning to repair the partition table"))
    }

    fn plan(
        table: &PartitionTable,
        disk_len: u64,
        grow: Option<&Partition>,
    ) -> Result<Self> {
        if disk_len < table.disk_len {
            return Err(Error::invalid(format!(
                "a disk of {} bytes cannot become one of {disk_len}",
                table.disk_len
            ))
            .hint("give a size that is at least the disk's"));
        }
        let (partition, writes) = match &table.stored.gpt {
            Some(found) => plan_gpt(table, found, disk_len, grow)?,
            None => plan_mbr(table, disk_len, grow)?,
        };
        Ok(Self {
            table: table.kind,
            disk_len,
            partition,
            repairs: table.warnings.clone(),
            writes,
            before: table.clone(),
        })
    }

    /// Whether [`apply`](Self::apply) would write nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Writes the table. The filesystem in the partition is not touched.
    ///
    /// # Errors
    /// `InvalidArgument` when the disk does not have the planned length or
    /// not the table the plan was made for; whatever reading and writing
    /// return. A failed write can leave one copy of a GPT damaged, never both.
    pub fn apply<D: ReadAt + WriteAt>(&self, disk: &D) -> Result<()> {
        let apply = || {
            self.check_disk(disk)?;
            for write in &self.writes {
                disk.write_at(write.offset, &write.bytes)
                    .map_err(|e| e.during(format!("writing {}", write.what)))?;
            }
            Ok(())
        };
        apply().map_err(|e: Error| e.during("growing the partition table"))
    }

    fn check_disk(&self, disk: &dyn ReadAt) -> Result<()> {
        if disk.size() != self.disk_len {
            return Err(Error::invalid(format!(
                "the disk has {} bytes, the plan is for {}",
                disk.size(),
                self.disk_len
            )));
        }
        // The disk may be longer than the table knows: what the plan was made
        // for is its beginning, with the backup at the old end.
        let old = Slice::new(disk, 0, self.before.disk_len)?;
        let now = match self.table {
            TableKind::Gpt => PartitionTable::read(&old)?,
            TableKind::Mbr => {
                PartitionTable::read_mbr(&old, self.before.sector_size)?
            }
        };
        let same = |now: &PartitionTable| {
            let (now, before) = (&now.stored, &self.before.stored);
            let copy = |stored: &Stored| {
                stored.gpt.as_ref().map(|found| found.copy.clone())
            };
            now.boot == before.boot
                && copy(now) == copy(before)
                && now.extended == before.extended
        };
        if now.is_none_or(|now| !same(&now)) {
            return Err(Error::invalid(
                "the disk's partition table is not the one the plan was made \
                 for",
            ));
        }
        Ok(())
    }
}

fn refuse_damage(table: &PartitionTable) -> Result<()> {
    let Some(damage) = table.warnings.iter().find(|w| match w {
        Warning::BackupNotAtEnd { .. } => false,
        // Growing writes a new backup; nothing is guessed.
        Warning::BackupDamaged(_) => false,
        _ => true,
    }) else {
        return Ok(());
    };
    Err(Error::corrupt(damage.to_string()).hint(
        "have it written anew from its valid copy with --repair-table, or \
         repair it with `gdisk`",
    ))
}

fn check_growable(table: &PartitionTable, partition: &Partition) -> Result<()> {
    if partition.kind == PartitionKind::Extended {
        return Err(Error::invalid("it is an extended partition"));
    }
    let behind = table.partitions.iter().find(|p| p.start > partition.start);
    if let Some(behind) = behind {
        return Err(Error::invalid(format!(
            "partition {} lies behind it, at byte {}",
            behind.number, behind.start
        ))
        .hint("only the physically last partition can be enlarged"));
    }
    // One may be there that describes no partition.
    let records = &table.stored.extended;
    if let Some(record) = records.iter().find(|r| r.offset > partition.start) {
        return Err(Error::invalid(format!(
            "an extended boot record lies behind it, at byte {}",
            record.offset
        ))
        .hint("have the table written anew without it: `sfdisk`"));
    }
    Ok(())
}

/// The growth of a partition up to byte `limit`; `None` if it is as long.
fn growth(partition: &Partition, limit: u64) -> Option<PartitionGrowth> {
    let end = limit - limit % ALIGNMENT;
    (end > partition.end()).then(|| PartitionGrowth {
        number: partition.number,
        start: partition.start,
        old_len: partition.len,
        new_len: end.saturating_sub(partition.start),
    })
}

type Planned = (Option<PartitionGrowth>, Vec<Write>);

fn plan_gpt(
    table: &PartitionTable,
    found: &gpt::Found,
    disk_len: u64,
    grow: Option<&Partition>,
) -> Result<Planned> {
    let sector = u64::from(table.sector_size);
    let mut copy = found.copy.clone();
    copy.fit_to((disk_len / sector).saturating_sub(1))?;
    let limit = copy.header.last_usable.saturating_add(1) * sector;
    let growth = grow.and_then(|partition| growth(partition, limit));
    if let Some(growth) = &growth {
        let end = growth.start.saturating_add(growth.new_len);
        copy.set_last_lba(growth.number, (end / sector).saturating_sub(1));
    }
    if copy == found.copy && table.warnings.is_empty() {
        return Ok((growth, Vec::new()));
    }

    let primary = copy.header;
    let backup = primary.backup();
    let mut boot = table.stored.boot;
    mbr::set_protected(&mut boot, backup.lba);
    // The backup first: at every moment one copy is valid.
    let mut writes = vec![
        Write::new(
            "the backup GPT's entries",
            backup.entries_offset(),
            copy.array.clone(),
        ),
        Write::new(
            "the backup GPT's header",
            backup.offset(),
            backup.to_sector(),
        ),
        Write::new(
            "the primary GPT's entries",
            primary.entries_offset(),
            copy.array,
        ),
        Write::new(
            "the primary GPT's header",
            primary.offset(),
            primary.to_sector(),
        ),
        Write::new("the protective MBR", 0, boot.to_vec()),
    ];
    if let Some(old) = found.backup {
        let zeroes = vec![0; backup.to_sector().len()];
        let wipe = Write::new("nothing over the old backup", old, zeroes);
        if !writes.iter().any(|write| write.overlaps(&wipe)) {
            writes.push(wipe);
        }
    }
    Ok((growth, writes))
}

fn plan_mbr(
    table: &PartitionTable,
    disk_len: u64,
    grow: Option<&Partition>,
) -> Result<Planned> {
    let sector = u64::from(table.sector_size);
    // Start and length are 32-bit counts; the kernel and sfdisk want the end
    // to fit as well.
    let limit = disk_len.min(u64::from(u32::MAX) * sector);
    let Some(growth) = grow.and_then(|partition| growth(partition, limit))
    else {
        return Ok((None, Vec::new()));
    };
    let sectors = u32::try_from(growth.new_len / sector)
        .map_err(|_| Error::internal("a length beyond the MBR's limit"))?;
    let mut boot = table.stored.boot;
    if growth.number >= mbr::FIRST_LOGICAL {
        let writes = plan_logical(table, &growth, sectors, &mut boot)?;
        return Ok((Some(growth), writes));
    }
    mbr::set_sectors(&mut boot, growth.number, sectors);
    let write = Write::new("the MBR", 0, boot.to_vec());
    Ok((Some(growth), vec![write]))
}

/// The container grows first, then the link to the partition's record, then
/// the partition: at every moment the inner one lies in the outer one.
fn plan_logical(
    table: &PartitionTable,
    growth: &PartitionGrowth,
    sectors: u32,
    boot: &mut mbr::Record,
) -> Result<Vec<Write>> {
    let end = growth.start.saturating_add(growth.new_len);
    let up_to_end = |start: u64| {
        let sector = u64::from(table.sector_size);
        u32::try_from(end.saturating_sub(start) / sector)
            .map_err(|_| Error::internal("a length beyond the MBR's limit"))
    };
    let container = table.partitions.iter().find(|p| {
        p.kind == PartitionKind::Extended
            && (p.start..p.end()).contains(&growth.start)
    });
    let container = container.ok_or_else(|| {
        Error::internal("a logical partition without a container")
    })?;
    let records = &table.stored.extended;
    let own = records.iter().position(|r| r.number == growth.number);
    let Some((own, record)) = own.and_then(|i| Some((i, records.get(i)?)))
    else {
        return Err(Error::unsupported(
            "the logical partition shares its boot record with another",
        )
        .hint("grow it beforehand with `sfdisk`"));
    };
    mbr::set_sectors(boot, container.number, up_to_end(container.start)?);
    let mut writes = vec![Write::new("the MBR", 0, boot.to_vec())];
    let before = own.checked_sub(1).and_then(|i| records.get(i));
    // The first record of a container is not linked to.
    if let Some(before) = before
        && record.offset != container.start
    {
        let mut before = before.clone();
        before.set_next_sectors(up_to_end(record.offset)?);
        writes.push(of_record(&before));
    }
    let mut record = record.clone();
    record.set_sectors(sectors);
    writes.push(of_record(&record));
    Ok(writes)
}

fn of_record(record: &mbr::ExtendedRecord) -> Write {
    let bytes = record.record.to_vec();
    Write::new("an extended boot record", record.offset, bytes)
}
