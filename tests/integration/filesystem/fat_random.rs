// SPDX-License-Identifier: Apache-2.0
//! Random trees, written and changed; `fsck.fat` and mtools have to agree.

use std::fs;
use std::path::Path;

use imagewright::ErrorKind;
use imagewright::block::ReadAt;
use imagewright::filesystem::fat::Volume;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

use super::fat::{
    Session, assert_mtools_agree, assert_same_listing, assert_sound, formatted,
    listing,
};
use crate::partition_support::{Disk, MIB};

/// A change of the directory.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<String>, usize, u8),
    MakeDirectory(Vec<String>),
    Remove(usize),
    Rename(usize, String),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Z][A-Z0-9]{0,7}(\\.[A-Z]{1,3})?",
        3 => "[a-z][a-z0-9]{0,11}\\.(efi|cfg|conf|c)",
        2 => "[A-Za-z][A-Za-z0-9 ._+,;=\\[\\]-]{0,40}[a-z]",
        1 => "[a-z]{1,5}[\u{e0}-\u{fc}\u{4e00}-\u{4e20}\u{1f427}]{1,5}[a-z]",
        1 => "long[a-z]{100,200}",
        // Many that are the same but for the number.
        1 => "vmlinuz-6\\.1\\.0-[0-9]{2}-amd64",
    ]
}

fn path() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(name(), 1..5)
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![
        Just(0_usize),
        1_usize..600,
        Just(2048_usize),
        Just(4096_usize),
        600_usize..200_000,
        // Now and then more than there is room for.
        1_000_000_usize..3_000_000,
    ];
    prop_oneof![
        5 => (path(), len, proptest::num::u8::ANY)
            .prop_map(|(path, len, fill)| Step::Write(path, len, fill)),
        1 => path().prop_map(Step::MakeDirectory),
        3 => proptest::num::usize::ANY.prop_map(Step::Remove),
        1 => (proptest::num::usize::ANY, name())
            .prop_map(|(which, name)| Step::Rename(which, name)),
    ]
}

/// Performs a step as far as it makes sense.
fn perform(step: &Step, root: &Path) {
    let existing = || listing(root).into_keys().collect::<Vec<_>>();
    match step {
        Step::Write(path, len, fill) => {
            let at = root.join(path.join("/"));
            if fs::create_dir_all(at.parent().unwrap()).is_ok() {
                let content: Vec<u8> = (0..*len)
                    .map(|i| fill.wrapping_add((i >> 9) as u8))
                    .collect();
                let _ = fs::write(at, content);
            }
        }
        Step::MakeDirectory(path) => {
            let _ = fs::create_dir_all(root.join(path.join("/")));
        }
        Step::Remove(which) => {
            let all = existing();
            if let Some(path) = all.get(which % all.len().max(1)) {
                let at = root.join(path);
                if at.is_dir() {
                    fs::remove_dir_all(at).unwrap();
                } else {
                    fs::remove_file(at).unwrap();
                }
            }
        }
        Step::Rename(which, name) => {
            let all = existing();
            if let Some(path) = all.get(which % all.len().max(1)) {
                let at = root.join(path);
                let _ = fs::rename(&at, at.with_file_name(name));
            }
        }
    }
}

fn volume(kind: usize) -> Disk {
    match kind {
        0 => formatted(2 * MIB, &["-F", "12"]),
        1 => formatted(9 * MIB, &["-F", "16", "-s", "1"]),
        2 => formatted(34 * MIB, &["-F", "32", "-s", "1", "-n", "ESP"]),
        _ => formatted(40 * MIB, &["-F", "32", "-S", "4096", "-s", "1"]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_trees(
        kind in 0_usize..4,
        rounds in proptest::collection::vec(
            proptest::collection::vec(step(), 1..12),
            1..6,
        ),
    ) {
        let mut session = Session::new(volume(kind));
        for steps in &rounds {
            for step in steps {
                perform(step, session.out.path());
            }
            let len = session.disk.size() as usize;
            let before = session.disk.bytes(0, len);
            match session.try_commit() {
                Ok(_) => {}
                Err(error) => {
                    // No room, or two names FAT takes for one.
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::NoSpace | ErrorKind::Unsupported
                        ),
                        "{error}"
                    );
                    assert!(session.disk.bytes(0, len) == before);
                    break;
                }
            }
            assert_sound(&session.disk);
            let expected = listing(session.out.path());
            assert_mtools_agree(&session.disk, &expected);
            let again = tempfile::tempdir().unwrap();
            let tree = Volume::open(&session.disk)
                .unwrap()
                .checkout(again.path())
                .unwrap();
            assert_same_listing(&listing(again.path()), &expected);
            assert_eq!(&tree, &session.tree);
        }
    }
}
