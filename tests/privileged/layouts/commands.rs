// SPDX-License-Identifier: Apache-2.0
//! Every command, on roots that only the kernel can read.

use std::fs;
use std::path::{Path, PathBuf};

use super::{centos, fedora};
use crate::support::{Lab, Layout, changed, run, sha256};

fn qcow2(image: &Path) -> PathBuf {
    let to = image.with_extension("qcow2");
    let (from, into) = (image.to_str().unwrap(), to.to_str().unwrap());
    run("qemu-img", ["convert", "-c", "-O", "qcow2", from, into]);
    to
}

fn raw(lab: &Lab, image: &Path) -> PathBuf {
    let to = lab.join("back.raw");
    let (from, into) = (image.to_str().unwrap(), to.to_str().unwrap());
    run("qemu-img", ["convert", "-O", "raw", from, into]);
    to
}

fn every_command(layout: &Layout) {
    let lab = Lab::new();
    let base = layout.make(&lab);
    let image = qcow2(&base);
    let digest = sha256(&image);
    let recipe = lab.recipe(
        "recipe.yaml",
        "files: [{path: /etc/made, content: x}]\n\
         steps: [run-command: echo y >/var/lib/odd/made]\n\
         artifacts: [{format: raw, name: node.raw}]\n",
    );
    let plan = lab
        .build(&image, &recipe, &lab.join("planned"))
        .arg("--dry-run")
        .run()
        .success();
    assert!(plan.contains("mount      partition 4 on / "), "{plan}");
    assert!(!lab.join("planned").exists());

    lab.build(&image, &recipe, &lab.join("out")).run().success();
    let built = lab.join("out/node.raw");
    layout.assert_sound(&built);
    let text = layout.look(&built, "cat etc/made var/lib/odd/made");
    assert_eq!(text, "xy\n");

    let checked = lab.cli().arg("verify").arg(&built).run();
    assert!([0, 7].contains(&checked.code()), "{checked:?}");
    let ran = layout.tree(&built);
    let digest_of_built = sha256(&built);
    lab.cli()
        .args(["sysprep", "--dry-run"])
        .arg(&built)
        .run()
        .success();
    assert_eq!(sha256(&built), digest_of_built);
    lab.cli().arg("compact").arg(&built).run().success();
    layout.assert_sound(&built);
    assert_eq!(changed(&ran, &layout.tree(&built)), [""; 0]);

    let provisioned = lab.join("provisioned.qcow2");
    lab.cli()
        .args(["provision", "--insecure-no-checksum"])
        .arg(&image)
        .arg("--recipe")
        .arg(&recipe)
        .arg("--output")
        .arg(&provisioned)
        .run()
        .success();
    assert_eq!(sha256(&image), digest);
    lab.cli()
        .args(["customize", "--insecure-no-checksum"])
        .arg(&provisioned)
        .args(["--write", "/home/somebody/new:z"])
        .run()
        .success();
    lab.cli().arg("sysprep").arg(&provisioned).run().success();
    let back = raw(&lab, &provisioned);
    layout.assert_sound(&back);
    let text = layout.look(&back, "cat etc/made home/somebody/new");
    assert_eq!(text, "xz");
    fs::remove_file(&back).unwrap();
    lab.assert_nothing_left();
}

#[test]
fn privileged_layouts_every_command_on_btrfs() {
    every_command(&fedora());
}

#[test]
fn privileged_layouts_every_command_on_xfs() {
    every_command(&centos());
}

/// Without the privilege to mount, such a root cannot be planned for, and
/// the error says so.
#[test]
fn privileged_layouts_plan_without_privilege() {
    let lab = Lab::new();
    let layout = centos();
    let image = layout.make(&lab);
    let recipe = lab.recipe("recipe.yaml", "");
    let build = lab
        .build(&image, &recipe, &lab.join("out"))
        .arg("--dry-run");
    let mut unprivileged = crate::support::Cli::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-all"])
        .args(build.words());
    for (name, value) in build.variables() {
        unprivileged = unprivileged.env(name, value);
    }
    let refused = unprivileged.run();
    assert_eq!(refused.code(), 8, "{refused:?}");
    let says = |text: &str| refused.stderr.contains(text);
    assert!(
        says("is xfs, and looking into it takes a mount")
            && says("run it as root"),
        "{refused:?}"
    );
    lab.assert_nothing_left();
}
