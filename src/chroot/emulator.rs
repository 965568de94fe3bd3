// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What runs the programs of an image for another architecture: qemu-user, by
//! the kernel's binfmt_misc.
//!
//! Where the host has registered an interpreter that needs no file in the
//! image (flag `F`), that one is used. Else one that is installed is
//! registered for the session alone.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::partition::Architecture;
use crate::sys::binfmt::{BinfmtInstance, Magic};

/// Where the host's own table is mounted.
const HOST_TABLE: &str = "/proc/sys/fs/binfmt_misc";
/// Where distributions install qemu-user.
const DIRECTORIES: [&str; 4] = [
    "/usr/bin",
    "/usr/local/bin",
    "/bin",
    "/usr/libexec/qemu-binfmt",
];

/// What runs programs for `architecture`; none where the host does, or its
/// own table says how.
///
/// # Errors
/// `Unsupported` when nothing that can is installed.
pub(super) fn provide(
    architecture: Option<Architecture>,
) -> Result<Option<BinfmtInstance>> {
    let (Some(host), Some(guest)) = (Architecture::host(), architecture) else {
        return Ok(None);
    };
    if is_native(host, guest) || is_registered(guest) {
        return Ok(None);
    }
    let emulating = || {
        format!("preparing to run programs for {guest} on this {host} machine")
    };
    let Some(interpreter) = interpreter(guest) else {
        return Err(missing(host, guest));
    };
    let file = File::open(&interpreter).at(&interpreter)?;
    let name = format!("imagewright-{guest}");
    BinfmtInstance::register(&name, &magic(guest), &file)
        .during(emulating())
        .map(Some)
}

/// Whether processors of `host` run programs for `guest` as well.
fn is_native(host: Architecture, guest: Architecture) -> bool {
    use Architecture::{Aarch64, Armv7l, I686, X86_64};
    host == guest || matches!((host, guest), (X86_64, I686) | (Aarch64, Armv7l))
}

fn missing(host: Architecture, guest: Architecture) -> Error {
    Error::unsupported(format!(
        "the image's programs are for {guest}, this machine is {host}, and \
         no emulator for them is installed (qemu-{}-static)",
        qemu_name(guest)
    ))
    .hint(
        "install the package qemu-user-static (Debian 12, Ubuntu, Fedora) or \
         qemu-user (Debian 13) on this host",
    )
}

/// As qemu-user calls its programs.
fn qemu_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::I686 => "i386",
        Architecture::Armv7l => "arm",
        other => other.name(),
    }
}

/// A static qemu-user that is installed.
fn interpreter(guest: Architecture) -> Option<PathBuf> {
    let name = qemu_name(guest);
    let names = [format!("qemu-{name}-static"), format!("qemu-{name}")];
    DIRECTORIES
        .iter()
        .flat_map(|directory| {
            names
                .iter()
                .map(move |name| Path::new(directory).join(name))
        })
        .find(|path| is_static(path))
}

/// Whether a program needs no other file: in the image there is none.
fn is_static(path: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let mut head = Vec::new();
    let Ok(file) = File::open(path) else {
        return false;
    };
    // The program headers follow the ELF header.
    if file.take(4096).read_to_end(&mut head).is_err() {
        return false;
    }
    let u16_at = |at: usize| {
        let bytes = head.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_ne_bytes(bytes)))
    };
    let (Some(size), Some(count)) = (u16_at(54), u16_at(56)) else {
        return false;
    };
    head.starts_with(b"\x7fELF\x02")
        && (0..count).all(|number| {
            let at = 64 + number * size;
            let kind = head.get(at..at + 4).and_then(|b| b.try_into().ok());
            kind.map(u32::from_ne_bytes) != Some(PT_INTERP)
        })
}

