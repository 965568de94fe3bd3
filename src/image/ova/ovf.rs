// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The description of a machine.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The machine that an OVA describes beside its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The machine's name; also that of the files in the archive.
    pub name: String,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The number of the operating system in the CIM schema, and VMware's
    /// name of it.
    pub os: (u32, String),
    /// Virtual hardware that VMware is to provide.
    pub hardware: String,
    /// Product properties: keys and values that the guest can read.
    pub properties: BTreeMap<String, String>,
}

impl Default for Machine {
    /// Two processors, 2 GiB, a Linux of 64 bits.
    fn default() -> Self {
        Self {
            name: "disk".to_owned(),
            cpus: 2,
            memory_mib: 2048,
            os: (101, "otherLinux64Guest".to_owned()),
            hardware: "vmx-13".to_owned(),
            properties: BTreeMap::new(),
        }
    }
}

impl Machine {
    /// A machine of that name, else the defaults.
    ///
    /// # Errors
    /// `InvalidArgument` when the name cannot be that of a file.
    pub fn named(name: impl Into<String>) -> Result<Self> {
        let machine = Self {
            name: name.into(),
            ..Self::default()
        };
        machine.check()?;
        Ok(machine)
    }

    pub(super) fn check(&self) -> Result<()> {
        let name = &self.name;
        let bad = name.is_empty()
            || name.len() > 80
            || name.starts_with('.')
            || name.contains(['/', '\\', '\0', '"', '<', '>', '&', '\n']);
        match bad {
            true => Err(Error::invalid(format!(
                "{name:?} cannot be the name of a machine"
            ))),
            false => Ok(()),
        }
    }
}

/// The text with what means something in XML replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The text with XML's named characters in place of their references.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// A hardware item: instance, type, caption and further elements.
fn item(out: &mut String, elements: &[(&str, &str)]) {
    out.push_str("      <Item>\n");
    for (name, value) in elements {
        let value = escape(value);
        let line = format!("        <rasd:{name}>{value}</rasd:{name}>\n");
        out.push_str(&line);
    }
    out.push_str("      </Item>\n");
}

/// The description of `machine` with a disk of `capacity` bytes in a file of
/// `file_len` bytes.
pub(super) fn describe(
    machine: &Machine,
    disk_name: &str,
    file_len: u64,
    capacity: u64,
) -> String {
    let (os, vmware_os) = (machine.os.0, escape(&machine.os.1));
    let (name, hardware) = (&machine.name, escape(&machine.hardware));
    let mut hardware_items = String::new();
    let cpus = machine.cpus.to_string();
    let memory = machine.memory_mib.to_string();
    // Elements are in the order of the alphabet, as the schema has them.
    item(
        &mut hardware_items,
        &[
            ("AllocationUnits", "hertz * 10^6"),
            ("Description", "Number of virtual CPUs"),
            ("ElementName", &format!("{cpus} virtual CPU(s)")),
            ("InstanceID", "1"),
            ("ResourceType", "3"),
            ("VirtualQuantity", &cpus),
        ],
    );
    item(
        &mut hardware_items,
        &[
            ("AllocationUnits", "byte * 2^20"),
            ("Description", "Memory size"),
            ("ElementName", &format!("{memory} MB of memory")),
            ("InstanceID", "2"),
            ("ResourceType", "4"),
            ("VirtualQuantity", &memory),
        ],
    );
    item(
        &mut hardware_items,
        &[
            ("Address", "0"),
            ("Description", "SCSI controller"),
            ("ElementName", "SCSI controller 0"),
            ("InstanceID", "3"),
            ("ResourceSubType", "VirtualSCSI"),
            ("ResourceType", "6"),
        ],
    );
    item(
        &mut hardware_items,
        &[
            ("AddressOnParent", "0"),
            ("ElementName", "Hard disk 1"),
            ("HostResource", "ovf:/disk/vmdisk1"),
            ("InstanceID", "4"),
            ("Parent", "3"),
            ("ResourceType", "17"),
        ],
    );
    item(
        &mut hardware_items,
        &[
            ("AddressOnParent", "7"),
            ("AutomaticAllocation", "true"),
            ("Connection", "VM Network"),
            ("ElementName", "Ethernet 1"),
            ("InstanceID", "5"),
            ("ResourceSubType", "VmxNet3"),
            ("ResourceType", "10"),
        ],
    );
    let product = product(machine);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:href="{disk_name}" ovf:id="file1" ovf:size="{file_len}"/>
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="VM Network">
      <Description>The VM Network network</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="{os}" vmw:osType="{vmware_os}">
      <Info>The kind of installed guest operating system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection ovf:transport="com.vmware.guestInfo">
      <Info>Virtual hardware requirements</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{hardware}</vssd:VirtualSystemType>
      </System>
{hardware_items}    </VirtualHardwareSection>
{product}  </VirtualSystem>
</Envelope>
"#
    )
}

fn product(machine: &Machine) -> String {
    if machine.properties.is_empty() {
        return String::new();
    }
    let mut out = "    <ProductSection>\n      \
                   <Info>Properties of the image</Info>\n"
        .to_owned();
    for (key, value) in &machine.properties {
        let (key, value) = (escape(key), escape(value));
        let line = format!(
            "      <Property ovf:key=\"{key}\" ovf:type=\"string\" \
             ovf:userConfigurable=\"false\" ovf:value=\"{value}\"/>\n"
        );
        out.push_str(&line);
    }
    out.push_str("    </ProductSection>\n");
    out
}

/// The files of the disks, in the order of the description.
pub(super) fn disk_files(xml: &str) -> Vec<String> {
    let files: BTreeMap<String, String> = tags(xml, "File")
        .filter_map(|tag| {
            Some((attribute(tag, "id")?, attribute(tag, "href")?))
        })
        .collect();
    tags(xml, "Disk")
        .filter_map(|tag| attribute(tag, "fileRef"))
        .filter_map(|id| files.get(&id).cloned())
        .collect()
}

/// What is within each `<name ...>`, whatever its namespace; comments are
/// left out.
fn tags<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find('<')?;
            rest = &rest[start + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = &comment[comment.find("-->")? + 3..];
                continue;
            }
            let end = rest.find('>')?;
            let tag = &rest[..end];
            rest = &rest[end + 1..];
            let element = tag.split([' ', '\t', '\r', '\n', '/']).next()?;
            let local = element.rsplit(':').next().unwrap_or(element);
            if local == name {
                return Some(tag);
            }
        }
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let equals = rest.find('=')?;
        let key = rest[..equals].trim_end();
        let key = key.rsplit([' ', '\t', '\r', '\n', ':']).next()?;
        let value = rest[equals + 1..].trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let end = value[1..].find(quote)? + 1;
        if key == name {
            return Some(unescape(&value[1..end]));
        }
        rest = &value[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_disks_in_any_spelling() {
        let xml = r#"<!-- <Disk ovf:fileRef="x"/> -->
            <ovf:References><ovf:File ovf:id='a' ovf:href="one &amp; 1.vmdk"/>
            <File href = "two.vmdk" id="b" /></ovf:References>
            <DiskSection><Disk ovf:diskId="2" ovf:fileRef="b"/>
            <Disk
              ovf:fileRef="a"></Disk><Disk ovf:diskId="empty"/></DiskSection>"#;
        assert_eq!(disk_files(xml), ["two.vmdk", "one & 1.vmdk"]);
        for cut in 0..xml.len() {
            if let Some(cut) = xml.get(..cut) {
                disk_files(cut);
            }
        }
    }
}
