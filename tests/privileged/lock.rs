// SPDX-License-Identifier: Apache-2.0
//! Locked builds: the same again when the repository has moved on, the same
//! from a bundle without a network, and nothing when something is missing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Cli, Finished, Lab, Server, fixture, in_own_mounts, names_in, sha256,
};

/// `$1` is the directory of the flat repository, `$2` the version to add.
const ADD_VERSION: &str = r#"
cd "$1"
package() { # name version more
    mkdir -p p/DEBIAN "p/usr/share/$1"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: t <t@t>\n%sDescription: x\n' \
        "$1" "$2" "${3:-}" >p/DEBIAN/control
    echo "$1 $2" >"p/usr/share/$1/version"
    dpkg-deb --root-owner-group -b p "$1_${2#*:}_all.deb" >/dev/null
    rm -r p
}
package iw-lib "1:$2"
package iw-app "$2" 'Depends: iw-lib
'
package iw-tool "$2"
for deb in *.deb; do
    dpkg-deb -f "$deb"
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
    echo
done >Packages
"#;

fn base() -> PathBuf {
    fixture("debian-12/debian-12-base-amd64.qcow2")
}

struct Fixture {
    lab: Lab,
    served: PathBuf,
    recipe: PathBuf,
    lock: PathBuf,
}

impl Fixture {
    fn add_version(&self, version: &str) {
        let repository = self.served.join("repo");
        let args = [repository.to_str().unwrap(), version];
        in_own_mounts(ADD_VERSION, args).success();
    }

    /// With a lock.
    fn locked(&self, output: &Path) -> Cli {
        let build = self.lab.build(&base(), &self.recipe, output);
        build.arg("--locked").arg(&self.lock)
    }

    /// From a bundle, in a network namespace of its own: nothing is reached.
    fn offline(&self, bundle: &Path, output: &Path) -> Finished {
        let build = self
            .lab
            .cli()
            .args(["build", "--offline", "--bundle"])
            .arg(bundle)
            .arg("--recipe")
            .arg(&self.recipe)
            .arg("--output")
            .arg(output);
        build.without_network().run()
    }

    /// That `build` ends before it touches anything, and names `what`.
    #[track_caller]
    fn refused(&self, build: &Finished, code: i32, what: &str) {
        assert_eq!(build.code(), code, "{build:#?}");
        assert!(build.stderr.contains(what), "{build:#?}");
        assert!(!self.lab.join("refused").exists());
    }
}

fn prepared(lab: Lab, port: u16, served: PathBuf) -> Fixture {
    let url = format!("http://127.0.0.1:{port}");
    lab.write("conf/inner/file", "one\n");
    let recipe = lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
packages: {{update: false}}
containerd:
  source: release
  version: 2.1.3
  repository: {url}/containerd
  runc: {{version: 1.3.0, repository: '{url}/runc'}}
files: [{{path: /etc/conf, source: conf}}]
steps:
  - delete: /etc/apt/sources.list.d/*
  - repository: iw http://me:hidden@127.0.0.1:{port}/repo/ / trusted
  - run-command: apt-get update
  - install: [iw-app]
  # Not there at the end, and yet taken.
  - run-command: apt-get -y install iw-tool
  - uninstall: [iw-tool]
  - root-password: password:verysecret
artifacts: [{{format: raw}}]
sbom: [spdx, cyclonedx]
"
        ),
    );
    Fixture {
        lock: lab.join("lock.json"),
        lab,
        served,
        recipe,
    }
}

fn strict(lab: &Lab, one: &Path, other: &Path) {
    let diff = lab.cli().args(["diff", "--strict"]).arg(one).arg(other);
    diff.run().success();
}

fn versions(lab: &Lab, image: &Path) -> String {
    let script = "cat /usr/share/iw-*/version; grep ^root: /etc/shadow; \
        ls -A /run /etc/apt/sources.list.d /var/cache/apt/archives";
    lab.cli()
        .args(["--quiet", "shell", "--insecure-no-checksum"])
        .args(["--read-only", "--no-network"])
        .arg(image)
        .args(["--", "sh", "-c", script])
        .run()
        .success()
}

