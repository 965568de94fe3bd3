// SPDX-License-Identifier: Apache-2.0
//! Tests of whole recipes.

use std::fs;

use super::*;

const HEAD: &str = "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n";

const FULL: &str = r#"
apiVersion: imagewright/v1alpha1
kind: NodeImage
metadata: {name: node-1.33}
source:
  image: https://host/debian-12-genericcloud-amd64.qcow2
  sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  checksums: sums/SHA256SUMS
  signature: sums/SHA256SUMS.gpg
  keyring: keys/debian.gpg
disk: {size: 10G}
packages:
  repositories:
    - name: kubernetes
      uri: https://host/core:/stable:/v1.33/deb/
      suites: /
      key: keys/kubernetes.asc
    - name: docker
      uris: [https://host/a, https://host/b]
      suites: [bookworm]
      components: [stable]
      architectures: amd64
      key: |
        -----BEGIN PGP PUBLIC KEY BLOCK-----

        mQ==
        -----END PGP PUBLIC KEY BLOCK-----
  update: true
  upgrade: true
  install: [containerd, kubelet=1.33.2-1.1, debs/tool_1.0_all.deb]
  remove: [snapd]
  hold: kubernetes
kubernetes:
  version: v1.33.2
  repository: https://mirror/core:/stable:/v1.33/deb/
  key: keys/mirror.asc
  cni: {version: 1.6.0-1.1}
  crictl: {version: 1.33.0-1.1}
  kubeletExtraArgs: --node-labels=a=b
  imageRepository: registry.local:5000/k8s
  pause: registry.local:5000/k8s/pause:3.10
  images:
    preload: false
    archives: [images/all.tar]
    references: [quay.io/cilium/cilium:v1.17.0]
containerd: {package: containerd.io, version: 1.7.*, audit: true}
kernel:
  modules: [ip_vs]
  sysctl: {vm.swappiness: 10, kernel.panic: null}
  cmdline: console=ttyS0 -quiet
users:
  - name: admin
    uid: 1000
    groups: [adm, sudo]
    shell: /bin/bash
    sudo: true
    password: locked
    sshKeys: [ssh-ed25519 AAAA me, keys/admin.pub]
units: {enable: [nftables], disable: [apt-daily.timer], mask: [tmp.mount]}
cloudInit:
  datasources: [NoCloud, None]
  config: |
    preserve_hostname: true
files:
  - path: /etc/motd
    content: |
      hello
    mode: 0644
  - {path: /opt/tools, source: files/tools, owner: 1000, group: adm}
steps:
  - run-command: |
      set -e
      true
  - run: scripts/a.sh
  - install: [jq, debs/b_1_all.deb]
  - install: a,b=1.30
  - update
  - update:
  - write: "/etc/a:b: c"
  - hostname: 1.30
sysprep: {enable: [a], disable: [b]}
verify: {goss: [checks/node.yaml], allow: ["sysprep/*"], freeSpace: 1G}
artifacts:
  - {format: qcow2, compression: zstd:3}
  - {format: raw, name: disk.raw}
proxy: {http: "http://proxy:3128", no: [localhost, .cluster.local]}
"#;

fn error(text: &str) -> String {
    let error = Recipe::parse(text, "node.yaml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    error.to_string()
}

#[test]
fn everything_at_once() {
    let recipe = Recipe::parse(FULL, "node.yaml").unwrap();
    insta::assert_json_snapshot!(recipe);
    assert_eq!(recipe.disk.size, Some(ByteSize::new(10 << 30)));
    assert_eq!(recipe.files[1].owner, Some(Principal::Id(1000)));
    assert_eq!(recipe.steps[7], Step::Hostname("1.30".into()));
    assert_eq!(
        recipe.packages.repositories[0].uris,
        ["https://host/core:/stable:/v1.33/deb/"]
    );
}

#[test]
fn json_is_yaml_and_has_the_same_digest() {
    let recipe = Recipe::parse(FULL, "node.yaml").unwrap();
    for json in [
        serde_json::to_string(&recipe).unwrap(),
        serde_json::to_string_pretty(&recipe).unwrap(),
    ] {
        let again = Recipe::parse(&json, "node.json").unwrap();
        assert_eq!(again, recipe);
        assert_eq!(again.digest().unwrap(), recipe.digest().unwrap());
    }
}

#[test]
fn the_digest_is_of_the_meaning() {
    let digest = |text: &str| {
        Recipe::parse(&format!("{HEAD}{text}"), "r")
            .unwrap()
            .digest()
            .unwrap()
    };
    let a = digest("disk: {size: 10G}\nsteps: [{install: [a, b]}]\n");
    assert_eq!(
        a,
        digest("# comment\nsteps:\n- install: a,b\ndisk:\n  size: 10240M\n")
    );
    assert_ne!(a, digest("disk: {size: 11G}\nsteps: [{install: [a, b]}]\n"));
    assert_ne!(a, digest("disk: {size: 10G}\nsteps: [{install: [b, a]}]\n"));
    // Known once, the same for ever: the caches of others rest on it.
    let canonical =
        r#"{"apiVersion":"imagewright/v1alpha1","kind":"NodeImage"}"#;
    assert_eq!(digest(""), Sha256::of(canonical.as_bytes()));
    assert_eq!(
        digest(""),
        Recipe::default().digest().unwrap(),
        "defaults are not part of the text"
    );
}

#[test]
fn host_paths_follow_the_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.yaml");
    fs::write(&file, FULL).unwrap();
    let recipe = Recipe::load(&file).unwrap();
    let paths: Vec<_> = recipe
        .host_paths()
        .iter()
        .map(|path| {
            let path = path.as_path();
            path.strip_prefix(dir.path()).unwrap().display().to_string()
        })
        .collect();
    assert_eq!(
        paths,
        [
            "sums/SHA256SUMS",
            "sums/SHA256SUMS.gpg",
            "keys/debian.gpg",
            "keys/kubernetes.asc",
            "debs/tool_1.0_all.deb",
            "keys/mirror.asc",
            "images/all.tar",
            "keys/admin.pub",
            "files/tools",
            "scripts/a.sh",
            "debs/b_1_all.deb",
            "checks/node.yaml",
        ]
    );
    let here = Recipe::parse(FULL, "node.yaml").unwrap();
    assert_eq!(recipe.digest().unwrap(), here.digest().unwrap());

    let error = recipe.check_host_files().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("scripts/a.sh"));
    for path in recipe.host_paths() {
        fs::create_dir_all(path.as_path()).unwrap();
    }
    recipe.check_host_files().unwrap();
}

