// SPDX-License-Identifier: Apache-2.0
//! The list of packages of a repository: what createrepo writes of a directory
//! of package files.
//!
//! Facts: createrepo_c, `doc/` and what it writes; libsolv,
//! `ext/repo_rpmmd.c`.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Header, PackageFile, Tag};
use crate::error::{Error, Result};
use crate::recipe::Sha256;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://linux.duke.edu/metadata";

/// Of the flags of a dependency, those that compare versions.
const LESS: u32 = 2;
const GREATER: u32 = 4;
const EQUAL: u32 = 8;
/// Any of these: it must be there before the package is.
const BEFORE: u32 = 1 << 6 | 1 << 9 | 1 << 10;
/// What rpm itself provides.
const OF_RPM: &str = "rpmlib(";

/// Bytes of the elements of one package's files: a directory's name, however
/// long, is one string for all that are in it. A hundred thousand files of
/// 100 bytes are 10 MiB.
const MAX_FILES: usize = 32 << 20;

/// The element of a kind of dependencies, and its tags: name, flags, version.
const DEPENDENCIES: [(&str, [Tag; 3]); 8] = {
    use Tag as T;
    [
        (
            "provides",
            [T::ProvideName, T::ProvideFlags, T::ProvideVersion],
        ),
        (
            "requires",
            [T::RequireName, T::RequireFlags, T::RequireVersion],
        ),
        (
            "conflicts",
            [T::ConflictName, T::ConflictFlags, T::ConflictVersion],
        ),
        (
            "obsoletes",
            [T::ObsoleteName, T::ObsoleteFlags, T::ObsoleteVersion],
        ),
        (
            "suggests",
            [T::SuggestName, T::SuggestFlags, T::SuggestVersion],
        ),
        (
            "enhances",
            [T::EnhanceName, T::EnhanceFlags, T::EnhanceVersion],
        ),
        (
            "recommends",
            [T::RecommendName, T::RecommendFlags, T::RecommendVersion],
        ),
        (
            "supplements",
            [T::SupplementName, T::SupplementFlags, T::SupplementVersion],
        ),
    ]
};

/// A package file of a repository.
#[derive(Debug)]
pub(crate) struct Listed {
    /// What it is.
    pub(crate) file: PackageFile,
    /// SHA-256 of all of it.
    pub(crate) sha256: Sha256,
    /// Its bytes.
    pub(crate) size: u64,
    /// Where it is, seen from the repository.
    pub(crate) href: String,
}

/// The files below `repodata/` of a repository with these packages, by name.
///
/// The same packages give the same bytes: no time is in them. Every file of a
/// package is in the primary list, so that a dependency on any is resolved
/// without the list of files.
///
/// # Errors
/// `Corrupt` when a header cannot be read.
pub(crate) fn repodata(packages: &[Listed]) -> Result<Vec<(String, Vec<u8>)>> {
    let count = packages.len();
    let mut primary = format!(
        "{HEAD}<metadata xmlns=\"{NAMESPACE}/common\" \
         xmlns:rpm=\"{NAMESPACE}/rpm\" packages=\"{count}\">\n"
    );
    let mut filelists = format!(
        "{HEAD}<filelists xmlns=\"{NAMESPACE}/filelists\" \
         packages=\"{count}\">\n"
    );
    for package in packages {
        let header = package.file.header()?;
        let files = files_of(&header)?;
        primary.push_str(&described(package, &header, &files));
        filelists.push_str(&with_files(package, &header, &files));
    }
    primary.push_str("</metadata>\n");
    filelists.push_str("</filelists>\n");
    let mut list = format!(
        "{HEAD}<repomd xmlns=\"{NAMESPACE}/repo\" \
         xmlns:rpm=\"{NAMESPACE}/rpm\">\n<revision>0</revision>\n"
    );
    let mut written = Vec::new();
    for (kind, text) in [("primary", primary), ("filelists", filelists)] {
        let packed = packed(text.as_bytes())?;
        let name = format!("{kind}.xml.gz");
        list.push_str(&entry(kind, &name, &text, &packed));
        written.push((name, packed));
    }
    list.push_str("</repomd>\n");
    written.push(("repomd.xml".to_owned(), list.into_bytes()));
    Ok(written)
}