#[test]
fn privileged_lock_a_build_and_repeat_it() {
    let lab = Lab::new();
    let served = lab.join("served");
    fs::create_dir_all(served.join("repo")).unwrap();
    for name in ["containerd", "runc"] {
        let from = fixture(&format!("kubernetes/{name}"));
        std::os::unix::fs::symlink(from, served.join(name)).unwrap();
    }
    let server = Server::start(&served);
    let this = prepared(lab, server.port(), served);
    let lab = &this.lab;
    this.add_version("1.0");
    let (one, two, three) =
        (lab.join("one"), lab.join("deep/two"), lab.join("three"));
    let build = lab.build(&base(), &this.recipe, &one);
    build.arg("--lock").arg(&this.lock).run().success();
    the_lock_tells_all(&this);
    // The repository moves on, as a snapshot mirror does: older files stay.
    this.add_version("2.0");
    this.locked(&two).run().success();
    let image = |output: &Path| output.join("node.raw");
    strict(lab, &image(&one), &image(&two));
    let bundle = lab.join("bundle");
    lab.cli()
        .args(["bundle", "--insecure-no-checksum"])
        .arg(base())
        .arg("--locked")
        .arg(&this.lock)
        .arg("--output")
        .arg(&bundle)
        .run()
        .success();
    what_is_missing_is_named(&this);
    drop(server);
    in_own_mounts(
        "cd \"$1\" && sha256sum -c --quiet SHA256SUMS",
        [bundle.to_str().unwrap()],
    )
    .success();
    this.offline(&bundle, &three).success();
    strict(lab, &image(&one), &image(&three));
    let said = versions(lab, &image(&three));
    assert!(
        said.starts_with("iw-app 1.0\niw-lib 1:1.0\nroot:$y$"),
        "{said}"
    );
    assert!(said.contains("iw.sources\n"), "{said}");
    assert!(!said.contains("imagewright-packages"), "{said}");
    assert!(!said.contains(".deb"), "{said}");
    other_content_is_refused(&this, &bundle);
    what_was_taken_is_told(&this, &one);
    what_was_taken_is_told(&this, &three);
    lab.assert_nothing_left();
}

fn the_lock_tells_all(this: &Fixture) {
    let text = fs::read_to_string(&this.lock).unwrap();
    for secret in ["verysecret", "hidden", this.lab.path().to_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let lock: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(lock["base"]["sha256"], sha256(&base()).as_str());
    let archives = lock["archives"].as_array().unwrap();
    let told: Vec<String> = archives
        .iter()
        .map(|archive| {
            let word = |name: &str| archive[name].as_str().unwrap();
            let file = word("uri").rsplit('/').next().unwrap();
            let found = sha256(&this.served.join("repo").join(file));
            assert_eq!(word("sha256"), found, "{archive}");
            format!("{} {}", word("name"), word("version"))
        })
        .collect();
    assert_eq!(told, ["iw-app 1.0", "iw-lib 1:1.0", "iw-tool 1.0"]);
    let files = lock["files"].as_array().unwrap();
    let names: Vec<&str> =
        files.iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["conf", "containerd-2.1.3-linux-amd64.tar.gz", "runc.amd64"]
    );
    let runc = fixture("kubernetes/runc/v1.3.0/runc.amd64");
    assert_eq!(files[2]["sha256"], sha256(&runc).as_str());
    let expected = fs::read_to_string(fixture("debian-12/packages.txt"));
    let installed = lock["installed"].as_array().unwrap();
    assert_eq!(installed.len(), expected.unwrap().lines().count() + 2);
}

