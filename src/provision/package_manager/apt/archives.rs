// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The package files that apt unpacked, and builds from such files alone.
//!
//! Facts: apt-get(8), `--print-uris`; sources.list(5); apt.conf(5),
//! `APT_CONFIG`; apt_preferences(5).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::super::{Guest, Lockable, PackageArchive, PackageManager};
use super::{APT_GET, Apt};
use crate::chroot::{PACKAGES, PACKAGES_CONFIG};
use crate::error::{Context, Error, Result};
use crate::recipe::{Sha256, percent_decode, without_user};

const CACHE: &str = "/var/cache/apt/archives/*.deb";
const SUFFIX: &str = "deb";
const SOURCES: &str = "sources.list";
const PREFERENCES: &str = "preferences";
const INDEX: &str = "Packages";

impl Lockable for Apt {
    fn archives(&self, guest: &Guest<'_>) -> Result<Vec<PackageArchive>> {
        unpacked(guest)
    }

    fn locate(
        &self,
        guest: &Guest<'_>,
        archives: &mut [PackageArchive],
    ) -> Result<()> {
        locate(guest, archives)
    }

    fn use_only(
        &self,
        guest: &Guest<'_>,
        directory: &Path,
        archives: &[PackageArchive],
        wanted: &[(String, String)],
    ) -> Result<()> {
        use_only(guest, directory, archives, wanted)?;
        self.refresh(guest)
    }
}

/// What is in apt's cache, sorted.
fn unpacked(guest: &Guest<'_>) -> Result<Vec<PackageArchive>> {
    let root = guest.root();
    let mut archives = Vec::new();
    for path in root.glob(CACHE)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some([name, version, architecture]) = words_of(&name) else {
            continue;
        };
        let mut file = root.open_file(&path)?;
        let (sha256, size) = Sha256::of_reader(&mut file).at(&path)?;
        archives.push(PackageArchive {
            name,
            architecture,
            version,
            suffix: SUFFIX.to_owned(),
            sha256,
            size,
            repository: None,
            uri: None,
        });
    }
    archives.sort();
    Ok(archives)
}

/// `name_version_architecture.deb`, as apt escapes it.
pub(in super::super) fn words_of(name: &str) -> Option<[String; 3]> {
    let mut words = name.strip_suffix(".deb")?.split('_');
    let mut word = || words.next().and_then(percent_decode);
    let found = [word()?, word()?, word()?];
    words.next().is_none().then_some(found)
}

