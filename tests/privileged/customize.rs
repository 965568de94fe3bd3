// SPDX-License-Identifier: Apache-2.0
//! `customize` and `provision`: what they leave in the image, asked of the
//! image's own programs and of the host's, not of our code.

mod debian;
mod file;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::Duration;

use crate::support::{
    Cli, Disk, Lab, names_in, run, sha256, tiny_qcow2, tiny_raw, wait_for,
};

/// `customize` of `image`.
fn customize(lab: &Lab, image: &Path) -> Cli {
    lab.cli().arg("customize").arg(image)
}

/// The tiny image as raw, in the lab.
fn tiny(lab: &Lab) -> Disk {
    let path = lab.join("tiny.raw");
    run(
        "cp",
        ["--sparse=always".as_ref(), tiny_raw().as_path(), &path],
    );
    Disk::new(path)
}

/// One word of `qemu-img info`.
fn format_of(image: &Path) -> String {
    let said = run("qemu-img", ["info", "--output=json", text(image)]);
    let info: serde_json::Value = serde_json::from_str(&said).unwrap();
    info["format"].as_str().unwrap().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn in_place_keeps_the_file_as_it_was_but_for_its_content() {
    let lab = Lab::new();
    for name in ["tiny.raw", "tiny.qcow2"] {
        let from = match name {
            "tiny.raw" => tiny_raw(),
            _ => tiny_qcow2(),
        };
        let image = lab.join(name);
        fs::copy(&from, &image).unwrap();
        // A checksum file that knows the image as it was.
        let sums = format!("{}  {name}\n", sha256(&image));
        lab.write("SHA256SUMS", sums);
        fs::set_permissions(&image, fs::Permissions::from_mode(0o640)).unwrap();
        chown(&image, Some(1234), Some(2345)).unwrap();
        let link = lab.join(format!("link-{name}"));
        symlink(&image, &link).unwrap();
        // Twice: the second one finds what the first one did.
        for _ in 0..2 {
            let args = ["--append-line", "/etc/motd:one more"];
            customize(&lab, &link).args(args).run().success();
        }
        let now = fs::metadata(&image).unwrap();
        assert_eq!((now.uid(), now.gid()), (1234, 2345));
        assert_eq!(now.mode() & 0o7777, 0o640);
        assert_eq!(format_of(&image), name.split_once('.').unwrap().1);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let raw = Disk::new(lab.join("look.raw"));
        let args = ["convert", "-O", "raw", text(&image), text(raw.path())];
        run("qemu-img", args);
        assert_eq!(raw.look("tail -n 2 etc/motd", &[]), "one more\none more\n");
        raw.assert_sound();
        fs::remove_file(raw.path()).unwrap();
        fs::remove_file(&image).unwrap();
        fs::remove_file(&link).unwrap();
        fs::remove_file(lab.join("SHA256SUMS")).unwrap();
    }
    lab.assert_nothing_left();
    assert!(!lab.join(".imagewright").exists());
}

#[test]
fn a_failed_operation_leaves_the_image_alone() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let before = sha256(disk.path());
    for (args, word, code) in [
        (["--run-command", "exit 3"], "run-command", 9),
        (["--truncate", "/nothing/there"], "truncate", 11),
        (["--chown", "nobody-knows:0:/etc"], "chown", 11),
        (["--password", "nobody-knows:random"], "password", 11),
        (["--ssh-inject", "nobody-knows:string:k"], "ssh-inject", 11),
        (["--edit", "/etc/passwd:s/a/b/"], "edit", 4),
        (["--kernel-cmdline", "a=1"], "kernel-cmdline", 4),
        (["--firstboot-command", "true"], "firstboot-command", 4),
        (["--tar-in", "/etc/hostname:/nothing"], "tar-in", 11),
        (["--enable-unit", "ssh"], "enable-unit", 11),
    ] {
        let ended = customize(&lab, disk.path())
            .args(["--write", "/etc/motd:changed"])
            .args(args)
            .run();
        assert_eq!(ended.code(), code, "{ended:#?}");
        assert!(ended.stderr.contains(word), "{ended:#?}");
        assert_eq!(sha256(disk.path()), before, "{args:?}");
    }
    assert_eq!(names_in(lab.path()), ["cache", "tiny.raw", "tmp"]);
    lab.assert_nothing_left();
}

#[test]
fn the_output_is_as_its_suffix_or_the_format_says() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let before = sha256(disk.path());
    for (name, args, format) in [
        ("a.qcow2", &[][..], "qcow2"),
        ("b.img", &[], "raw"),
        ("c.raw", &["--format", "qcow2+zstd"], "qcow2"),
        ("new/d", &[], "raw"),
    ] {
        let output = lab.join(name);
        let said = customize(&lab, disk.path())
            .args(["--write", "/etc/motd:out", "--output", text(&output)])
            .args(args)
            .run()
            .success();
        assert!(said.contains(name), "{said}");
        assert_eq!(format_of(&output), format, "{name}");
    }
    assert_eq!(sha256(disk.path()), before);
    let ended = customize(&lab, disk.path())
        .args(["--output", text(disk.path())])
        .run();
    assert_eq!(ended.code(), 2, "{ended:#?}");
    lab.assert_nothing_left();
}

