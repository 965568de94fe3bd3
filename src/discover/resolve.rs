// SPDX-License-Identifier: Apache-2.0
//! Which partition a line of fstab means.

use super::{FstabSpec, PartitionLayout};

/// The first partition an fstab line's device matches; `None` if it is not on
/// this disk.
pub(super) fn find<'a>(
    spec: &FstabSpec,
    partitions: &'a [PartitionLayout],
) -> Option<&'a PartitionLayout> {
    let uuid = |p: &PartitionLayout| p.filesystem.as_ref()?.uuid.clone();
    let label = |p: &PartitionLayout| p.filesystem.as_ref()?.label.clone();
    let same = |a: Option<String>, b: &str| {
        a.is_some_and(|a| a.eq_ignore_ascii_case(b))
    };
    partitions.iter().find(|p| match spec {
        FstabSpec::Uuid(value) => same(uuid(p), value),
        FstabSpec::Label(value) => label(p).as_ref() == Some(value),
        FstabSpec::PartUuid(value) => {
            !value.is_empty() && p.partition.uuid.eq_ignore_ascii_case(value)
        }
        FstabSpec::PartLabel(value) => {
            !value.is_empty() && p.partition.name == *value
        }
        FstabSpec::Source(path) => {
            first_disk_partition(path) == Some(p.partition.number)
        }
    })
}

/// The number in the name of a partition of a machine's first disk; 0 for the
/// disk itself.
fn first_disk_partition(path: &str) -> Option<u32> {
    const DISKS: [(&str, &str); 6] = [
        ("vda", ""),
        ("sda", ""),
        ("xvda", ""),
        ("hda", ""),
        ("nvme0n1", "p"),
        ("mmcblk0", "p"),
    ];
    let name = path.strip_prefix("/dev/")?;
    DISKS.iter().find_map(|(disk, separator)| {
        let rest = name.strip_prefix(disk)?;
        if rest.is_empty() {
            return Some(0);
        }
        let number = rest.strip_prefix(separator)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && !number.starts_with('0')).then_some(())?;
        number.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names() {
        for (path, expected) in [
            ("/dev/vda1", Some(1)),
            ("/dev/sda15", Some(15)),
            ("/dev/xvda128", Some(128)),
            ("/dev/nvme0n1p3", Some(3)),
            ("/dev/mmcblk0p2", Some(2)),
            ("/dev/vda", Some(0)),
            ("/dev/sdb1", None),
            ("/dev/nvme0n13", None),
            ("/dev/nvme1n1p1", None),
            ("/dev/vda01", None),
            ("/dev/vda+1", None),
            ("/dev/vdaa1", None),
            ("/dev/vda99999999999", None),
            ("/dev/mapper/vg-root", None),
            ("vda1", None),
        ] {
            assert_eq!(first_disk_partition(path), expected, "{path}");
        }
    }
}