/// One list in the list of lists.
fn entry(kind: &str, name: &str, text: &str, packed: &[u8]) -> String {
    format!(
        "<data type=\"{kind}\">\n\
         <checksum type=\"sha256\">{}</checksum>\n\
         <open-checksum type=\"sha256\">{}</open-checksum>\n\
         <location href=\"repodata/{name}\"/>\n\
         <timestamp>0</timestamp>\n<size>{}</size>\n\
         <open-size>{}</open-size>\n</data>\n",
        Sha256::of(packed),
        Sha256::of(text.as_bytes()),
        packed.len(),
        text.len()
    )
}

fn packed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes)?;
    Ok(packer.finish()?)
}

/// The element of the primary list.
fn described(package: &Listed, header: &Header<'_>, files: &str) -> String {
    let text = |tag| escaped(&header.text(tag).unwrap_or_default());
    let number = |tag| header.number(tag).unwrap_or_default();
    let mut out = format!(
        "<package type=\"rpm\">\n<name>{}</name>\n<arch>{}</arch>\n{}\
         <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>\n\
         <summary>{}</summary>\n<description></description>\n\
         <packager>{}</packager>\n<url></url>\n\
         <time file=\"0\" build=\"{}\"/>\n\
         <size package=\"{}\" installed=\"{}\" archive=\"0\"/>\n\
         <location href=\"{}\"/>\n<format>\n",
        text(Tag::Name),
        text(Tag::Arch),
        version(header),
        package.sha256,
        text(Tag::Summary),
        text(Tag::Packager),
        number(Tag::BuildTime),
        package.size,
        header
            .number(Tag::LongSize)
            .unwrap_or_else(|| number(Tag::Size)),
        escaped(&package.href),
    );
    for (element, tag) in [
        ("license", Tag::License),
        ("vendor", Tag::Vendor),
        ("group", Tag::Group),
        ("buildhost", Tag::BuildHost),
        ("sourcerpm", Tag::SourceRpm),
    ] {
        let _ = writeln!(out, "<rpm:{element}>{}</rpm:{element}>", text(tag));
    }
    let range = package.file.range();
    let _ = writeln!(
        out,
        "<rpm:header-range start=\"{}\" end=\"{}\"/>",
        range.start, range.end
    );
    for (element, tags) in DEPENDENCIES {
        let entries = dependencies(header, tags);
        if !entries.is_empty() {
            let _ = writeln!(out, "<rpm:{element}>\n{entries}</rpm:{element}>");
        }
    }
    out.push_str(files);
    out.push_str("</format>\n</package>\n");
    out
}

fn version(header: &Header<'_>) -> String {
    let text = |tag| escaped(&header.text(tag).unwrap_or_default());
    format!(
        "<version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>\n",
        header.number(Tag::Epoch).unwrap_or_default(),
        text(Tag::Version),
        text(Tag::Release)
    )
}

/// The element of the list of files.
fn with_files(package: &Listed, header: &Header<'_>, files: &str) -> String {
    let text = |tag| escaped(&header.text(tag).unwrap_or_default());
    format!(
        "<package pkgid=\"{}\" name=\"{}\" arch=\"{}\">\n{}{files}</package>\n",
        package.sha256,
        text(Tag::Name),
        text(Tag::Arch),
        version(header),
    )
}

/// Names of directories are in a header once, whatever is in them: those of a
/// hostile one could stand for any amount.
fn files_of(header: &Header<'_>) -> Result<String> {
    let mut out = String::new();
    let mut fits = true;
    header.files(&mut |path| {
        fits = fits && out.len() + path.len() <= MAX_FILES;
        if fits {
            let _ = writeln!(out, "<file>{}</file>", escaped(path));
        }
    });
    match fits {
        true => Ok(out),
        false => Err(Error::corrupt("the names of a package's files are long")),
    }
}

fn dependencies(header: &Header<'_>, tags: [Tag; 3]) -> String {
    let [names, flags, versions] = tags;
    let flags = header.numbers(flags);
    let versions = header.texts(versions);
    let mut out = String::new();
    for (index, name) in header.texts(names).iter().enumerate() {
        if name.starts_with(OF_RPM) {
            continue;
        }
        let flags = flags.get(index).copied().unwrap_or_default();
        let _ = write!(out, "<rpm:entry name=\"{}\"", escaped(name));
        let version = versions.get(index).map(String::as_str);
        if let (Some(word), Some(version)) = (compares(flags), version) {
            let _ = write!(out, " flags=\"{word}\"{}", parts(version));
        }
        if flags & BEFORE != 0 {
            out.push_str(" pre=\"1\"");
        }
        out.push_str("/>\n");
    }
    out
}

