// SPDX-License-Identifier: Apache-2.0
//! Locked builds of an rpm distribution, by the image's own dnf: the same
//! again when its repositories are gone, the same from a bundle without a
//! network, and nothing when something is missing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::rpm::{ask, repositories};
use crate::support::{
    Cli, Finished, Lab, fixture, in_own_mounts, names_in, sha256,
};

/// `$1` has the repositories; one more is signed with a key of its own, which
/// the image has not met.
const SIGN_BY_ANOTHER: &str = r#"
cd "$1"
export GNUPGHOME=$PWD/gnupg
mkdir -m 700 gnupg
gpg -q --batch --passphrase '' --quick-gen-key 'another <a@localhost>' rsa3072 sign never
gpg -q --armor --export >repository/another.asc
mkdir repository/another
cp repository/unsigned/*.rpm repository/another/
rpmsign --define "__gpg $(command -v gpg)" --define '_gpg_name a@localhost' \
    --define "_dbpath $PWD/db" --addsign repository/another/*.rpm >/dev/null
createrepo_c --quiet repository/another
gpgconf --kill gpg-agent
"#;

fn base() -> PathBuf {
    fixture("rpm-rows/fedora/fedora.qcow2")
}

struct Fixture {
    lab: Lab,
    recipe: PathBuf,
    lock: PathBuf,
}

impl Fixture {
    fn locked(&self, output: &Path) -> Cli {
        let build = self.lab.build(&base(), &self.recipe, output);
        build.arg("--locked").arg(&self.lock)
    }

    /// In a network namespace of its own: nothing is reached.
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
    fn refused(&self, build: &Finished, what: &str) {
        assert_eq!(build.code(), 11, "{build:#?}");
        assert!(build.stderr.contains(what), "{build:#?}");
        assert!(!self.lab.join("refused").exists());
    }

    fn strict(&self, one: &Path, other: &Path) {
        let diff = self.lab.cli().args(["diff", "--strict"]);
        diff.arg(one).arg(other).run().success();
    }
}

/// By our own words, by scripts that call dnf, with a package that comes and
/// goes, one that is there in two versions, and a key that dnf takes itself.
/// What dnf says of packages is in the image: it is to say the same when it
/// reads our lists of them.
fn prepared(lab: Lab, port: u16) -> Fixture {
    let key = fs::read_to_string(lab.join("key.asc")).unwrap();
    let key = key.replace('\n', "\n        ");
    let recipe = lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
packages:
  update: false
  repositories:
    - name: kubernetes
      uri: http://me:hidden@127.0.0.1:{port}/kubernetes/
      key: |
        {key}
    - name: extra
      uri: http://127.0.0.1:{port}/main/
      key: |
        {key}
  install: [kubelet=1.36.0, iw-hello=1.0, iw-daemon]
steps:
  - run-command: |
      printf '%s\\n' '[another]' name=x baseurl=http://127.0.0.1:{port}/another/ \\
        gpgcheck=1 gpgkey=http://127.0.0.1:{port}/another.asc \\
        >/etc/yum.repos.d/another.repo
  - install: [iw-unsigned]
  - run-command: dnf -y install iw-epoch
  - uninstall: [iw-epoch]
  - run-command: dnf -y upgrade iw-hello
  - run-command: |
      set -e
      for what in --provides --requires --conflicts --obsoletes --list; do
        echo $what
        dnf -q repoquery $what kubelet-1.36.0 iw-daemon iw-epoch | sort
      done >/usr/share/asked
      dnf -q repoquery --qf '%{{name}} %{{evr}} %{{arch}} %{{reponame}} %{{size}} \
        %{{installsize}} %{{buildtime}} %{{sourcerpm}} %{{license}} %{{summary}}' \
        kubelet-1.36.0 iw-daemon iw-epoch | sort >>/usr/share/asked
  - run-command: dnf config-manager --set-disabled extra
  # A plugin of Debian's dnf keeps copies of packages, and with them the
  # attributes that the downloader notes on its files.
  - delete: /var/lib/dnf/plugins/local/*
artifacts: [{{format: raw}}]
"
        ),
    );
    Fixture {
        lock: lab.join("lock.json"),
        lab,
        recipe,
    }
}

/// Every package, keys among them, and what the recipe is to leave.
const SCRIPT: &str = "cp -r $(rpm --eval %_dbpath) /run/db
    rpm --dbpath /run/db -qa | sort
    rpm --dbpath /run/db -V kubelet iw-hello iw-daemon iw-unsigned
    cat /usr/share/iw-hello/version
    grep -c . /usr/share/asked
    grep -h ^enabled= /etc/yum.repos.d/extra.repo
    ls /etc/yum.repos.d
    find /var/cache/dnf -type f 2>/dev/null || true
    cat /etc/dnf/dnf.conf";

#[test]
fn privileged_lock_rpm_a_build_and_repeat_it() {
    let lab = Lab::new();
    let server = repositories(&lab);
    let place = lab.path().to_str().unwrap().to_owned();
    in_own_mounts(SIGN_BY_ANOTHER, [place.as_str()]).success();
    let this = prepared(lab, server.port());
    let lab = &this.lab;
    let (one, two, three) =
        (lab.join("one"), lab.join("deep/two"), lab.join("three"));
    let build = lab.build(&base(), &this.recipe, &one);
    build.arg("--lock").arg(&this.lock).run().success();
    the_lock_tells_all(&this);
    // The packages stay, the lists of them and the keys are gone.
    for name in ["main", "kubernetes", "another"] {
        let lists = lab.join(format!("repository/{name}/repodata"));
        fs::remove_dir_all(lists).unwrap();
    }
    fs::remove_file(lab.join("repository/another.asc")).unwrap();
    what_is_missing_is_named(&this);
    let bundle = bundled(&this);
    drop(server);
    this.locked(&two).run().success();
    this.offline(&bundle, &three).success();
    let image = |output: &Path| output.join("node.raw");
    let said = ask(lab, &image(&one), SCRIPT);
    assert!(
        said.contains("kubelet-1.36.0-150500.1.1.x86_64\n"),
        "{said}"
    );
    assert!(said.contains("iw-unsigned-1.0-1.noarch\n"), "{said}");
    assert!(said.contains("\n2.0\n"), "{said}");
    assert!(said.contains("\nenabled=0\n"), "{said}");
    assert!(!said.contains("iw-epoch"), "{said}");
    assert!(!said.contains("imagewright"), "{said}");
    assert_eq!(said.matches("gpg-pubkey-").count(), 2, "{said}");
    for other in [&two, &three] {
        assert_eq!(ask(lab, &image(other), SCRIPT), said);
        this.strict(&image(&one), &image(other));
    }
    what_is_gone_is_told(&this, &three);
    tampered(&this, &bundle);
    lab.assert_nothing_left();
}

fn the_lock_tells_all(this: &Fixture) {
    let text = fs::read_to_string(&this.lock).unwrap();
    for secret in ["hidden", this.lab.path().to_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let lock: Value = serde_json::from_str(&text).unwrap();
    let archives = lock["archives"].as_array().unwrap();
    let told: Vec<String> = archives
        .iter()
        .map(|archive| {
            let word = |name: &str| archive[name].as_str().unwrap();
            let (_, place) = word("uri").split_once("//").unwrap();
            let (_, place) = place.split_once('/').unwrap();
            let found = sha256(&this.lab.join("repository").join(place));
            assert_eq!(word("sha256"), found, "{archive}");
            let (name, version) = (word("name"), word("version"));
            format!("{name} {version} {}", word("repository"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "iw-daemon 1.0-1 extra",
            "iw-epoch 1:3.0-2 extra",
            "iw-hello 1.0-1 extra",
            "iw-hello 2.0-1 extra",
            "iw-unsigned 1.0-1 another",
            "kubelet 1.36.0-150500.1.1 kubernetes",
            "kubernetes-cni 1.7.1-150500.1.1 kubernetes",
        ]
    );
    let keys = lock["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{keys:#?}");
}

/// In the provenance, as a package of rpm.
fn what_is_gone_is_told(this: &Fixture, output: &Path) {
    let text = fs::read_to_string(output.join("provenance.json")).unwrap();
    let statement: Value = serde_json::from_str(&text).unwrap();
    let materials =
        &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let uri =
        "pkg:rpm/fedora/iw-epoch@3.0-2?arch=noarch&distro=fedora-41&epoch=1";
    let mut all = materials.as_array().unwrap().iter();
    let found = all.find(|material| material["uri"] == uri);
    let file = "repository/main/iw-epoch-3.0-2.noarch.rpm";
    let digest = sha256(&this.lab.join(file));
    assert_eq!(found.unwrap()["digest"]["sha256"], digest.as_str());
}

fn bundled(this: &Fixture) -> PathBuf {
    let bundle = this.lab.join("bundle");
    this.lab
        .cli()
        .args(["bundle", "--insecure-no-checksum"])
        .arg(base())
        .arg("--locked")
        .arg(&this.lock)
        .arg("--output")
        .arg(&bundle)
        .run()
        .success();
    let names = names_in(&bundle.join("packages"));
    assert_eq!(names.len(), 7, "{names:?}");
    assert_eq!(names[1], "iw-epoch_1%3a3.0-2_noarch.rpm");
    bundle
}

fn what_is_missing_is_named(this: &Fixture) {
    let refused = this.lab.join("refused");
    let file = "repository/main/iw-epoch-3.0-2.noarch.rpm";
    let file = this.lab.join(file);
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let ended = this.locked(&refused).run();
    this.refused(&ended, "iw-epoch_1%3a3.0-2_noarch.rpm");
    let mut other = kept.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&file, other).unwrap();
    let ended = this.locked(&refused).run();
    this.refused(&ended, "iw-epoch_1%3a3.0-2_noarch.rpm");
    fs::write(&file, kept).unwrap();
}

fn tampered(this: &Fixture, bundle: &Path) {
    let path = bundle.join("packages/iw-daemon_1.0-1_noarch.rpm");
    let mut content = fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&path, content).unwrap();
    let ended = this.offline(bundle, &this.lab.join("refused"));
    this.refused(&ended, "iw-daemon_1.0-1_noarch.rpm");
}

/// Locking checks signatures as ever, and says what it cannot lock.
#[test]
fn privileged_lock_rpm_takes_nothing_unsigned() {
    let lab = Lab::new();
    let server = repositories(&lab);
    let port = server.port();
    let lock = |steps: &str| {
        let recipe = lab.recipe(
            "node.yaml",
            &format!(
                "metadata: {{name: node}}
packages: {{update: false}}
steps:
  - run-command: |
      printf '%s\\n' '[unsigned]' name=x gpgcheck=1 \\
        baseurl=http://127.0.0.1:{port}/unsigned/ \\
        >/etc/yum.repos.d/unsigned.repo
{steps}
artifacts: [{{format: raw}}]
"
            ),
        );
        let lock = lab.cli().arg("lock").arg("--disk-image").arg(base());
        let lock = lock.arg("--insecure-no-checksum").arg("--recipe");
        let lock = lock.arg(&recipe).arg("--output");
        lock.arg(lab.join("lock.json")).run()
    };
    let ended = lock("  - install: [iw-unsigned]");
    assert_ne!(ended.code(), 0, "{ended:#?}");
    assert!(ended.stderr.contains("is not signed"), "{ended:#?}");
    let ended = lock("  - install: ['@core']");
    assert!(ended.stderr.contains("no groups"), "{ended:#?}");
    // Past the cache: by rpm, or by dnf where nobody stands in for it.
    let ended = lock(&format!(
        "  - run-command: rpm -i http://127.0.0.1:{port}/main/iw-hello-1.0-1.noarch.rpm"
    ));
    assert!(ended.stderr.contains("iw-hello"), "{ended:#?}");
    assert!(ended.stderr.contains("it is not known"), "{ended:#?}");
    assert!(!lab.join("lock.json").exists());
    lab.assert_nothing_left();
}
