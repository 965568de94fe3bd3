// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The package files that dnf unpacked, and builds from such files alone.
//!
//! dnf has no variable that names a configuration, and its own is a file of
//! the image, which stays as it is: scripts that stand in for dnf hand it the
//! options. `config-manager` is passed over: it writes what it is told.
//!
//! Facts: dnf(8), dnf5(8), dnf.conf(5), "[main] Options", "Repo Options";
//! rpmkeys(8).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::rpm;
use super::super::{Guest, Lockable, PackageArchive};
use super::{DOWNLOADS, Dnf, Generation};
use crate::chroot::PACKAGES;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::PackageKey;
use crate::recipe::{PackageSpec, Sha256, percent_decode, without_user};
use crate::rpm::{Listed, PackageFile, repodata};

const SUFFIX: &str = "rpm";
/// The names of dnf; those that an image has are stood in for.
const PROGRAMS: [&str; 5] = [
    "/usr/bin/dnf",
    "/usr/bin/dnf-3",
    "/usr/bin/dnf4",
    "/usr/bin/dnf5",
    "/usr/bin/yum",
];
const CONFIGURATION: &str = "/etc/dnf/dnf.conf";
/// In the guest's private directory: the repositories of a lock.
const LOCKED: &str = "locked";
const LOCKED_FILE: &str = "locked.repo";
/// For packages of which no repository is known.
const NAMELESS: &str = "locked";
/// A repository's directory in the cache is its name, a dash and this many
/// digits.
const HASH_DIGITS: usize = 16;

impl Lockable for Dnf {
    fn keep(&self, guest: &Guest<'_>) -> Result<()> {
        require_plain_configuration(guest.root())?;
        stand_in(guest, "--setopt=keepcache=1")
    }

    fn refuse(&self, package: &PackageSpec) -> Result<()> {
        match package {
            PackageSpec::Named { name, .. }
                if name.as_str().starts_with('@') =>
            {
                Err(Error::unsupported(format!(
                    "{name}: a lock has packages, and no groups of them"
                ))
                .hint("name the packages, or build without a lock"))
            }
            _ => Ok(()),
        }
    }

    fn archives(&self, guest: &Guest<'_>) -> Result<Vec<PackageArchive>> {
        let root = guest.root();
        let mut archives = Vec::new();
        for pattern in DOWNLOADS {
            for path in root.glob(pattern)? {
                match archive(root, &path) {
                    Ok(found) => archives.push(found),
                    // Not unpacked either: a download that was broken off.
                    Err(error) if error.kind() == ErrorKind::Corrupt => {}
                    Err(error) => return Err(error.at(&path)),
                }
            }
        }
        archives.sort();
        Ok(archives)
    }

    fn locate(
        &self,
        guest: &Guest<'_>,
        archives: &mut [PackageArchive],
    ) -> Result<()> {
        let repositories: BTreeSet<String> = archives
            .iter()
            .filter_map(|a| a.repository.clone())
            .collect();
        for repository in repositories {
            let mut ours: Vec<&mut PackageArchive> = archives
                .iter_mut()
                .filter(|a| a.repository.as_ref() == Some(&repository))
                .collect();
            let words: Vec<String> = ours.iter().map(|a| nevra(a)).collect();
            let known = self.uris(guest, &repository, &words)?;
            for (archive, word) in ours.iter_mut().zip(words) {
                let own = known.iter().find(|uri| is_named(uri, archive));
                archive.uri = match own {
                    Some(uri) => Some(uri.clone()),
                    // Called otherwise, or one of them stopped the query.
                    None => {
                        let one = self.uris(guest, &repository, &[word])?;
                        one.into_iter().next()
                    }
                };
            }
        }
        Ok(())
    }

    fn use_only(
        &self,
        guest: &Guest<'_>,
        directory: &Path,
        archives: &[PackageArchive],
        _: &[(String, String)],
    ) -> Result<()> {
        require_plain_configuration(guest.root())?;
        let locked = guest.environment.private_path(LOCKED);
        let mut by_repository: BTreeMap<&str, Vec<&PackageArchive>> =
            BTreeMap::new();
        for archive in archives {
            let repository = archive.repository.as_deref().unwrap_or(NAMELESS);
            by_repository.entry(repository).or_default().push(archive);
        }
        let mut sections = String::new();
        for (index, (name, archives)) in by_repository.iter().enumerate() {
            let path = locked.join(index.to_string());
            write_repository(guest.root(), &path, directory, archives)?;
            sections.push_str(&section(name, &path)?);
        }
        let root = guest.root();
        root.create_dir_all(&locked, FileOwner::root(0o755))?;
        root.write(
            locked.join(LOCKED_FILE),
            sections.as_bytes(),
            FileOwner::root(0o644),
        )?;
        stand_in(guest, &format!("--setopt=reposdir={}", locked.display()))
    }