/// How the ELF header of a program begins.
fn magic(architecture: Architecture) -> Magic {
    let (class, data, machine): (u8, u8, u16) = match architecture {
        Architecture::I686 => (1, 1, 3),
        Architecture::X86_64 => (2, 1, 62),
        Architecture::Armv7l => (1, 1, 40),
        Architecture::Aarch64 => (2, 1, 183),
        Architecture::Riscv64 => (2, 1, 243),
        Architecture::Ppc64le => (2, 1, 21),
        Architecture::S390x => (2, 2, 22),
        Architecture::Loongarch64 => (2, 1, 258),
    };
    let mut bytes = [0; 20];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data, 1]);
    let mut mask = [0xff; 20];
    // Any ABI; programs (2) and position-independent ones (3).
    mask[7] = 0;
    let (kind, machine, low) = match data {
        1 => ([2, 0], machine.to_le_bytes(), 16),
        _ => ([0, 2], machine.to_be_bytes(), 17),
    };
    bytes[16..18].copy_from_slice(&kind);
    bytes[18..].copy_from_slice(&machine);
    mask[low] = 0xfe;
    Magic { bytes, mask }
}

/// Whether the host's table has an interpreter for `guest` that is open.
fn is_registered(guest: Architecture) -> bool {
    let Ok(entries) = fs::read_dir(HOST_TABLE) else {
        return false;
    };
    let disabled = fs::read_to_string(Path::new(HOST_TABLE).join("status"));
    if disabled.is_ok_and(|status| status.trim() != "enabled") {
        return false;
    }
    let program = magic(guest).bytes;
    entries.flatten().any(|entry| {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        runs(&text, &program)
    })
}

/// Whether an entry of the table, as the kernel shows it, runs `program`
/// without a file of the image.
fn runs(entry: &str, program: &[u8]) -> bool {
    let field =
        |name: &str| entry.lines().find_map(|line| line.strip_prefix(name));
    let (Some(flags), Some(magic)) = (field("flags: "), field("magic ")) else {
        return false;
    };
    let magic = from_hex(magic);
    let mask = match field("mask ") {
        Some(mask) => from_hex(mask),
        None => vec![0xff; magic.len()],
    };
    let fits = magic.iter().zip(&mask).zip(program);
    entry.starts_with("enabled\n")
        && flags.contains('F')
        && field("offset ") == Some("0")
        && !magic.is_empty()
        && magic.len() <= program.len()
        && fits.clone().count() == magic.len()
        && fits
            .map(|((m, k), p)| (m ^ p) & k)
            .all(|differs| differs == 0)
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map_while(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As qemu's own scripts/qemu-binfmt-conf.sh registers them.
    #[test]
    fn magic_is_that_of_qemu() {
        let Magic { bytes, mask } = magic(Architecture::Aarch64);
        assert_eq!(
            bytes,
            *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0"
        );
        assert_eq!(
            mask,
            *b"\xff\xff\xff\xff\xff\xff\xff\0\xff\xff\xff\xff\xff\xff\xff\xff\
               \xfe\xff\xff\xff"
        );
        let Magic { bytes, mask } = magic(Architecture::S390x);
        assert_eq!(
            bytes,
            *b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16"
        );
        assert_eq!(mask[16..], [0xff, 0xfe, 0xff, 0xff]);
    }

    #[test]
    fn entries_of_the_host() {
        let entry = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\n\
            flags: POCF\noffset 0\n\
            magic 7f454c460201010000000000000000000200b700\n\
            mask ffffffffffffff00fffffffffffffffffeffffff\n";
        let program = magic(Architecture::Aarch64).bytes;
        assert!(runs(entry, &program));
        assert!(!runs(entry, &magic(Architecture::Riscv64).bytes));
        for (from, to) in [
            ("enabled", "disabled"),
            ("POCF", "POC"),
            ("offset 0", "offset 4"),
        ] {
            assert!(!runs(&entry.replace(from, to), &program), "{to}");
        }
        assert!(!runs(
            "enabled\ninterpreter /x\nflags: F\nextension .x\n",
            &program
        ));
    }

    #[test]
    fn static_programs() {
        assert!(
            !is_static(Path::new("/proc/self/exe")),
            "this one is dynamic"
        );
        assert!(!is_static(Path::new("/etc/passwd")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = missing(Architecture::X86_64, Architecture::Aarch64);
        assert!(error.to_string().contains("qemu-aarch64-static"));
        assert!(error.advice().unwrap().contains("qemu-user-static"));
    }
}
