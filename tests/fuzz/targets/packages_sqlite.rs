// SPDX-License-Identifier: Apache-2.0
//! rpm's database in SQLite.
#![no_main]

use imagewright::describe;
use imagewright_fuzz::OneFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let tree = OneFile::new("/var/lib/rpm/rpmdb.sqlite", data);
    let _ = describe::packages(&tree);
    let _ = describe::owned_files(&tree, &mut |_| {});
});