    fn keys(&self, guest: &Guest<'_>) -> Result<Vec<PackageKey>> {
        rpm::keys(guest)
    }

    fn trust(&self, guest: &Guest<'_>, keys: &[PackageKey]) -> Result<()> {
        rpm::trust(guest, keys)
    }
}

impl Dnf {
    /// Where packages of a repository are, as its metadata in the cache says;
    /// nothing when dnf does not know.
    fn uris(
        &self,
        guest: &Guest<'_>,
        repository: &str,
        words: &[String],
    ) -> Result<Vec<String>> {
        let query = match self.generation {
            Generation::Four => vec![
                "--disableexcludes=all".to_owned(),
                format!("--repo={repository}"),
                "repoquery".to_owned(),
                "--location".to_owned(),
            ],
            Generation::Five => vec![
                "--setopt=disable_excludes=*".to_owned(),
                format!("--repo={repository}"),
                "download".to_owned(),
                "--url".to_owned(),
            ],
        };
        let said = guest
            .environment
            .command(self.program)
            .args(["-q", "--cacheonly"])
            .args(query)
            .args(words.iter().cloned())
            .output(guest.monitor)
            .during("asking where packages came from")?;
        let text = String::from_utf8_lossy(&said.stdout);
        let uris = text.lines().map(str::trim).filter(|line| {
            line.starts_with("http://") || line.starts_with("https://")
        });
        Ok(uris.map(without_user).collect())
    }
}

/// A package file of the cache.
fn archive(root: &GuestRoot, path: &Path) -> Result<PackageArchive> {
    let header = PackageFile::read(&mut root.open_file(path)?)?;
    let [name, architecture, version] = header.identity()?;
    let (sha256, size) = Sha256::of_reader(&mut root.open_file(path)?)?;
    let directory = path.ancestors().nth(2).and_then(Path::file_name);
    let repository = directory
        .and_then(|directory| repository_of(&directory.to_string_lossy()));
    Ok(PackageArchive {
        name,
        architecture,
        version,
        suffix: SUFFIX.to_owned(),
        sha256,
        size,
        repository,
        uri: None,
    })
}

/// The name of the repository whose directory in the cache this is.
fn repository_of(directory: &str) -> Option<String> {
    let (name, hash) = directory.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_DIGITS
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| name.to_owned())
}

/// `NAME-EPOCH:VERSION-RELEASE.ARCHITECTURE`.
fn nevra(archive: &PackageArchive) -> String {
    let PackageArchive {
        name,
        version,
        architecture,
        ..
    } = archive;
    match version.contains(':') {
        true => format!("{name}-{version}.{architecture}"),
        false => format!("{name}-0:{version}.{architecture}"),
    }
}

/// What dnf is to find the file as: its usual name, as the plugin that copies
/// packages keeps it; where that is not plain in a URL, another.
fn plain_name(archive: &PackageArchive) -> String {
    let name = usual_name(archive);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+~^".contains(c);
    match name.chars().all(plain) && !name.starts_with('.') {
        true => name,
        false => archive.plain_name(),
    }
}

/// What the package file is called in most repositories.
fn usual_name(archive: &PackageArchive) -> String {
    let version = &archive.version;
    let version = version.split_once(':').map_or(&**version, |(_, v)| v);
    format!("{}-{version}.{}.rpm", archive.name, archive.architecture)
}

fn is_named(uri: &str, archive: &PackageArchive) -> bool {
    let name = uri.rsplit('/').next().and_then(percent_decode);
    name == Some(usual_name(archive))
}

/// Has dnf take `option` wherever it is run by its name.
fn stand_in(guest: &Guest<'_>, option: &str) -> Result<()> {
    for program in PROGRAMS {
        if guest.root().exists(program)? {
            let script = script(program, option);
            guest.environment.stand_in(program, &script)?;
        }
    }
    Ok(())
}

fn script(program: &str, option: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Of imagewright, for as long as this image is built with a lock.\n\
         for word; do\n    \
             case $word in\n        \
                 config-manager) exec {program} \"$@\" ;;\n    \
             esac\n\
         done\n\
         exec {program} '{option}' \"$@\"\n"
    )
}

/// Repositories in the configuration itself would be sources, too.
fn require_plain_configuration(root: &GuestRoot) -> Result<()> {
    let text = root.read_if_exists(CONFIGURATION)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let other = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with('[') && !line.starts_with("[main]"));
    match other {
        None => Ok(()),
        Some(section) => Err(Error::unsupported(format!(
            "a lock, and a repository in dnf's configuration: {section}"
        ))
        .at(CONFIGURATION)
        .hint("move it to a file in /etc/yum.repos.d")),
    }
}

