// SPDX-License-Identifier: Apache-2.0
//! Databases of installed packages, one kind each; a package file.

use imagewright::{describe, provision};

use crate::OneFile;

/// apk's list of installed packages.
pub fn apk(data: &[u8]) {
    read("/lib/apk/db/installed", data);
}

/// dpkg's status.
pub fn dpkg(data: &[u8]) {
    read("/var/lib/dpkg/status", data);
}

/// rpm's database in Berkeley DB.
pub fn bdb(data: &[u8]) {
    read("/var/lib/rpm/Packages", data);
}

/// rpm's database in its own form.
pub fn ndb(data: &[u8]) {
    read("/var/lib/rpm/Packages.db", data);
}

/// rpm's database in SQLite.
pub fn sqlite(data: &[u8]) {
    read("/var/lib/rpm/rpmdb.sqlite", data);
}

/// A package file of rpm.
pub fn rpm_file(data: &[u8]) {
    provision::fuzzing::package_file(data);
}

fn read(path: &str, data: &[u8]) {
    let tree = OneFile::new(path, data);
    let _ = describe::packages(&tree);
    let _ = describe::owned_files(&tree, &mut |_| {});
}
