// SPDX-License-Identifier: Apache-2.0
//! `fstab(5)`.

use std::fmt;

/// What a line mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FstabSpec {
    /// `UUID=`: a filesystem's UUID.
    Uuid(String),
    /// `LABEL=`: a filesystem's label.
    Label(String),
    /// `PARTUUID=`: a partition's UUID.
    PartUuid(String),
    /// `PARTLABEL=`: a partition's name.
    PartLabel(String),
    /// A device's path, or the source of a filesystem without device.
    Source(String),
}

impl FstabSpec {
    /// The meaning of the first field of a line, or of the kernel's `root=`.
    pub fn parse(field: &str) -> Self {
        let unquoted = |value: &str| {
            let inner = value.strip_prefix('"');
            inner
                .and_then(|v| v.strip_suffix('"'))
                .unwrap_or(value)
                .to_owned()
        };
        if let Some((tag, value)) = field.split_once('=') {
            match tag {
                "UUID" => return Self::Uuid(unquoted(value)),
                "LABEL" => return Self::Label(unquoted(value)),
                "PARTUUID" => return Self::PartUuid(unquoted(value)),
                "PARTLABEL" => return Self::PartLabel(unquoted(value)),
                _ => {}
            }
        }
        match field
            .strip_prefix("/dev/disk/by-")
            .and_then(|f| f.split_once('/'))
        {
            Some(("uuid", value)) => Self::Uuid(unescape_udev(value)),
            Some(("label", value)) => Self::Label(unescape_udev(value)),
            Some(("partuuid", value)) => Self::PartUuid(unescape_udev(value)),
            Some(("partlabel", value)) => Self::PartLabel(unescape_udev(value)),
            _ => Self::Source(field.to_owned()),
        }
    }
}

impl fmt::Display for FstabSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(value) => write!(f, "UUID={value}"),
            Self::Label(value) => write!(f, "LABEL={value}"),
            Self::PartUuid(value) => write!(f, "PARTUUID={value}"),
            Self::PartLabel(value) => write!(f, "PARTLABEL={value}"),
            Self::Source(value) => f.write_str(value),
        }
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FstabEntry {
    /// What is mounted.
    pub spec: FstabSpec,
    /// Where; `none` for swap.
    pub file: String,
    /// The filesystem type, `auto`, or `swap`.
    pub kind: String,
    /// The options, in order.
    pub options: Vec<String>,
}

impl FstabEntry {
    /// Whether an option is there.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }

    /// The value of the last `name=value` option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line
            .split([' ', '\t'])
            .filter(|field| !field.is_empty())
            .take_while(|field| !field.starts_with('#'))
            .map(unescape);
        let (spec, file) = (fields.next()?, fields.next()?);
        let kind = fields.next().unwrap_or_else(|| "auto".to_owned());
        let options = fields.next().unwrap_or_default();
        Some(Self {
            spec: FstabSpec::parse(&spec),
            file,
            kind,
            options: options
                .split(',')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The file, without comments and lines that name nothing to mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fstab {
    /// In the order of the file.
    pub entries: Vec<FstabEntry>,
}

impl Fstab {
    /// Parses the file. Incomplete lines are skipped, as `mount` does; bytes
    /// that are no UTF-8 become the replacement character.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self {
            entries: text.lines().filter_map(FstabEntry::parse).collect(),
        }
    }

    /// The line that mounts something at a path.
    pub fn at(&self, path: &str) -> Option<&FstabEntry> {
        self.entries.iter().find(|entry| entry.file == path)
    }
}

/// Undoes the octal escapes of blanks, tabs and backslashes (`\040`).
fn unescape(field: &str) -> String {
    decode(field, "\\", 3, 8)
}

/// Undoes udev's hexadecimal escapes in the names of links (`\x20`).
fn unescape_udev(name: &str) -> String {
    decode(name, "\\x", 2, 16)
}

fn decode(text: &str, mark: &str, digits: usize, radix: u32) -> String {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let code = from.get(mark.len()..mark.len() + digits);
        let is_number = |code: &&str| code.chars().all(|c| c.is_digit(radix));
        let byte = code
            .filter(is_number)
            .and_then(|code| u8::from_str_radix(code, radix).ok());
        let used = match byte {
            Some(byte) => {
                out.push(byte);
                mark.len() + digits
            }
            None => {
                out.extend_from_slice(mark.as_bytes());
                mark.len()
            }
        };
        rest = from.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> FstabEntry {
        let mut entries = Fstab::parse(line.as_bytes()).entries;
        assert_eq!(entries.len(), 1, "{line}");
        entries.remove(0)
    }

    #[test]
    fn specs() {
        let spec = |field: &str| one(&format!("{field} / auto")).spec;
        let uuid = || FstabSpec::Uuid("49A3-0B12".into());
        assert_eq!(spec("UUID=49A3-0B12"), uuid());
        assert_eq!(spec("UUID=\"49A3-0B12\""), uuid());
        assert_eq!(spec("/dev/disk/by-uuid/49A3-0B12"), uuid());
        let label = || FstabSpec::Label("my root".into());
        assert_eq!(spec("LABEL=my\\040root"), label());
        assert_eq!(spec("LABEL=\"my\\040root\""), label());
        assert_eq!(spec("/dev/disk/by-label/my\\x20root"), label());
        assert_eq!(spec("PARTUUID=ab-01"), FstabSpec::PartUuid("ab-01".into()));
        assert_eq!(spec("PARTLABEL=p"), FstabSpec::PartLabel("p".into()));
        assert_eq!(spec("/dev/vda1"), FstabSpec::Source("/dev/vda1".into()));
        assert_eq!(spec("tmpfs"), FstabSpec::Source("tmpfs".into()));
        assert_eq!(spec("LABEL=x").to_string(), "LABEL=x");
    }

    #[test]
    fn fields() {
        let entry =
            one("UUID=a\t/mnt/a\\040b  btrfs subvol=@home,ro,subvol=x 0 2");
        assert_eq!(entry.file, "/mnt/a b");
        assert_eq!(entry.kind, "btrfs");
        assert_eq!(entry.options, ["subvol=@home", "ro", "subvol=x"]);
        assert_eq!(entry.option("subvol"), Some("x"));
        assert_eq!(entry.option("sub"), None);
        assert!(entry.has_option("ro") && !entry.has_option("rw"));

        let short = one("  /dev/sda1 /mnt # the rest");
        assert_eq!((short.kind.as_str(), short.options.len()), ("auto", 0));
    }

    #[test]
    fn escapes() {
        for (field, expected) in [
            ("a\\040b", "a b"),
            ("\\011\\134", "\t\\"),
            ("\\", "\\"),
            ("\\04", "\\04"),
            ("\\400", "\\400"),
            ("\\+40", "\\+40"),
            ("\\303\\266", "\u{f6}"),
            ("\\\u{f6}\u{f6}", "\\\u{f6}\u{f6}"),
        ] {
            assert_eq!(unescape(field), expected, "{field}");
        }
    }

    #[test]
    fn noise_is_skipped() {
        let text = b"# UUID=a / ext4\n\n   \n#\nlonely\n\xff \xff\nx /y\n";
        let fstab = Fstab::parse(text);
        assert_eq!(fstab.entries.len(), 2);
        assert!(fstab.at("/y").is_some() && fstab.at("/").is_none());
    }
}