#[test]
fn loading_what_is_not_there() {
    let error = Recipe::load(Path::new("/nowhere/node.yaml")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("/nowhere/node.yaml"), "{error}");
}

#[test]
fn an_empty_section_is_an_absent_one() {
    let text = format!("{HEAD}packages:\nfiles:\nsteps:\nproxy:\ndisk: {{}}\n");
    let recipe = Recipe::parse(&text, "r").unwrap();
    assert_eq!(recipe, Recipe::default());
}

#[test]
fn a_wrong_version_comes_first() {
    let text = "apiVersion: imagewright/v2\nkind: NodeImage\nnew: 1\n";
    insta::assert_snapshot!(error(text), @"node.yaml:1:13: apiVersion: must be `imagewright/v1alpha1`");
    insta::assert_snapshot!(error("kind: Pod\n"), @"node.yaml:1:7: kind: must be `NodeImage`");
    insta::assert_snapshot!(error("kind: NodeImage\n"), @"node.yaml:1:1: the field `apiVersion` is missing");
}

/// Each case follows the two lines of [`HEAD`].
#[test]
fn error_texts() {
    let cases = [
        "packages:\n  instal: [a]\n",
        "packges: {}\n",
        "kernal: {modules: [x]}\n",
        "kernel: {modules: [../x]}\n",
        "kernel: {sysctl: {forward: 1}}\n",
        "kernel: {sysctl: {net.ipv4.ip_forward: [1]}}\n",
        "kernel: {cmdline: 'a=\"b\"'}\n",
        "kubernetes: {}\n",
        "kubernetes: {version: 1.33}\n",
        "kubernetes: {version: 1.33.2, source: package}\n",
        "kubernetes: {version: 1.33.2, repository: 'https://h/'}\n",
        "kubernetes: {version: 1.33.2, repository: debs, key: k}\n",
        "kubernetes: {version: 1.33.2, source: binaries, key: k}\n",
        "kubernetes: {version: 1.33.2, trusted: true}\n",
        "kubernetes: {version: 1.33.2, cni: {repository: x}}\n",
        "kubernetes: {version: 1.33.2, images: {archive: [x]}}\n",
        "kubernetes: {version: 1.33.2, images: {references: ['a b']}}\n",
        "kubernetes: {version: 1.33.2, kubeletExtraArgs: 'a=\"b\"'}\n",
        "presets: []\nkubernetes: {version: 1.33.2}\n",
        "containerd: {source: tarball}\n",
        "containerd: {source: release}\n",
        "containerd: {source: release, version: 2.1.3}\n",
        "containerd: {runc: {version: 1.3.0}}\n",
        "users: [{}]\n",
        "users: [{name: A b}]\n",
        "users: [{name: a}, {name: a}]\n",
        "users: [{name: a, password: hunter2}]\n",
        "users: [{name: a, sudo: yes}]\n",
        "units: {enabled: [a]}\n",
        "units: {enable: [-a]}\n",
        "cloudInit: {datasources: [nocloud]}\n",
        "cloudInit: {config: text}\n",
        "files:\n- path: /a\n  content: x\n  permissions: 0644\n",
        "files:\n- path: /a\n  content: x\n  mode: 0x1a4\n",
        "files:\n- path: etc/a\n  content: x\n",
        "files:\n- {path: /a, content: x}\n- {path: //a/, content: y}\n",
        "files:\n- {path: /a}\n",
        "files:\n- {path: /a, content: x, source: y}\n",
        "files:\n- {content: x}\n",
        "files: {path: /a}\n",
        "files:\n- {path: /a, content: [x]}\n",
        "disk: {size: 10GB}\n",
        "disk: {size: big}\n",
        "disk: 10G\n",
        "source: {sha256: x}\n",
        "source: {image: 'ftp://host/x'}\n",
        "source: {image: x, sha256: abc}\n",
        "source: {image: }\n",
        "packages: {upgrade: yes}\n",
        "packages: {install: containerd}\n",
        "packages: {install: [a, b, a=1]}\n",
        "packages: {install: [--allow-downgrades]}\n",
        "packages: {install: [a], remove: [a]}\n",
        "packages: {hold: kubelet}\n",
        "packages: {repositories: [{name: a}]}\n",
        "packages: {repositories: [{name: a, uris: []}]}\n",
        "packages: {repositories: [{name: a, uri: 'h', suites: /}]}\n",
        "packages: {repositories: [{name: ../a, uri: 'http://h'}]}\n",
        "packages:\n  repositories:\n  - {name: a, uri: 'http://h'}\n  \
         - {name: a, uri: 'http://i'}\n",
        "packages: {repositories: [{name: a, uri: 'http://h', \
         key: 'http://h/k'}]}\n",
        "packages: {repositories: [{name: a, uri: \"http://h\\nX: y\"}]}\n",
        "steps:\n- runcommand: x\n",
        "steps:\n- update-grub\n",
        "steps:\n- write\n",
        "steps:\n- write: /etc/motd\n",
        "steps:\n- write: [a]\n",
        "steps:\n- write:\n",
        "steps:\n- install: []\n",
        "steps:\n- install: [a, -y]\n",
        "steps:\n- update: now\n",
        "steps:\n- {}\n",
        "steps:\n- touch: /a\n  mkdir: /b\n",
        "steps: {touch: /a}\n",
        "sysprep: {enable: [a], disable: [a]}\n",
        "artifacts: [{format: qcow2, compression: gzip}]\n",
        "artifacts: [{format: qcow2}, {format: qcow2}]\n",
        "artifacts: [{format: qcow2, name: ../a}]\n",
        "metadata: {name: a/b}\n",
        "proxy: {http: 'proxy:3128'}\n",
        "disk: {size: 1G}\ndisk: {size: 2G}\n",
        "disk: {size: 1G\n",
        "disk: &d {size: *d}\n",
        "disk: {<<: {size: 1G}}\n",
    ];
    let mut lines = String::new();
    for case in cases {
        let text = format!("{HEAD}{case}");
        lines.push_str(&format!("{}\n    {}\n", case.trim_end(), error(&text)));
    }
    insta::assert_snapshot!(lines);
}

proptest::proptest! {
    /// Any text is a recipe or an error with a place.
    #[test]
    fn any_text(text in "[-a-z:{}\\[\\]&*!\"'#|> \n\t0-9,~?]{0,200}") {
        if let Err(error) = Recipe::parse(&format!("{HEAD}{text}"), "r") {
            proptest::prop_assert!(
                error.to_string().starts_with("r:"),
                "{}", error
            );
        }
    }

    #[test]
    fn any_bytes(text in "\\PC{0,100}") {
        let _ = Recipe::parse(&text, "r");
    }
}
