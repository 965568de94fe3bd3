// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What makes a machine a node: Kubernetes and its container images.

use super::snapshot::Snapshot;
use super::table::Table;

/// The programs of Kubernetes and what they need, packaged or not.
pub(super) fn kubernetes(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for component in &snapshot.components {
        let subject = match (&component.package, component.paths.first()) {
            (Some(package), _) => {
                format!("{} of the package {package}", component.name)
            }
            (None, Some(path)) => format!("{} at {path}", component.name),
            (None, None) => component.name.to_owned(),
        };
        let mut shown = match &component.version {
            Some(version) => version.clone(),
            None => "of no known version".to_owned(),
        };
        if let Some(version) = &component.go_version {
            shown.push_str(&format!(", built by {version}"));
        }
        table.insert(subject, shown.into());
    }
    table
}

/// The container images by name.
pub(super) fn images(snapshot: &Snapshot) -> Table {
    let mut table = Table::new();
    for image in &snapshot.images {
        let mut shown = image.digest.clone();
        if image.pinned {
            shown.push_str(", pinned");
        }
        let subject = match image.namespace.as_str() {
            "" | crate::describe::KUBERNETES_NAMESPACE => image.name.clone(),
            other => format!("{} of {other}", image.name),
        };
        table.insert(subject, shown.into());
    }
    table
}
