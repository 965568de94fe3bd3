// SPDX-License-Identifier: Apache-2.0
//! What a registry answers, archives of container images, locks.

use std::fs;

use super::{Seeds, run, text};

/// Of `{}`, which is a configuration and a layer here.
const DIGEST: &str =
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

pub(crate) fn add(seeds: &Seeds) {
    let digest = |what: &str| what.replace("DIGEST", DIGEST);
    for (name, answer) in [
        (
            "index",
            "m{\"schemaVersion\":2,\"mediaType\":\
             \"application/vnd.oci.image.index.v1+json\",\"manifests\":[\
             {\"digest\":\"sha256:DIGEST\",\"size\":2,\"platform\":\
             {\"architecture\":\"amd64\",\"os\":\"linux\"}}]}",
        ),
        (
            "manifest",
            "m{\"schemaVersion\":2,\"config\":{\"digest\":\
             \"sha256:DIGEST\"},\"layers\":[{\"digest\":\"sha256:DIGEST\"}]}",
        ),
        (
            "challenge",
            "cBearer realm=\"https://a.b/token\",service=\"a.b\",\
             scope=\"repository:library/a:pull\"",
        ),
        ("token", "t{\"token\":\"a.b-c\",\"expires_in\":300}"),
    ] {
        seeds.add("registry", name, digest(answer));
    }
    seeds.add("lock", "lock", digest(LOCK));
    add_signing_key(seeds);
    add_archive(seeds);
}

const LOCK: &str = r#"l{
  "apiVersion": "imagewright/v1alpha1",
  "kind": "NodeImageLock",
  "recipeSha256": "DIGEST",
  "base": {"name": "base.qcow2", "sha256": "DIGEST", "size": 4},
  "sourceDateEpoch": 1,
  "seed": "DIGEST",
  "files": [{"name": "key", "sha256": "DIGEST", "url": "https://a.b/key"}],
  "archives": [{"name": "a", "architecture": "amd64", "version": "1:2~x-3",
    "suffix": "deb", "sha256": "DIGEST", "size": 1,
    "uri": "http://a.b/pool/a.deb"}],
  "installed": [{"name": "a", "architecture": "all", "version": "1"}],
  "images": [{"name": "r.example/a:1", "digest": "sha256:DIGEST",
    "pulledFor": "amd64"}]
}
"#;

fn add_signing_key(seeds: &Seeds) {
    let (public, secret) = (seeds.file("key.pub"), seeds.file("key"));
    let files = ["-p", text(&public), "-s", text(&secret)];
    run("minisign", &[&["-G", "-W"], &files[..]].concat());
    let key = fs::read(&secret).expect("reading a key");
    seeds.add("lock", "key", [b"k", &key[..]].concat());
}

/// As `docker save` writes one: both indexes, and the blobs.
fn add_archive(seeds: &Seeds) {
    let root = seeds.work.join("archive");
    fs::create_dir_all(root.join("blobs/sha256")).expect("a directory");
    let blob = format!("blobs/sha256/{DIGEST}");
    for (name, content) in [
        (
            "manifest.json",
            "[{\"Config\":\"x\",\"RepoTags\":[\"a/b:1\",\"c:2\"]}]",
        ),
        (
            "index.json",
            "{\"manifests\":[{\"annotations\":{\
             \"org.opencontainers.image.ref.name\":\"1\",\
             \"io.containerd.image.name\":\"r.example/d:1\"}}]}",
        ),
        (blob.as_str(), "{}"),
    ] {
        fs::write(root.join(name), content).expect("writing a file");
    }
    for format in ["ustar", "gnu", "pax"] {
        let path = seeds.file("archive.tar");
        let format_option = format!("--format={format}");
        let what = ["manifest.json", "index.json", "blobs"];
        let args = [
            format_option.as_str(),
            "-cf",
            text(&path),
            "-C",
            text(&root),
        ];
        run("tar", &[&args[..], &what].concat());
        let bytes = fs::read(&path).expect("reading an archive");
        seeds.add("container_archive", format, bytes);
    }
}
