// SPDX-License-Identifier: Apache-2.0
//! The image of every pod's sandbox, which nobody pulls without a network.
//!
//! Facts: containerd, `docs/cri/config.md`: `sandbox_image` in version 2 of
//! the configuration, `sandbox` under `pinned_images` in version 3.

use std::path::PathBuf;

use super::{Check, Finding, Outcome, Severity, Subject};
use crate::describe::drop_in::read_text;
use crate::describe::{KUBERNETES_NAMESPACE, container_images};
use crate::error::Result;
use crate::mount::GuestRoot;

pub(super) const CHECK: Check = Check {
    id: "sandbox-image",
    summary: "containerd's sandbox image is among the images, and pinned",
    severity: Severity::Failure,
    run,
};

/// Files that can say it; the last one that does counts.
const FILES: [&str; 2] = [
    "/etc/containerd/config.toml",
    "/etc/containerd/conf.d/*.toml",
];

fn run(subject: &Subject<'_>) -> Result<Outcome> {
    let mut images = container_images(subject.root)?;
    images.retain(|image| image.namespace == KUBERNETES_NAMESPACE);
    if images.is_empty() {
        return Outcome::not("there are no container images");
    }
    let Some((path, wanted)) = configured(subject.root)? else {
        return Outcome::not("containerd's own default counts");
    };
    let what = match images.iter().find(|image| image.name == wanted) {
        Some(image) if image.pinned => {
            return Ok(Outcome::Checked(Vec::new()));
        }
        Some(_) => format!("wants {wanted}, which is not pinned"),
        None => {
            let others = images.iter().filter(|image| is_pause(&image.name));
            let others: Vec<&str> = others.map(|i| i.name.as_str()).collect();
            match others.is_empty() {
                true => format!("wants {wanted}, which is not there"),
                false => format!(
                    "wants {wanted}, but there is {}",
                    others.join(", ")
                ),
            }
        }
    };
    Ok(Outcome::Checked(vec![Finding::new(what).at(path)]))
}

/// Where containerd's configuration says it, and what.
pub(super) fn configured(
    root: &GuestRoot,
) -> Result<Option<(PathBuf, String)>> {
    let mut found = None;
    for pattern in FILES {
        for path in root.glob(pattern)? {
            let text = read_text(root, &path)?.unwrap_or_default();
            if let Some(image) = text.lines().find_map(parse_line) {
                found = Some((path, image));
            }
        }
    }
    Ok(found)
}

/// The value of a line that sets the image, as every tool writes it.
pub(super) fn parse_line(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    if !matches!(key.trim(), "sandbox_image" | "sandbox") {
        return None;
    }
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (image, _) = value.get(1..)?.split_once(quote)?;
    (!image.is_empty()).then(|| image.to_owned())
}

/// Whether `registry.k8s.io/pause:3.10` is meant.
pub(super) fn is_pause(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next() == Some("pause")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions() {
        let image = Some("registry.k8s.io/pause:3.10".to_owned());
        for line in [
            "    sandbox_image = \"registry.k8s.io/pause:3.10\" # x",
            "sandbox = 'registry.k8s.io/pause:3.10'",
        ] {
            assert_eq!(parse_line(line), image, "{line}");
        }
        for line in ["# sandbox_image = \"x\"", "sandbox_image = ", "a = \"b\""]
        {
            assert_eq!(parse_line(line), None, "{line}");
        }
        assert!(is_pause("registry.k8s.io/pause:3.10"));
        assert!(!is_pause("registry.k8s.io/pause-not:1"));
    }
}
