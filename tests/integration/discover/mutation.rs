// SPDX-License-Identifier: Apache-2.0
//! Whatever is done to a root: an answer or an error, in bounded time.

use std::sync::Arc;

use imagewright::block::ReadAt;
use imagewright::discover::{DiscoverOptions, Fstab, OsRelease, discover};
use proptest::prelude::{any, proptest};

use super::images::{Image, Tree};
use super::rows::DEBIAN;
use crate::partition_support::{Disk, MIB, Mutator, bounded};

#[test]
fn ext4_roots() {
    for args in [
        // Checksums stop most changes early; without, they go deep.
        &["-b", "1024", "-O", "^metadata_csum"][..],
        &["-b", "1024", "-O", "^metadata_csum,^extents,^64bit"],
        &["-b", "4096"],
    ] {
        let fstab = "LABEL=x /home ext4 defaults 0 0\n";
        let tree = Tree::root(DEBIAN, fstab);
        let image = Image::new(Disk::new(4 * MIB)).ext4(0, args, &tree);
        let golden = image.disk.bytes(0, 4 << 20);
        let ranges: Vec<_> = golden
            .chunks(64)
            .enumerate()
            .filter(|(_, piece)| piece.iter().any(|byte| *byte != 0))
            .map(|(index, piece)| index * 64..index * 64 + piece.len())
            .collect();
        let superblock = 1024..2048;
        let mut mutator = Mutator::new(7);
        let mut found = 0;
        for round in 0..4_000 {
            let mut bytes = golden.clone();
            if round % 4 == 0 {
                mutator.mutate(&mut bytes, std::slice::from_ref(&superblock));
            } else {
                mutator.mutate(&mut bytes, &ranges);
            }
            if round % 32 == 0 {
                let keep = mutator.below(bytes.len());
                bytes.truncate(keep);
            }
            let disk: Arc<dyn ReadAt> = Arc::new(bytes);
            let result = bounded("discovery", || {
                discover(&disk, &DiscoverOptions::default())
            });
            found += u32::from(result.is_ok());
        }
        assert!(found > 400, "only {found} were accepted");
    }
}

proptest! {
    #[test]
    fn os_release_of_anything(bytes in any::<Vec<u8>>()) {
        OsRelease::parse(&bytes);
    }

    #[test]
    fn os_release_of_assignments(
        text in "([A-Z_]{1,3}=[ -~]{0,12}\n){0,6}"
    ) {
        let os = OsRelease::parse(text.as_bytes());
        assert!(!os.id.is_empty());
    }

    #[test]
    fn fstab_of_anything(bytes in any::<Vec<u8>>()) {
        Fstab::parse(&bytes);
    }

    #[test]
    fn fstab_of_fields(text in "([ -~\u{e4}]{1,9}[ \t]){0,20}") {
        for entry in Fstab::parse(text.as_bytes()).entries {
            assert!(!entry.file.is_empty());
        }
    }
}
