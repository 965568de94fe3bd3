// SPDX-License-Identifier: Apache-2.0
//! Operations about files, in an image with nothing but busybox.

use std::fs;

use super::{customize, text, tiny};
use crate::support::{Lab, run};

#[test]
fn files_are_written_moved_emptied_and_destroyed() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let script = lab.write("script", "#!/bin/sh\necho run >/root/ran\n");
    let marker = "to-be-scrubbed-".repeat(1000);
    let secret = lab.write("secret", &marker);
    let upload = lab.write("upload", "up");
    customize(&lab, disk.path())
        .args(["--mkdir", "/opt/a/b"])
        .args(["--write", "/opt/a/one:1"])
        .args(["--append-line", "/opt/a/one:2"])
        .args(["--write", "/opt/a/dos:x\r\n"])
        .args(["--append-line", "/opt/a/dos:y"])
        .args(["--append-line", "/opt/a/new:z"])
        .args(["--copy", "/opt/a:/opt/copy"])
        .args(["--move", "/opt/copy/dos:/opt/moved"])
        .args(["--chmod", "04751:/opt/a/one"])
        .args(["--chown", "1:2:/opt/a/one"])
        .args(["--chown", "root:2:/opt/a/new"])
        .args(["--link", "../one:/opt/a/b/l1:/opt/a/b/l2"])
        .args(["--upload", &format!("{}:/opt/a/b", text(&upload))])
        .args(["--upload", &format!("{}:/opt/secret", text(&secret))])
        .args(["--scrub", "/opt/secret"])
        .args(["--run", text(&script)])
        .args([
            "--run-command",
            "mkdir /opt/t; cd /opt/t; mkdir d; echo a>a",
        ])
        .args(["--run-command", "cd /opt/t; echo b>d/b; ln -s ../a/one l"])
        .args(["--truncate-recursive", "/opt/t"])
        .args(["--truncate", "/opt/copy/one"])
        .args(["--touch", "/opt/touched"])
        .args(["--delete", "/opt/copy/n*"])
        .run()
        .success();
    let found = disk.look(
        "cd opt; find . ! -name lost+found -printf '%p %M %U:%G %s %l\\n' | \
         sort | sed 's/ *$//; /^\\. /d'",
        &[],
    );
    let expected = "\
./a drwxr-xr-x 0:0 SIZE
./a/b drwxr-xr-x 0:0 SIZE
./a/b/l1 lrwxrwxrwx 0:0 6 ../one
./a/b/l2 lrwxrwxrwx 0:0 6 ../one
./a/b/upload -rw-r--r-- 0:0 2
./a/dos -rw-r--r-- 0:0 6
./a/new -rw-r--r-- 0:2 2
./a/one -rwxr-x--x 1:2 4
./copy drwxr-xr-x 0:0 SIZE
./copy/b drwxr-xr-x 0:0 SIZE
./copy/one -rw-r--r-- 0:0 0
./moved -rw-r--r-- 0:0 6
./t drwxr-xr-x 0:0 SIZE
./t/a -rw-r--r-- 0:0 0
./t/d drwxr-xr-x 0:0 SIZE
./t/d/b -rw-r--r-- 0:0 0
./t/l lrwxrwxrwx 0:0 8 ../a/one
./touched -rw-r--r-- 0:0 0
";
    let found: String = found
        .lines()
        .map(|line| match line.split_once(" d") {
            // The size of a directory is the file system's own.
            Some(_) => {
                let (start, _) = line.rsplit_once(' ').unwrap();
                format!("{start} SIZE\n")
            }
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(found, expected);
    let said = disk.look("cat opt/a/one opt/a/dos root/ran", &[]);
    assert_eq!(said, "1\n2\nx\r\ny\r\nrun\n");
    let bytes = fs::read(disk.path()).unwrap();
    let needle = marker.as_bytes();
    assert!(!bytes.windows(needle.len()).any(|found| found == needle));
    disk.assert_sound();
    lab.assert_nothing_left();
}

#[test]
fn archives_are_unpacked() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let tree = lab.join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("sub/file"), "content\n".repeat(50_000)).unwrap();
    run("ln", ["-s", "sub/file", text(&tree.join("link"))]);
    run("chown", ["-R", "12:34", text(&tree)]);
    run("chmod", ["2750", text(&tree.join("sub"))]);
    let mut command = customize(&lab, disk.path());
    for (name, option) in [
        ("plain", "--no-auto-compress"),
        ("gz", "--gzip"),
        ("xz", "--xz"),
        ("zst", "--zstd"),
    ] {
        let archive = lab.join(format!("{name}.archive"));
        let args = ["-C", text(&tree), option, "-cf", text(&archive), "."];
        run("tar", args);
        command = command
            .args(["--mkdir", &format!("/opt/{name}")])
            .args(["--tar-in", &format!("{}:/opt/{name}", text(&archive))]);
    }
    command.run().success();
    let expected = fs::read_to_string(tree.join("sub/file")).unwrap();
    for name in ["plain", "gz", "xz", "zst"] {
        let said = disk.look(
            "cd opt/$1; stat -c '%A %u:%g' sub; readlink link; cat sub/file",
            &[name],
        );
        let rest = said.strip_prefix("drwxr-s--- 12:34\nsub/file\n");
        assert!(rest == Some(&expected), "{name}: {said:.200}");
    }
    // Broken ones, whatever they are compressed by.
    let whole = lab.join("zst.archive");
    for (name, cut) in [("zst.archive", 100), ("gz.archive", 100)] {
        let bytes = fs::read(lab.join(name)).unwrap();
        let broken = lab.write("broken", &bytes[..bytes.len() - cut]);
        let ended = customize(&lab, disk.path())
            .args(["--tar-in", &format!("{}:/opt", text(&broken))])
            .run();
        assert_eq!(ended.code(), 5, "{ended:#?}");
    }
    assert!(whole.exists());
    lab.assert_nothing_left();
}