/// Notes the URIs that apt's lists have for the files.
fn locate(guest: &Guest<'_>, archives: &mut [PackageArchive]) -> Result<()> {
    let wanted: Vec<String> = archives
        .iter()
        .map(|archive| {
            let PackageArchive { name, version, .. } = archive;
            match archive.architecture.as_str() {
                "all" => format!("{name}={version}"),
                architecture => format!("{name}:{architecture}={version}"),
            }
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut known = BTreeMap::new();
    if !ask(guest, &wanted, &mut known)? {
        // One that is in no list any more keeps apt from telling of others.
        for one in &wanted {
            ask(guest, std::slice::from_ref(one), &mut known)?;
        }
    }
    for archive in archives {
        archive.uri = known.get(&archive.sha256).cloned();
    }
    Ok(())
}

/// Whether apt knew all of them.
fn ask(
    guest: &Guest<'_>,
    wanted: &[String],
    known: &mut BTreeMap<Sha256, String>,
) -> Result<bool> {
    let said = guest
        .environment
        .command(APT_GET)
        .args(["-q", "--print-uris", "download"])
        .args(wanted.iter().cloned())
        .output(guest.monitor)
        .during("asking where packages came from")?;
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        if let Some((uri, digest)) = parse_uri(line) {
            known.insert(digest, without_user(uri));
        }
    }
    Ok(said.status.success())
}

/// `'URI' NAME SIZE SHA256:HEX`.
pub(in super::super) fn parse_uri(line: &str) -> Option<(&str, Sha256)> {
    let (uri, rest) = line.strip_prefix('\'')?.split_once('\'')?;
    let digest = rest.split_whitespace().nth(2)?.strip_prefix("SHA256:")?;
    Some((uri, digest.parse().ok()?))
}

/// Makes `directory` of the host, which the guest sees at [`PACKAGES`] and
/// which holds the files of `archives`, the only source of apt. Of several
/// versions the `wanted` one is the candidate, even if it is an older one.
fn use_only(
    guest: &Guest<'_>,
    directory: &Path,
    archives: &[PackageArchive],
    wanted: &[(String, String)],
) -> Result<()> {
    let script = format!(
        "cd {PACKAGES} && for f in *.deb; do [ -e \"$f\" ] || continue; \
         echo \"@$f\"; dpkg-deb -f \"$f\" || exit 1; done"
    );
    let said = guest
        .environment
        .command("/bin/sh")
        .args(["-c", &script])
        .output(guest.monitor)
        .during("reading the locked packages")?;
    if !said.status.success() {
        return Err(Error::corrupt("a locked package cannot be read"));
    }
    let text = String::from_utf8_lossy(&said.stdout);
    let configuration = format!(
        "Dir::Etc::SourceList \"{PACKAGES}/{SOURCES}\";\n\
         Dir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"{PACKAGES}/{PREFERENCES}\";\n\
         Dir::Etc::PreferencesParts \"/dev/null\";\n"
    );
    for (name, content) in [
        (INDEX, index(&text, archives)),
        (SOURCES, format!("deb [trusted=yes] file:{PACKAGES} ./\n")),
        (PREFERENCES, preferences(archives, wanted)),
        (PACKAGES_CONFIG, configuration),
    ] {
        let path = directory.join(name);
        fs::write(&path, content).at(&path)?;
    }
    Ok(())
}

/// Pins above 1000 choose a version even where that is a downgrade.
fn preferences(
    archives: &[PackageArchive],
    wanted: &[(String, String)],
) -> String {
    let mut text = String::new();
    for (name, version) in wanted {
        let ours = |archive: &&PackageArchive| {
            archive.name == *name && archive.version == *version
        };
        if archives.iter().any(|archive| ours(&archive)) {
            let _ = writeln!(
                text,
                "Package: {name}\nPin: version {version}\n\
                 Pin-Priority: 1001\n"
            );
        }
    }
    text
}

/// A list of packages, of what dpkg-deb said of each file.
pub(in super::super) fn index(
    said: &str,
    archives: &[PackageArchive],
) -> String {
    let mut index = String::new();
    let mut file: Option<&PackageArchive> = None;
    let finish = |index: &mut String, file: Option<&PackageArchive>| {
        if let Some(archive) = file {
            let _ = writeln!(
                index,
                "Filename: ./{}\nSize: {}\nSHA256: {}\n",
                archive.plain_name(),
                archive.size,
                archive.sha256
            );
        }
    };
    for line in said.lines() {
        if let Some(name) = line.strip_prefix('@') {
            finish(&mut index, file);
            file = archives.iter().find(|a| a.plain_name() == name);
        } else if file.is_some() && !line.is_empty() {
            let _ = writeln!(index, "{line}");
        }
    }
    finish(&mut index, file);
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> PackageArchive {
        PackageArchive {
            name: "a".to_owned(),
            architecture: "all".to_owned(),
            version: "1:2".to_owned(),
            suffix: "deb".to_owned(),
            sha256: Sha256::of(b"x"),
            size: 1,
            repository: None,
            uri: None,
        }
    }

    #[test]
    fn names_of_the_cache_and_lines_of_print_uris() {
        assert_eq!(
            words_of("a-b_1%3a2~x-3_amd64.deb").unwrap(),
            ["a-b", "1:2~x-3", "amd64"]
        );
        assert_eq!(words_of("lock"), None);
        let digest = Sha256::of(b"x");
        let line =
            format!("'http://h/p/a_1_all.deb' a_1_all.deb 5 SHA256:{digest}");
        let found = parse_uri(&line).unwrap();
        assert_eq!(found, ("http://h/p/a_1_all.deb", digest));
        assert_eq!(parse_uri("Reading package lists..."), None);
    }

    #[test]
    fn an_index_lists_known_files_only() {
        let archive = archive();
        let name = archive.plain_name();
        let said = format!(
            "@{name}\nPackage: a\nDescription: x\n y\n\
             @b.deb\nPackage: b\n"
        );
        assert_eq!(
            index(&said, std::slice::from_ref(&archive)),
            format!(
                "Package: a\nDescription: x\n y\n\
                 Filename: ./{name}\nSize: 1\nSHA256: {}\n\n",
                archive.sha256
            )
        );
    }

    #[test]
    fn what_is_wanted_is_preferred() {
        let pair = |name: &str, version: &str| (name.into(), version.into());
        let wanted = [pair("a", "1:2"), pair("base", "7")];
        assert_eq!(
            preferences(&[archive()], &wanted),
            "Package: a\nPin: version 1:2\nPin-Priority: 1001\n\n"
        );
    }
}
