// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Package URLs.
//!
//! Facts: the PURL specification, ECMA-427, and its types deb, rpm, apk,
//! golang and oci.

use super::go_binary::GoModule;
use super::package::{Manager, Package};
use crate::discover::OsRelease;

/// The name of a manager in package URLs.
pub(super) fn kind(manager: Manager) -> &'static str {
    match manager {
        Manager::Dpkg => "deb",
        Manager::Rpm => "rpm",
        Manager::Apk => "apk",
    }
}

/// The identifier of a distribution: `debian-12`.
fn distribution(os: &OsRelease) -> String {
    match &os.version_id {
        Some(version) => format!("{}-{version}", os.id),
        None => os.id.clone(),
    }
}

/// Percent-encodes what a part of a package URL may not hold; a colon stays.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte);
        match plain {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `?a=b&c=d`, sorted; nothing for empty values.
fn qualifiers(mut all: Vec<(&str, String)>) -> String {
    all.retain(|(_, value)| !value.is_empty());
    all.sort();
    let all: Vec<String> = all
        .into_iter()
        .map(|(key, value)| {
            let parts: Vec<String> = value.split('/').map(encoded).collect();
            format!("{key}={}", parts.join("/"))
        })
        .collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("?{}", all.join("&")),
    }
}

/// `pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12`.
pub(crate) fn of_package(os: &OsRelease, package: &Package) -> String {
    let manager = package.details.manager;
    let architecture = match package.architecture.as_str() {
        "(none)" => String::new(),
        architecture => architecture.to_owned(),
    };
    let mut more = vec![("arch", architecture), ("distro", distribution(os))];
    let version = match manager {
        // The epoch of rpm is a qualifier.
        Manager::Rpm => {
            if package.epoch() > 0 {
                more.push(("epoch", package.epoch().to_string()));
            }
            package.without_epoch()
        }
        Manager::Dpkg | Manager::Apk => &package.version,
    };
    format!(
        "pkg:{}/{}/{}@{}{}",
        kind(manager),
        encoded(&os.id.to_lowercase()),
        encoded(&package.name),
        encoded(version),
        qualifiers(more)
    )
}

/// `pkg:golang/golang.org/x/sys@v0.20.0`.
pub(super) fn of_module(module: &GoModule) -> String {
    let path: Vec<String> =
        module.path.to_lowercase().split('/').map(encoded).collect();
    let version = module.released();
    let version = version.map(|version| format!("@{}", encoded(version)));
    format!(
        "pkg:golang/{}{}",
        path.join("/"),
        version.unwrap_or_default()
    )
}

/// `pkg:oci/pause@sha256:...?repository_url=registry.k8s.io/pause&tag=3.10`.
pub(crate) fn of_image(digest: &str, names: &[String]) -> String {
    let named = names.iter().filter_map(|name| split(name));
    // A name with a tag tells more.
    let best = named.max_by_key(|(_, tag)| tag.is_some());
    let (repository, tag) = best.unwrap_or(("", None));
    let name = repository.rsplit('/').next().unwrap_or_default();
    let name = if name.is_empty() { "image" } else { name };
    format!(
        "pkg:oci/{}@{}{}",
        encoded(&name.to_lowercase()),
        encoded(digest),
        qualifiers(vec![
            ("repository_url", repository.to_owned()),
            ("tag", tag.unwrap_or_default().to_owned()),
        ])
    )
}

/// Repository and tag of a name; nothing for a bare digest.
fn split(name: &str) -> Option<(&str, Option<&str>)> {
    if name.starts_with("sha256:") {
        return None;
    }
    let (name, _digest) = name.split_once('@').unwrap_or((name, ""));
    // A colon before the last slash is that of a port.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    Some(match name[last..].split_once(':') {
        Some((short, tag)) => (&name[..last + short.len()], Some(tag)),
        None => (name, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        for (name, expected) in [
            ("a.io/b:1", Some(("a.io/b", Some("1")))),
            ("a.io:5000/b", Some(("a.io:5000/b", None))),
            ("a.io/b@sha256:c", Some(("a.io/b", None))),
            ("a.io/b:1@sha256:c", Some(("a.io/b", Some("1")))),
            ("sha256:c", None),
        ] {
            assert_eq!(split(name), expected, "{name}");
        }
        let names = ["r.io/x/pause@sha256:ab", "r.io/x/pause:3"];
        assert_eq!(
            of_image("sha256:ab", &names.map(str::to_owned)),
            "pkg:oci/pause@sha256:ab?repository_url=r.io/x/pause&tag=3"
        );
    }

    #[test]
    fn what_is_encoded() {
        assert_eq!(encoded("1:2.0+dfsg~rc1 x"), "1:2.0%2Bdfsg~rc1%20x");
        let module = GoModule {
            path: "github.com/BurntSushi/toml".into(),
            version: "v1.2.0+incompatible".into(),
            sum: None,
        };
        assert_eq!(
            of_module(&module),
            "pkg:golang/github.com/burntsushi/toml@v1.2.0%2Bincompatible"
        );
    }
}
