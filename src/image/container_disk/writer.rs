// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Writes the archive: the layer first, then what names it by its digest.
//!
//! The layer is not compressed: the disk in it is, where that is wanted, and
//! the readers here find it without unpacking.

use serde_json::{Value, json};

use crate::block::{BlockRead, to_u64};
use crate::error::Result;
use crate::image::container_disk::{
    CONFIG, DIRECTORY, INDEX, INDEX_FILE, LAYER, LAYOUT_FILE, MANIFEST, blob,
};
use crate::image::identity::sha256;
use crate::image::output::Output;
use crate::image::tar::{self, Owner};
use crate::image::write::write_qcow2;
use crate::image::{WriteOptions, Written};
use crate::progress::Monitor;

/// QEMU in KubeVirt's pods.
const QEMU: u32 = 107;

/// Bytes of a header of the archive.
const HEADER: u64 = 512;

/// The architecture when none is said.
const ARCHITECTURE: &str = "amd64";

pub(crate) fn write(
    source: &dyn BlockRead,
    output: Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<Written> {
    let layer_len = write_layer(source, &output, options, monitor)?;
    let layer = output.digest_of(HEADER, layer_len, monitor)?;
    let header = tar::header_bytes(&blob(&layer), layer_len, Owner::ROOT)?;
    output.target().write_at(0, &header)?;
    let tail = describe(&layer, layer_len, options)?;
    let end = HEADER + layer_len;
    output.target().write_at(end, &tail)?;
    output.finish_by_reading(end + to_u64(tail.len()), monitor)
}

/// Writes the layer after its header's room; returns its length.
fn write_layer(
    source: &dyn BlockRead,
    output: &Output<'_>,
    options: &WriteOptions,
    monitor: &Monitor,
) -> Result<u64> {
    let layer = output.member(HEADER);
    let start = 2 * HEADER;
    let disk = layer.plain_member(start);
    let disk_len = write_qcow2(source, disk, options, monitor)?.bytes;
    let directory = Owner {
        id: QEMU,
        mode: 0o555,
    };
    let file = Owner {
        id: QEMU,
        mode: 0o440,
    };
    let mut head = tar::header_bytes(DIRECTORY, 0, directory)?;
    let name = format!("{DIRECTORY}disk.qcow2");
    head.extend(tar::header_bytes(&name, disk_len, file)?);
    layer.target().write_at(0, &head)?;
    let mut end = tar::padding(disk_len);
    end.extend(tar::END);
    layer.target().write_at(start + disk_len, &end)?;
    Ok(start + disk_len + to_u64(end.len()))
}

/// The documents that lead to the layer, and the end of the archive.
fn describe(
    layer: &str,
    layer_len: u64,
    options: &WriteOptions,
) -> Result<Vec<u8>> {
    let architecture = options.architecture.as_deref();
    let architecture = architecture.unwrap_or(ARCHITECTURE);
    let mut tail = Vec::new();
    let mut add = |name: &str, text: &str| -> Result<()> {
        let len = to_u64(text.len());
        tail.extend(tar::header_bytes(name, len, Owner::ROOT)?);
        tail.extend(text.as_bytes());
        tail.extend(tar::padding(len));
        Ok(())
    };
    let mut add_blob = |media_type: &str, document: &Value| {
        let text = document.to_string();
        let digest = sha256(text.as_bytes());
        add(&blob(&digest), &text)?;
        Ok::<_, crate::Error>(json!({
            "mediaType": media_type,
            "digest": format!("sha256:{digest}"),
            "size": text.len(),
        }))
    };
    let digest = format!("sha256:{layer}");
    let config = add_blob(
        CONFIG,
        &json!({
            "architecture": architecture,
            "os": "linux",
            "config": {},
            // The layer is not compressed: one digest for both.
            "rootfs": {"type": "layers", "diff_ids": [digest]},
        }),
    )?;
    let mut manifest = add_blob(
        MANIFEST,
        &json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [
                {"mediaType": LAYER, "digest": digest, "size": layer_len},
            ],
        }),
    )?;
    manifest["platform"] = json!({"architecture": architecture, "os": "linux"});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [manifest],
    });
    add(INDEX_FILE, &index.to_string())?;
    add(LAYOUT_FILE, r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tail.extend(tar::END);
    Ok(tail)
}
