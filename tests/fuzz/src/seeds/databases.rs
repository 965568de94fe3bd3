// SPDX-License-Identifier: Apache-2.0
//! Small databases of package managers and of containerd, and a program.

use std::fs;

use imagewright::describe::samples::{
    APK, DPKG, bdb, bolt, header, header_of_some_length, ndb, program,
};

use super::{Seeds, run, text};

pub(crate) fn add(seeds: &Seeds) {
    seeds.add("packages_dpkg", "two", DPKG);
    seeds.add("packages_apk", "one", APK);
    seeds.add("packages_ndb", "one", ndb(&header()));
    seeds.add("packages_bdb", "one", bdb(&header()));
    seeds.add("packages_rpm_file", "one", rpm_file(&header()));
    seeds.add("packages_sqlite", "one", sqlite(seeds));
    seeds.add("containerd_store", "one", bolt());
    seeds.add("containerd_rewrite", "read", [b"r", &bolt()[..]].concat());
    seeds.add("containerd_rewrite", "written", bolt_content());
    seeds.add("go_program", "inline", program());
}

/// A package file: the lead, signatures, the header.
fn rpm_file(header: &[u8]) -> Vec<u8> {
    let magic = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
    let mut file = vec![0xed, 0xab, 0xee, 0xdb];
    file.resize(96, 0);
    for part in [&[0; 8], header] {
        file.extend(magic);
        file.extend(part);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    file
}

fn sqlite(seeds: &Seeds) -> Vec<u8> {
    let path = seeds.file("sqlite");
    let header = seeds.file("header");
    fs::write(&header, header_of_some_length()).expect("writing a header");
    let script = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        db.execute('PRAGMA page_size=512')\n\
        db.execute('CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, \
        blob BLOB)')\n\
        blob = open(sys.argv[2], 'rb').read()\n\
        for n in range(40):\n    \
            db.execute('INSERT INTO Packages VALUES (?, ?)', (n + 1, blob))\n\
        db.commit()\n";
    run("python3", &["-c", script, text(&path), text(&header)]);
    fs::read(&path).expect("reading a database")
}

/// Buckets in buckets, and a value that overflows its page.
fn bolt_content() -> Vec<u8> {
    let mut content = b"w".to_vec();
    for (operation, text) in [
        (1, "v1"),
        (1, "k8s.io"),
        (3, "a"),
        (2, "large value, of which the length of the key is a factor"),
        (1, "empty"),
        (0, ""),
        (3, "b"),
    ] {
        content.extend([operation, text.len() as u8]);
        content.extend(text.bytes());
        if operation == 3 {
            content.extend(text.bytes());
        }
    }
    content
}
