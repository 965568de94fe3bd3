// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Capabilities of files, as setcap(8) writes them.
//!
//! Facts: capabilities(7), "File capability extended attribute versioning";
//! the kernel's `include/uapi/linux/capability.h`.

use std::fmt::Write as _;

/// By number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const EFFECTIVE: u32 = 1;

/// `cap_net_raw=ep` of the value of `security.capability`; in hexadecimal
/// what is not understood.
pub(super) fn text(value: &[u8]) -> String {
    parse(value).unwrap_or_else(|| format!("0x{}", hex::encode(value)))
}

fn parse(value: &[u8]) -> Option<String> {
    let word = |index: usize| {
        let bytes = value.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0)?;
    let words = match (magic >> 24, value.len()) {
        (1, 12) => 1,
        (2, 20) | (3, 24) => 2,
        _ => return None,
    };
    let mut groups: [(String, String); 3] =
        ["p", "i", "ip"].map(|flags| (String::new(), flags.to_owned()));
    for (number, name) in NAMES.iter().enumerate() {
        let (index, bit) = (number / 32, number % 32);
        if index >= words {
            break;
        }
        let has = |start: usize| Some(word(start + index * 2)? >> bit & 1 == 1);
        let group = match (has(1)?, has(2)?) {
            (true, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (false, false) => continue,
        };
        let names = &mut groups[group].0;
        let comma = if names.is_empty() { "" } else { "," };
        let _ = write!(names, "{comma}cap_{name}");
    }
    let effective = if magic & EFFECTIVE != 0 { "e" } else { "" };
    let mut shown: Vec<String> = groups
        .iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, flags)| format!("{names}={effective}{flags}"))
        .collect();
    if words == 2 && value.len() == 24 {
        shown.push(format!("in the namespace of user {}", word(5)?));
    }
    Some(shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_setcap_wrote() {
        // By `setcap TEXT FILE` and `getfattr -e hex` of a kernel.
        for (value, expected) in [
            ("0100000200200000000000000000000000000000", "cap_net_raw=ep"),
            (
                "0000000200340000000000000000000000000000",
                "cap_net_bind_service,cap_net_admin,cap_net_raw=p",
            ),
            ("0100000200000000000000008000000000000000", "cap_bpf=ep"),
            ("00", "0x00"),
        ] {
            let value = hex::decode(value).unwrap();
            assert_eq!(text(&value), expected);
        }
    }
}