fn compares(flags: u32) -> Option<&'static str> {
    match flags & (LESS | GREATER | EQUAL) {
        LESS => Some("LT"),
        GREATER => Some("GT"),
        EQUAL => Some("EQ"),
        both if both == LESS | EQUAL => Some("LE"),
        both if both == GREATER | EQUAL => Some("GE"),
        _ => None,
    }
}

/// `[EPOCH:]VERSION[-RELEASE]` as attributes.
fn parts(version: &str) -> String {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (version, release) = match rest.split_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    let mut out =
        format!(" epoch=\"{}\" ver=\"{}\"", escaped(epoch), escaped(version));
    if let Some(release) = release {
        let _ = write!(out, " rel=\"{}\"", escaped(release));
    }
    out
}

/// For XML; what cannot be in it is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::package_file::tests::{Value, file, header};
    use super::*;

    fn whole() -> Vec<u8> {
        header(&[
            (Tag::Name, Value::Text("a<b")),
            (Tag::Version, Value::Text("1")),
            (Tag::Release, Value::Text("2")),
            (Tag::Epoch, Value::Numbers(&[3])),
            (Tag::Arch, Value::Text("noarch")),
            (
                Tag::RequireName,
                Value::Texts(&["x", "rpmlib(y)", "/bin/sh"]),
            ),
            (Tag::RequireFlags, Value::Numbers(&[12, 8, 1 << 9])),
            (Tag::RequireVersion, Value::Texts(&["1:2.0-3", "4", ""])),
            (Tag::DirNames, Value::Texts(&["/opt/"])),
            (Tag::DirIndexes, Value::Numbers(&[0])),
            (Tag::BaseNames, Value::Texts(&["f"])),
        ])
    }

    fn listed() -> Listed {
        let bytes = file(&whole());
        Listed {
            file: PackageFile::read(&mut bytes.as_slice()).unwrap(),
            sha256: Sha256::of(&bytes),
            size: 7,
            href: "a.rpm".to_owned(),
        }
    }

    #[test]
    fn lists_say_what_the_header_says() {
        let written = repodata(&[listed()]).unwrap();
        let names: Vec<&str> =
            written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["primary.xml.gz", "filelists.xml.gz", "repomd.xml"]);
        let mut primary = String::new();
        flate2::read::GzDecoder::new(written[0].1.as_slice())
            .read_to_string(&mut primary)
            .unwrap();
        for line in [
            "<name>a&lt;b</name>",
            "<version epoch=\"3\" ver=\"1\" rel=\"2\"/>",
            "<location href=\"a.rpm\"/>",
            "<rpm:entry name=\"x\" flags=\"GE\" epoch=\"1\" ver=\"2.0\" \
             rel=\"3\"/>",
            "<rpm:entry name=\"/bin/sh\" pre=\"1\"/>",
            "<file>/opt/f</file>",
        ] {
            assert!(primary.contains(line), "{line}: {primary}");
        }
        assert!(!primary.contains("rpmlib"), "{primary}");
        let list = String::from_utf8_lossy(&written[2].1);
        let digest = Sha256::of(&written[0].1).to_string();
        assert!(list.contains(&digest), "{list}");
        assert_eq!(repodata(&[listed()]).unwrap(), written);
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let Listed { sha256, size, .. } = listed();
        let sound = file(&whole());
        for at in 0..sound.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = value;
                let Ok(file) = PackageFile::read(&mut bytes.as_slice()) else {
                    continue;
                };
                let _ = file.identity();
                let href = "a.rpm".to_owned();
                let _ = repodata(&[Listed {
                    file,
                    sha256,
                    size,
                    href,
                }]);
            }
        }
    }

    #[test]
    fn a_long_directory_of_many_files_is_refused() {
        let directory = "d".repeat(32 << 10);
        let indexes = vec![0; 1025];
        let names = vec!["f"; indexes.len()];
        let bytes = file(&header(&[
            (Tag::Name, Value::Text("a")),
            (Tag::DirNames, Value::Texts(&[&directory])),
            (Tag::DirIndexes, Value::Numbers(&indexes)),
            (Tag::BaseNames, Value::Texts(&names)),
        ]));
        let listed = Listed {
            file: PackageFile::read(&mut bytes.as_slice()).unwrap(),
            ..listed()
        };
        let error = repodata(&[listed]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    }

    #[test]
    fn no_xml_comes_out_of_a_name() {
        assert_eq!(escaped("a\u{1}\"&\u{ffff}>\n"), "a&quot;&amp;&gt;\n");
    }
}
