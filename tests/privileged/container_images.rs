// SPDX-License-Identifier: Apache-2.0
//! containerd's store, written by containerd and read by us.

use std::fs;

use imagewright::describe::{self, ContainerImage};
use imagewright::mount::GuestRoot;

use crate::support::{Containerd, Lab, container_archive};

/// Enough for a tree of several pages.
const TAGS: usize = 80;

#[test]
fn privileged_container_images_are_those_ctr_lists() {
    let lab = Lab::new();
    let tree = lab.join("tree");
    fs::create_dir_all(tree.join("var/lib/containerd")).unwrap();
    let daemon = Containerd::start(&lab, &tree);
    let ctr = |args: &[&str]| daemon.ctr(args).run().success();
    let app = "registry.example/app:1.2";
    ctr(&["images", "import", "--no-unpack", &container_archive(&lab)]);
    ctr(&["images", "label", app, "io.cri-containerd.pinned=pinned"]);
    // A value that overflows from its page.
    ctr(&[
        "images",
        "label",
        app,
        &format!("note={}", "x".repeat(4000)),
    ]);
    let more: Vec<String> = (0..TAGS)
        .map(|n| format!("registry.example/a{n}:1"))
        .collect();
    let mut tag = vec!["images", "tag", app];
    tag.extend(more.iter().map(String::as_str));
    ctr(&tag);
    ctr(&["images", "rm", "registry.example/a7:1"]);
    let listed = ctr(&["images", "ls"]);
    daemon.stop();

    let root = GuestRoot::open(&tree).unwrap();
    let found = describe::container_images(&root).unwrap();
    assert_eq!(found.len(), TAGS);
    for image in &found {
        let ContainerImage {
            name,
            digest,
            media_type,
            namespace,
            pinned,
            ..
        } = image;
        // REF TYPE DIGEST SIZE...
        let starts = |line: &&str| line.starts_with(&format!("{name} "));
        let text = listed.lines().find(starts).unwrap();
        let line: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(line[1..3], [media_type, digest], "{name}");
        assert_eq!(namespace, describe::KUBERNETES_NAMESPACE);
        assert_eq!(*pinned, text.contains("pinned=pinned"), "{name}");
    }
    let app = found.iter().find(|image| image.name == app).unwrap();
    assert_eq!(app.labels["note"].len(), 4000);
    assert!(app.size.is_some_and(|size| size > 100), "{app:?}");
}