/// A repository of the lock. That the files are those that were locked, whose
/// signatures were checked then, their digests tell; of modules it has none.
fn section(name: &str, path: &Path) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.is_empty() || name == "main" || !name.chars().all(plain) {
        return Err(Error::invalid(format!(
            "`{}` in the lock is not the name of a repository",
            name.escape_debug()
        )));
    }
    Ok(format!(
        "[{name}]\nname={name}\nbaseurl=file://{}\nenabled=1\ngpgcheck=0\n\
         repo_gpgcheck=0\nmodule_hotfixes=1\nskip_if_unavailable=0\n",
        path.display()
    ))
}

/// Lists the files of `archives` in a directory of the guest, with links to
/// where it sees them.
fn write_repository(
    root: &GuestRoot,
    path: &Path,
    directory: &Path,
    archives: &[&PackageArchive],
) -> Result<()> {
    let lists = path.join("repodata");
    root.create_dir_all(&lists, FileOwner::root(0o755))?;
    let mut listed: Vec<Listed> = Vec::new();
    for archive in archives {
        let file = directory.join(archive.plain_name());
        let header = File::open(&file)
            .map_err(Error::from)
            .and_then(|mut file| PackageFile::read(&mut file))
            .and_then(|found| require_identity(found, archive))
            .during(format!("reading the locked {}", archive.file_name()))
            .at(&file)?;
        let mut href = plain_name(archive);
        if listed.iter().any(|other| other.href == href) {
            // A repository that had another file of the same name.
            href = archive.plain_name();
        }
        let target = PathBuf::from(PACKAGES).join(archive.plain_name());
        root.symlink(&target, path.join(&href))?;
        listed.push(Listed {
            file: header,
            sha256: archive.sha256,
            size: archive.size,
            href,
        });
    }
    for (name, content) in repodata(&listed)? {
        root.write(lists.join(name), &content, FileOwner::root(0o644))?;
    }
    Ok(())
}

fn require_identity(
    found: PackageFile,
    archive: &PackageArchive,
) -> Result<PackageFile> {
    let [name, architecture, version] = found.identity()?;
    match archive.is_of(&name, &architecture, &version) {
        true => Ok(found),
        false => Err(Error::corrupt(format!(
            "it is {name} {version} ({architecture})"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(version: &str) -> PackageArchive {
        PackageArchive {
            name: "a+b".to_owned(),
            architecture: "noarch".to_owned(),
            version: version.to_owned(),
            suffix: SUFFIX.to_owned(),
            sha256: Sha256::of(b"x"),
            size: 1,
            repository: None,
            uri: None,
        }
    }

    #[test]
    fn names_of_packages_and_files() {
        assert_eq!(nevra(&archive("1-2")), "a+b-0:1-2.noarch");
        assert_eq!(nevra(&archive("3:1-2")), "a+b-3:1-2.noarch");
        assert_eq!(plain_name(&archive("3:1~x-2")), "a+b-1~x-2.noarch.rpm");
        let odd = archive("1/../2");
        assert_eq!(plain_name(&odd), odd.plain_name());
        assert!(is_named("http://h/x/a%2Bb-1-2.noarch.rpm", &archive("1-2")));
        assert!(!is_named("http://h/xa+b-1-2.noarch.rpm", &archive("1-2")));
    }

    #[test]
    fn repositories_of_the_cache() {
        let of = repository_of;
        assert_eq!(of("a-b-3acc7802ed8fb53b").as_deref(), Some("a-b"));
        assert_eq!(of("a-3acc7802"), None);
        assert_eq!(of("packages"), None);
    }

    #[test]
    fn a_name_from_a_lock_adds_no_option() {
        let path = Path::new("/run/x/0");
        let text = section("extra", path).unwrap();
        assert!(text.starts_with("[extra]\n"), "{text}");
        assert!(text.contains("\nbaseurl=file:///run/x/0\n"), "{text}");
        for name in ["", "main", "a]\nproxy=x", "a b"] {
            assert!(section(name, path).is_err(), "{name}");
        }
    }

    #[test]
    fn scripts_hand_on_every_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dnf");
        std::fs::write(&path, script("/usr/bin/printf", "<%s>")).unwrap();
        let say = |words: &[&str]| {
            let mut sh = std::process::Command::new("/bin/sh");
            let said = sh.arg(&path).args(words).output().unwrap();
            String::from_utf8(said.stdout).unwrap()
        };
        assert_eq!(say(&["a b", "$c", ""]), "<a b><$c><>");
        assert_eq!(say(&["config-manager"]), "config-manager");
    }
}
