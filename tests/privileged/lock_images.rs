// SPDX-License-Identifier: Apache-2.0
//! A Kubernetes node in locked builds: packages of Debian's archive, container
//! images of a registry, which is Debian's docker-registry.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, net};

use serde_json::Value;

use crate::support::{
    Containerd, Disk, Lab, fixture, in_own_mounts, names_in, wait_for,
};

/// Two variants of an image and the index of both, at `$1` as `$2`; `$3` is
/// a directory to work in. Prints the digest of the index.
const PUSH: &str = r#"
cd "$3"
for arch in amd64 arm64; do
    echo "$arch $2" >file
    tar cf layer.tar file
    sum=$(sha256sum layer.tar | cut -d' ' -f1)
    printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        $arch $sum >c.json
    printf '[{"Config":"c.json","RepoTags":["x:1"],"Layers":["layer.tar"]}]' >manifest.json
    tar cf $arch.tar c.json layer.tar manifest.json
    skopeo copy -q --dest-tls-verify=false docker-archive:$arch.tar \
        "docker://$1:$arch-$2"
done
python3 - "$1" "$2" <<'END'
import hashlib, json, sys, urllib.request
place, tag = sys.argv[1:]
host, name = place.split('/', 1)
base = f'http://{host}/v2/{name}/manifests/'
kind = 'application/vnd.docker.distribution.manifest.'
def get(reference):
    request = urllib.request.Request(base + reference)
    request.add_header('Accept', kind + 'v2+json')
    return urllib.request.urlopen(request).read()
children = []
for arch in ['amd64', 'arm64']:
    body = get(f'{arch}-{tag}')
    children.append({
        'mediaType': kind + 'v2+json', 'size': len(body),
        'digest': 'sha256:' + hashlib.sha256(body).hexdigest(),
        'platform': {'os': 'linux', 'architecture': arch}})
index = json.dumps({'schemaVersion': 2, 'mediaType': kind + 'list.v2+json',
                    'manifests': children}).encode()
request = urllib.request.Request(base + '1', data=index, method='PUT')
request.add_header('Content-Type', kind + 'list.v2+json')
urllib.request.urlopen(request)
print('sha256:' + hashlib.sha256(index).hexdigest())
END
"#;

struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(lab: &Lab) -> Self {
        let free = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = lab.write(
            "registry.yml",
            format!(
                "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
                 http: {{addr: '127.0.0.1:{port}'}}\n",
                lab.join("registry").display()
            ),
        );
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: run fixtures/setup.sh");
        let up = || net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(wait_for(Duration::from_secs(60), up), "no registry");
        Self { child, port }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn base() -> PathBuf {
    fixture("debian-12/debian-12-base-amd64.qcow2")
}

fn push(lab: &Lab, place: &str, tag: &str) -> String {
    let work = lab.join("push");
    fs::create_dir_all(&work).unwrap();
    let said = in_own_mounts(PUSH, [place, tag, work.to_str().unwrap()]);
    said.success().trim().to_owned()
}

/// Name and digest of each container image that the manifest tells of.
fn images(output: &Path) -> Vec<(String, String)> {
    let text = fs::read(output.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let images = manifest["containerImages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    images
        .map(|image| (text(&image["name"]), text(&image["digest"])))
        .collect()
}

#[test]
#[ignore = "three builds of Debian, minutes: make test-slow"]
fn privileged_lock_images_of_a_registry() {
    let lab = Lab::new();
    let registry = Registry::start(&lab);
    let place = format!("127.0.0.1:{}/team/app", registry.port);
    let name = format!("{place}:1");
    let digest = push(&lab, &place, "old");
    let packages = fixture("kubernetes/repo");
    let recipe = lab.recipe(
        "node.yaml",
        &format!(
            "metadata: {{name: node}}
disk: {{size: 4G}}
kubernetes:
  version: 1.33.2
  repository: {}
  images: {{preload: false, references: ['{name}']}}
# The sandbox image is not among them.
verify: null
artifacts: [{{format: raw}}]
",
            packages.display()
        ),
    );
    let lock = lab.join("lock.json");
    let first = lab.join("first");
    let build = lab.build(&base(), &recipe, &first).arg("--lock");
    build.arg(&lock).run().success();
    let expected = vec![(name.clone(), digest.clone())];
    assert_eq!(images(&first), expected);
    // The tag moves on.
    assert_ne!(push(&lab, &place, "new"), digest);
    let second = lab.join("second");
    let build = lab.build(&base(), &recipe, &second).arg("--locked");
    build.arg(&lock).run().success();
    assert_eq!(images(&second), expected);
    the_node_is_told(&lab, &second.join("node.raw"), &name);
    its_containerd_has_it(&lab, &second.join("node.raw"), &name);
    let bundle = lab.join("bundle");
    let bundling = lab
        .cli()
        .args(["bundle", "--insecure-no-checksum"])
        .arg(base())
        .arg("--locked")
        .arg(&lock)
        .arg("--output")
        .arg(&bundle);
    bundling.run().success();
    assert_eq!(names_in(&bundle.join("images")).len(), 1);
    drop(registry);
    let offline = from_the_bundle(&lab, &recipe, &bundle);
    assert_eq!(images(&offline), expected);
    let diff = lab.cli().args(["diff", "--strict"]);
    let diff = diff.arg(second.join("node.raw"));
    diff.arg(offline.join("node.raw")).run().success();
    // Without the registry, and nothing in the cache, there is no image.
    fs::remove_dir_all(lab.join("cache")).unwrap();
    let refused = lab.join("refused");
    let build = lab.build(&base(), &recipe, &refused).arg("--locked");
    let ended = build.arg(&lock).run();
    assert_eq!(ended.code(), 11, "{ended:#?}");
    assert!(ended.stderr.contains(&name), "{ended:#?}");
    assert!(!refused.exists());
    lab.assert_nothing_left();
}

/// By `diff` with the base: what is new of Kubernetes' own, and the image.
fn the_node_is_told(lab: &Lab, image: &Path, name: &str) {
    let diff = lab.cli().args(["--json", "diff"]).arg(base()).arg(image);
    let report: Value = serde_json::from_str(&diff.run().stdout).unwrap();
    let sections = report["sections"].as_array().unwrap();
    let subjects = |topic: &str| -> Vec<String> {
        let of_it = |section: &&Value| section["topic"] == topic;
        let section = sections.iter().find(of_it).unwrap();
        let findings = section["findings"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings
            .map(|f| format!("{} {}", text(&f["change"]), text(&f["subject"])))
            .collect()
    };
    assert_eq!(subjects("containerImages"), [format!("added {name}")]);
    let kubernetes = subjects("kubernetes");
    for package in ["containerd", "kubelet", "kubeadm", "kubectl", "runc"] {
        let told = format!("added {package} of the package {package}");
        assert!(kubernetes.contains(&told), "{told}: {kubernetes:#?}");
    }
}

/// The database, written anew, is one for containerd of the host.
fn its_containerd_has_it(lab: &Lab, image: &Path, name: &str) {
    let tree = lab.join("tree");
    fs::create_dir_all(tree.join("var/lib")).unwrap();
    let script = "cp -a var/lib/containerd \"$1/var/lib/\"";
    Disk::new(image).look(script, &[tree.to_str().unwrap()]);
    let daemon = Containerd::start(lab, &tree);
    let check = daemon.ctr(&["images", "check"]).run().success();
    let line = check.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{check}"));
    assert!(line.contains("complete"), "{check}");
    let removed = daemon.ctr(&["images", "rm", "--sync", name]);
    removed.run().success();
    assert_eq!(daemon.ctr(&["content", "ls", "-q"]).run().success(), "");
    daemon.stop();
}

/// Without a network; returns the directory of what was built.
fn from_the_bundle(lab: &Lab, recipe: &Path, bundle: &Path) -> PathBuf {
    let build = |output: &Path| {
        let build = lab.cli().args(["build", "--offline", "--bundle"]);
        let build = build.arg(bundle).arg("--recipe").arg(recipe);
        build.arg("--output").arg(output).without_network().run()
    };
    let output = lab.join("offline");
    build(&output).success();
    // One bit of a blob.
    let images = bundle.join("images");
    let archive = images.join(&names_in(&images)[0]);
    let mut content = fs::read(&archive).unwrap();
    let at = content.len() - 2000;
    content[at] ^= 1;
    fs::write(&archive, content).unwrap();
    let refused = lab.join("refused");
    let ended = build(&refused);
    assert_eq!(ended.code(), 11, "{ended:#?}");
    assert!(ended.stderr.contains("blob"), "{ended:#?}");
    assert!(!refused.exists());
    output
}
