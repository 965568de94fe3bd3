// SPDX-License-Identifier: Apache-2.0
//! rpm's databases, written by rpm and read by us.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use imagewright::describe::{self, Package};
use imagewright::mount::GuestRoot;

use crate::support::{Cli, Lab, in_own_mounts};

/// Enough for a table of several levels, and rows that overflow.
const PACKAGES: usize = 30;

/// One source package of many packages, of which some have an epoch, long
/// texts and files.
fn spec() -> String {
    let mut spec = String::from(
        "Name: source\nVersion: 1.2\nRelease: 3\nSummary: s\nLicense: MIT\n\
         Vendor: Example\nPackager: A <a@example.org>\nBuildArch: noarch\n\
         %description\nx\n%install\nmkdir -p %{buildroot}/opt/many\n",
    );
    for n in 0..PACKAGES {
        let _ = writeln!(spec, "touch %{{buildroot}}/opt/many/file-{n}");
    }
    for n in 0..PACKAGES {
        let _ = writeln!(spec, "%package -n p{n}\nSummary: s");
        if n % 3 == 0 {
            let _ = writeln!(spec, "Epoch: {n}");
        }
        let text = "long text ".repeat(n * 60);
        let _ = writeln!(spec, "%description -n p{n}\n{text}");
        let _ = writeln!(spec, "%files -n p{n}\n/opt/many/file-{n}");
    }
    spec
}

fn rpm(root: &Path, backend: &str) -> Cli {
    Cli::new("rpm")
        .arg("--root")
        .arg(root)
        .args(["--dbpath", "/var/lib/rpm"])
        .args(["--define", &format!("_db_backend {backend}")])
}

fn line(package: &Package) -> String {
    let version = match package.version.contains(':') {
        true => package.version.clone(),
        false => format!("(none):{}", package.version),
    };
    let details = &package.details;
    format!(
        "{} {version} {} {} {}",
        package.name,
        package.architecture,
        details.license.as_deref().unwrap_or("(none)"),
        details.checksum.as_ref().map_or("(none)", |sum| &sum.value),
    )
}

#[test]
fn privileged_rpm_databases_are_those_rpm_lists() {
    let lab = Lab::new();
    let spec = lab.write("many.spec", spec());
    let top = format!("_topdir {}", lab.join("build").display());
    Cli::new("rpmbuild")
        .args(["-bb", "--quiet", "--define", &top])
        .arg(&spec)
        .run()
        .success();
    let built = lab.join("build/RPMS/noarch");
    // Debian's rpm writes no other; the corpus has ndb and Berkeley DB.
    let backend = "sqlite";
    let root = lab.join(backend);
    fs::create_dir_all(&root).unwrap();
    let packages = fs::read_dir(&built).unwrap();
    let packages = packages.map(|entry| entry.unwrap().path());
    rpm(&root, backend)
        .args(["-i", "--nodeps", "--noscripts"])
        .args(packages)
        .run()
        .success();
    let format = "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE} %{ARCH} \
                  %{LICENSE} %{SHA256HEADER}\n";
    let listed = rpm(&root, backend)
        .args(["-qa", "--qf", format])
        .run()
        .success();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed.len(), PACKAGES, "{backend}");
    let tree = GuestRoot::open(&root).unwrap();
    let found = describe::packages(&tree).unwrap();
    let mut found: Vec<String> = found.iter().map(line).collect();
    found.sort_unstable();
    assert_eq!(found, listed, "{backend}");
    let mut files = Vec::new();
    describe::owned_files(&tree, &mut |path| files.push(path.to_owned()))
        .unwrap();
    files.sort();
    let of_rpm = rpm(&root, backend).args(["-qal"]).run().success();
    let mut of_rpm: Vec<&str> = of_rpm.lines().collect();
    of_rpm.sort_unstable();
    assert_eq!(files, of_rpm, "{backend}");
}

/// What was committed, but not yet moved into the database, counts.
#[test]
fn privileged_rpm_write_ahead_log_is_read() {
    let lab = Lab::new();
    let root = lab.join("root");
    let database = root.join("var/lib/rpm/rpmdb.sqlite");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    // A header with a name, a version and a release; the process ends
    // without closing the database.
    let script = r#"python3 - "$1" <<'END'
import os, sqlite3, struct, sys
def header(name):
    values = [(1000, name), (1001, "1"), (1002, "2")]
    index, data = b"", b""
    for tag, text in values:
        index += struct.pack(">IIII", tag, 6, len(data), 1)
        data += text.encode() + b"\0"
    data += b"x" * 5000
    return struct.pack(">II", len(values), len(data)) + index + data
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
db.execute("INSERT INTO Packages VALUES (1, ?)", (header("old"),))
db.commit()
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("INSERT INTO Packages VALUES (2, ?)", (header("new"),))
db.commit()
os._exit(0)
END"#;
    in_own_mounts(script, [database.to_str().unwrap()]).success();
    let log = database.with_extension("sqlite-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let names = |root: &Path| -> Vec<String> {
        let tree = GuestRoot::open(root).unwrap();
        let found = describe::packages(&tree).unwrap();
        found.into_iter().map(|package| package.name).collect()
    };
    assert_eq!(names(&root), ["new", "old"]);
    fs::remove_file(&log).unwrap();
    assert_eq!(names(&root), ["old"]);
}