/// In provenance and bills of materials, by digest and without a secret.
fn what_was_taken_is_told(this: &Fixture, output: &Path) {
    let read = |name: &str| {
        let text = fs::read_to_string(output.join(name)).unwrap();
        for secret in ["verysecret", "hidden"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let repository = this.served.join("repo");
    let digest = |name: &str| sha256(&repository.join(name));
    let (app, tool) =
        (digest("iw-app_1.0_all.deb"), digest("iw-tool_1.0_all.deb"));
    let statement = read("provenance.json");
    let materials =
        statement["predicate"]["buildDefinition"]["resolvedDependencies"]
            .as_array()
            .unwrap();
    let told = |uri: &str, sha256: &str| {
        let mut all = materials.iter();
        let found = all.any(|material| {
            material["uri"].as_str().is_some_and(|it| it.ends_with(uri))
                && material["digest"]["sha256"] == sha256
        });
        assert!(found, "{uri} {sha256}: {materials:#?}");
    };
    told("/iw-app@1.0?arch=all&distro=debian-12", &app);
    told("/iw-tool@1.0?arch=all&distro=debian-12", &tool);
    let runc = fixture("kubernetes/runc/v1.3.0/runc.amd64");
    told("/runc/v1.3.0/runc.amd64", &sha256(&runc));
    assert_eq!(
        read("manifest.json")["materials"]["files"][0]["name"],
        "conf"
    );
    let spdx = read("node.spdx.json");
    let cyclonedx = read("node.cdx.json");
    for (list, path) in [
        (&spdx["packages"], "/checksums/0/checksumValue"),
        (&cyclonedx["components"], "/hashes/0/content"),
    ] {
        let mut all = list.as_array().unwrap().iter();
        let of_it = all.find(|entry| entry["name"] == "iw-app").unwrap();
        assert_eq!(of_it.pointer(path), Some(&app.as_str().into()), "{of_it}");
    }
}

/// What a mirror no longer has, another file of the recipe's, another recipe.
fn what_is_missing_is_named(this: &Fixture) {
    let refused = this.lab.join("refused");
    let file = this.served.join("repo/iw-lib_1.0_all.deb");
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    // What was fetched before would be in there.
    fs::remove_dir_all(this.lab.join("cache")).unwrap();
    let ended = this.locked(&refused).run();
    this.refused(&ended, 11, "iw-lib_1%3a1.0_all.deb");
    // A directory that has it will do, whatever the file is called there.
    let aside = this.lab.write("aside/deeper/x.deb", &kept);
    let mut other = kept.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&aside, &other).unwrap();
    let with = |build: Cli| build.arg("--packages").arg(this.lab.join("aside"));
    let ended = with(this.locked(&refused)).run();
    this.refused(&ended, 11, "iw-lib_1%3a1.0_all.deb");
    fs::write(&aside, &kept).unwrap();
    let bundle = this.lab.cli().args(["bundle", "--insecure-no-checksum"]);
    let bundle = bundle.arg(base()).arg("--locked");
    let bundle = bundle.arg(&this.lock).arg("--output");
    let bundle = bundle.arg(this.lab.join("second-bundle"));
    with(bundle).run().success();
    let names = names_in(&this.lab.join("second-bundle/packages"));
    let expected = [
        "iw-app_1.0_all.deb",
        "iw-lib_1%3a1.0_all.deb",
        "iw-tool_1.0_all.deb",
    ];
    assert_eq!(names, expected);
    this.lab.write("conf/inner/file", "two\n");
    this.refused(&this.locked(&refused).run(), 7, "conf");
    this.lab.write("conf/inner/file", "one\n");
    let ended = this.locked(&refused).args(["--set", "disk.size=9G"]).run();
    this.refused(&ended, 6, "not the one that was locked");
}

fn other_content_is_refused(this: &Fixture, bundle: &Path) {
    let path = bundle.join("packages/iw-app_1.0_all.deb");
    let mut content = fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&path, content).unwrap();
    let ended = this.offline(bundle, &this.lab.join("refused"));
    this.refused(&ended, 11, "iw-app_1.0_all.deb");
    let image = bundle.join("debian-12-base-amd64.qcow2");
    let file = fs::File::options().append(true).open(image).unwrap();
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
    let ended = this.offline(bundle, &this.lab.join("refused"));
    this.refused(&ended, 7, "debian-12-base-amd64.qcow2");
}
