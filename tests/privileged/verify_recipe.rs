// SPDX-License-Identifier: Apache-2.0
//! `verify --recipe` where the packages are rpm's.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Cli, Lab, run, tiny_raw};

/// Two packages, one of them by another name, too.
const SPEC: &str = "Name: node
Version: 1.2
Release: %{?number}%{!?number:3}
Summary: s
License: MIT
BuildArch: noarch
%description
x
%package -n kubelet
Summary: s
Provides: node-agent
%description -n kubelet
x
%files -n kubelet
%package -n tool
Summary: s
Epoch: 4
%description -n tool
x
%files -n tool
";

fn rpms(lab: &Lab, number: &str) -> Vec<std::path::PathBuf> {
    let spec = lab.write("node.spec", SPEC);
    let top = lab.join(format!("build-{number}"));
    let top_of = format!("_topdir {}", top.display());
    let number = format!("number {number}");
    let command = Cli::new("rpmbuild").args(["-bb", "--quiet", "--define"]);
    let command = command.arg(&top_of).args(["--define", &number]);
    command.arg(&spec).run().success();
    let built = fs::read_dir(top.join("RPMS/noarch")).unwrap();
    built.map(|entry| entry.unwrap().path()).collect()
}

fn rpm(tree: &Path) -> Cli {
    Cli::new("rpm")
        .arg("--root")
        .arg(tree)
        .args(["--dbpath", "/var/lib/rpm"])
        .args(["--define", "_db_backend sqlite"])
}

/// The tiny image with a database of rpm, and what keeps a version.
fn image(lab: &Lab, tree: &Path, list: &str) -> std::path::PathBuf {
    let image = lab.join("tiny.raw");
    let from = tiny_raw();
    run("cp", ["--sparse=always".as_ref(), from.as_path(), &image]);
    let change = lab.cli().arg("customize").arg(&image);
    change
        .args(["--mkdir", "/var/lib", "--mkdir", "/etc/dnf/plugins"])
        .arg("--copy-in")
        .arg(format!("{}:/var/lib", tree.join("var/lib/rpm").display()))
        .args(["--write", list])
        .run()
        .success();
    image
}

/// Status and findings of a rule.
fn look(report: &Value, rule: &str) -> (String, Vec<String>) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["rule"] == rule).unwrap();
    let findings = check["findings"].as_array().unwrap().iter();
    (
        check["status"].as_str().unwrap().to_owned(),
        findings
            .map(|f| f["what"].as_str().unwrap().to_owned())
            .collect(),
    )
}

#[test]
fn privileged_verify_knows_packages_and_holds_of_rpm() {
    let lab = Lab::new();
    let tree = lab.join("tree");
    fs::create_dir_all(&tree).unwrap();
    let install = rpm(&tree).args(["-i", "--nodeps", "--noscripts"]);
    install.args(rpms(&lab, "3")).run().success();
    let verify = |image: &Path, body: &str| -> Value {
        let recipe = lab.recipe("recipe.yaml", body);
        let command = lab.cli().args(["--json", "verify"]).arg(image);
        let ended = command.arg("--recipe").arg(recipe).run();
        serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|_| panic!("{ended:#?}"))
    };
    let pass = ("pass".to_owned(), vec![]);
    let fail = |what: &str| ("fail".to_owned(), vec![what.to_owned()]);

    let list = "/etc/dnf/plugins/versionlock.list:kubelet-0:1.2-3.*\n";
    let kept = image(&lab, &tree, list);
    let good = "packages: {install: [kubelet=1.2, node-agent, tool=4:1.2-3],
  remove: [other], hold: [kubelet]}\n";
    let report = verify(&kept, good);
    for rule in ["recipe-packages", "recipe-holds", "package-state"] {
        assert_eq!(look(&report, rule), pass, "{rule}");
    }
    assert_eq!(look(&report, "held-packages").1, ["kubelet 1.2-3"]);
    for (packages, rule, what) in [
        (
            "install: [absent]",
            "recipe-packages",
            "absent is not installed",
        ),
        (
            "install: [tool=1.1]",
            "recipe-packages",
            "tool is 4:1.2-3 instead of 1.1",
        ),
        (
            "remove: [tool]",
            "recipe-packages",
            "tool is still installed",
        ),
        ("hold: [tool]", "recipe-holds", "tool is not held"),
    ] {
        let report = verify(&kept, &format!("packages: {{{packages}}}\n"));
        assert_eq!(look(&report, rule), fail(what), "{packages}");
    }

    // A version that is not there any more, and a second one of a package.
    let twice = rpm(&tree).args(["-i", "--nodeps", "--noscripts", "--force"]);
    twice.args(rpms(&lab, "4")).run().success();
    let gone = list.replace("1.2-3", "1.1-1");
    let report = verify(&image(&lab, &tree, &gone), good);
    let (status, found) = look(&report, "package-state");
    assert_eq!(status, "fail");
    assert!(found[0].contains("installed twice"), "{found:?}");
    let (_, found) = look(&report, "recipe-holds");
    assert!(
        found.contains(&"kubelet is not held".to_owned()),
        "{found:?}"
    );
    lab.assert_nothing_left();
}
