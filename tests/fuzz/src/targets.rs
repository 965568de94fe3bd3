// SPDX-License-Identifier: Apache-2.0
//! Every target by its name. All are in one program: linked once, it takes a
//! fraction of the time that one program each would take to build.

mod checksum_file;
mod comparison;
mod container_archive;
mod containerd_rewrite;
mod containerd_store;
mod ext4_root;
mod fat;
mod filesystem_probe;
mod fstab;
mod go_program;
mod goss;
mod image_text;
mod inspection;
mod lock;
mod openpgp;
mod os_release;
mod ovf;
mod packages;
mod partition_table;
mod recipe;
mod reference;
mod registry;
mod selinux_labels;
mod vmdk_descriptor;

use imagewright::image::Format;

use crate::image;

/// What is done with an input.
pub type Run = fn(&[u8]);

/// The targets; a name is also that of a directory of seeds.
pub const TARGETS: &[(&str, Run)] = &[
    ("checksum_file", checksum_file::run),
    ("comparison", comparison::run),
    ("container_archive", container_archive::run),
    ("containerd_rewrite", containerd_rewrite::run),
    ("containerd_store", containerd_store::run),
    ("ext4_root", ext4_root::run),
    ("fat", fat::run),
    ("filesystem_probe", filesystem_probe::run),
    ("fstab", fstab::run),
    ("go_program", go_program::run),
    ("goss", goss::run),
    ("image_container_disk", |data| {
        image(data, Format::ContainerDisk);
    }),
    ("image_detect", |data| image(data, None)),
    ("image_ova", |data| image(data, Format::Ova)),
    ("image_qcow", |data| image(data, Format::Qcow)),
    ("image_qcow2", |data| image(data, Format::Qcow2)),
    ("image_text", image_text::run),
    ("image_vdi", |data| image(data, Format::Vdi)),
    ("image_vhd", |data| image(data, Format::Vhd)),
    ("image_vhdx", |data| image(data, Format::Vhdx)),
    ("image_vmdk", |data| image(data, Format::Vmdk)),
    ("inspection", inspection::run),
    ("lock", lock::run),
    ("openpgp", openpgp::run),
    ("os_release", os_release::run),
    ("ovf", ovf::run),
    ("packages_apk", packages::apk),
    ("packages_bdb", packages::bdb),
    ("packages_dpkg", packages::dpkg),
    ("packages_ndb", packages::ndb),
    ("packages_rpm_file", packages::rpm_file),
    ("packages_sqlite", packages::sqlite),
    ("partition_table", partition_table::run),
    ("recipe", recipe::run),
    ("reference", reference::run),
    ("registry", registry::run),
    ("selinux_labels", selinux_labels::run),
    ("vmdk_descriptor", vmdk_descriptor::run),
];