#[test]
fn what_a_rewrite_would_lose_is_not_replaced() {
    let lab = Lab::new();
    let image = lab.join("a.qcow2");
    fs::copy(tiny_qcow2(), &image).unwrap();
    run("qemu-img", ["snapshot", "-c", "before", text(&image)]);
    let before = sha256(&image);
    let touch = ["--touch", "/etc/x"];
    let ended = customize(&lab, &image).args(touch).run();
    assert_eq!(ended.code(), 4, "{ended:#?}");
    assert!(ended.stderr.contains("snapshots"), "{ended:#?}");
    assert_eq!(sha256(&image), before);
    let output = lab.join("b.qcow2");
    let ended = customize(&lab, &image).args(touch);
    ended.args(["--output", text(&output)]).run().success();
    lab.assert_nothing_left();
}

#[test]
fn a_dry_run_prints_what_would_be_done_and_does_nothing() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let before = sha256(disk.path());
    let operations = lab.write(
        "operations",
        "# first\nwrite /etc/motd:a\nroot-password password:hunter2\n\
         append-line /etc/motd:\\\n    b\n",
    );
    for global in [&[][..], &["--json"]] {
        let said = customize(&lab, disk.path())
            .args(global)
            .arg("--dry-run")
            .args(["--commands-from-file", text(&operations)])
            .args(["--touch", "/last"])
            .run()
            .success();
        let places: Vec<_> = [
            "write /etc/motd:a",
            "append-line /etc/motd:b",
            "touch /last",
            "root-password [secret]",
        ]
        .iter()
        .map(|step| said.find(step).unwrap_or_else(|| panic!("{said}")))
        .collect();
        assert!(places.is_sorted(), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(sha256(disk.path()), before);
    lab.assert_nothing_left();
}

#[test]
fn an_image_that_another_works_on_is_left_alone() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    let nap = ["--run-command", "sleep 3", "--touch", "/etc/first"];
    let mut first = customize(&lab, disk.path()).args(nap).start();
    let work = lab.join(".imagewright");
    assert!(wait_for(Duration::from_secs(60), || work.exists()));
    let touch = ["--touch", "/etc/second"];
    let second = customize(&lab, disk.path()).args(touch).run();
    assert_eq!(second.code(), 10, "{second:#?}");
    assert!(first.wait().unwrap().success());
    assert_eq!(disk.look("ls etc | grep -E 'first|second'", &[]), "first\n");
    // Not one of ours.
    let nap = ["--run-command", "sleep 3"];
    let mut first = customize(&lab, disk.path()).args(nap).start();
    assert!(wait_for(Duration::from_secs(60), || work.exists()));
    let mut file = File::options().append(true).open(disk.path()).unwrap();
    file.write_all(&[0; 512]).unwrap();
    let changed = sha256(disk.path());
    assert_eq!(first.wait().unwrap().code(), Some(10));
    assert_eq!(sha256(disk.path()), changed);
    lab.assert_nothing_left();
}

#[test]
fn provision_does_the_first_phase_of_a_recipe() {
    let lab = Lab::new();
    let disk = tiny(&lab);
    lab.write("tree/b", "from the host");
    let recipe = lab.recipe(
        "recipe.yaml",
        "disk: {size: 160M}\n\
         files: [{path: /opt/a, content: x, mode: 0600}]\n\
         steps:\n  - copy-in: tree:/opt\n  - user-is-not-asked-for: x\n",
    );
    let ended = lab.cli().arg("provision").arg(disk.path());
    let ended = ended.arg("--recipe").arg(&recipe).run();
    assert_eq!(ended.code(), 6, "{ended:#?}");
    let recipe = lab.recipe(
        "recipe.yaml",
        "disk: {size: 160M}\n\
         files: [{path: /opt/a, content: x, mode: 0600}]\n\
         steps:\n  - copy-in: tree:/opt\n\
         \x20 - run-command: cat /opt/a /opt/tree/b >/opt/c\n\
         sysprep: {enable: []}\nartifacts: [{format: qcow2}]\n",
    );
    let command = lab.cli().arg("provision").arg(disk.path());
    command.arg("--recipe").arg(&recipe).run().success();
    assert_eq!(disk.look("cat opt/c", &[]), "xfrom the host");
    assert_eq!(fs::metadata(disk.path()).unwrap().len(), 160 << 20);
    disk.assert_sound();
    assert!(!lab.join("manifest.json").exists());
    lab.assert_nothing_left();
}
