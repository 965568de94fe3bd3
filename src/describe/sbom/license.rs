// SPDX-License-Identifier: Apache-2.0
//! Licenses: what a package says, as an SPDX expression where that is known
//! to be the same.
//!
//! rpm's database has the license; Debian's packages have it in their
//! copyright file, which often is machine-readable (DEP-5). A word that is
//! not known to be one of SPDX's identifiers stays what it is: a reference
//! of the document with the original text.

use std::collections::BTreeSet;

use crate::describe::package::{Manager, Package};
use crate::describe::tree::FileTree;
use crate::error::Result;

const MAX_COPYRIGHT: u64 = 512 << 10;
/// Parts of one expression; a kernel's copyright file has some thirty.
const MAX_PARTS: usize = 64;

/// Words of Debian and older rpm distributions, and SPDX's identifiers for
/// the same.
const ALIASES: [(&str, &str); 46] = [
    ("Expat", "MIT"),
    ("GPL-1", "GPL-1.0-only"),
    ("GPL-1+", "GPL-1.0-or-later"),
    ("GPL-1.0+", "GPL-1.0-or-later"),
    ("GPL-2", "GPL-2.0-only"),
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPL-2.0", "GPL-2.0-only"),
    ("GPL-2.0+", "GPL-2.0-or-later"),
    ("GPL-3", "GPL-3.0-only"),
    ("GPL-3+", "GPL-3.0-or-later"),
    ("GPL-3.0", "GPL-3.0-only"),
    ("GPL-3.0+", "GPL-3.0-or-later"),
    ("GPLv2", "GPL-2.0-only"),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("GPLv3", "GPL-3.0-only"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("LGPL-2", "LGPL-2.0-only"),
    ("LGPL-2+", "LGPL-2.0-or-later"),
    ("LGPL-2.0", "LGPL-2.0-only"),
    ("LGPL-2.0+", "LGPL-2.0-or-later"),
    ("LGPL-2.1", "LGPL-2.1-only"),
    ("LGPL-2.1+", "LGPL-2.1-or-later"),
    ("LGPL-3", "LGPL-3.0-only"),
    ("LGPL-3+", "LGPL-3.0-or-later"),
    ("LGPL-3.0", "LGPL-3.0-only"),
    ("LGPL-3.0+", "LGPL-3.0-or-later"),
    ("LGPLv2", "LGPL-2.0-only"),
    ("LGPLv2+", "LGPL-2.0-or-later"),
    ("LGPLv3", "LGPL-3.0-only"),
    ("LGPLv3+", "LGPL-3.0-or-later"),
    ("AGPL-3", "AGPL-3.0-only"),
    ("AGPL-3+", "AGPL-3.0-or-later"),
    ("GFDL-1.2", "GFDL-1.2-only"),
    ("GFDL-1.2+", "GFDL-1.2-or-later"),
    ("GFDL-1.3", "GFDL-1.3-only"),
    ("GFDL-1.3+", "GFDL-1.3-or-later"),
    ("Apache-2", "Apache-2.0"),
    ("ASL-2.0", "Apache-2.0"),
    ("BSD-3", "BSD-3-Clause"),
    ("BSD-2", "BSD-2-Clause"),
    ("MPL-1.1", "MPL-1.1"),
    ("MPL-2", "MPL-2.0"),
    ("MPLv2.0", "MPL-2.0"),
    ("ZLIB", "Zlib"),
    ("PSF-2", "PSF-2.0"),
    ("CC0", "CC0-1.0"),
];
/// SPDX's identifiers that are known here.
const IDENTIFIERS: [&str; 70] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FSFUL",
    "FSFULLR",
    "FTL",
    "GFDL-1.1-or-later",
    "GFDL-1.2-only",
    "GFDL-1.2-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "Libpng",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "NTP",
    "OFL-1.1",
    "OLDAP-2.8",
    "OpenSSL",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "Ruby",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Vim",
    "X11",
    "Zlib",
    "curl",
];

/// A license expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct License {
    /// With SPDX's identifiers and references of the document.
    pub(crate) expression: String,
    /// The references, and what they stand for.
    pub(crate) references: Vec<(String, String)>,
}

/// The license of a package, where it says one.
pub(super) fn of(
    tree: &dyn FileTree,
    package: &Package,
) -> Result<Option<License>> {
    if let Some(text) = &package.details.license {
        return Ok(parse(text));
    }
    if package.details.manager != Manager::Dpkg {
        return Ok(None);
    }
    let path = format!("/usr/share/doc/{}/copyright", package.name);
    let head = tree.read_head(path, MAX_COPYRIGHT)?.unwrap_or_default();
    Ok(of_copyright(&String::from_utf8_lossy(&head)))
}

/// The licenses of a copyright file in the form of DEP-5, all together.
pub(in crate::describe) fn of_copyright(text: &str) -> Option<License> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    let format = first.strip_prefix("Format:")?;
    if !format.contains("copyright-format") && !format.contains("dep5") {
        return None;
    }
    let mut names = BTreeSet::new();
    for stanza in text.split("\n\n") {
        // Stanzas of a license alone only repeat its text.
        let about_files = stanza.lines().any(|l| l.starts_with("Files:"));
        let license = stanza.lines().find_map(|l| l.strip_prefix("License:"));
        if let Some(license) = license.filter(|_| about_files) {
            let license = license.trim();
            if !license.is_empty() && names.len() < MAX_PARTS {
                names.insert(license.to_owned());
            }
        }
    }
    let parts: Vec<License> =
        names.iter().filter_map(|name| parse(name)).collect();
    join(parts)
}

fn join(parts: Vec<License>) -> Option<License> {
    let several = parts.len() > 1;
    let mut expressions = Vec::new();
    let mut references = Vec::new();
    for part in parts {
        let inside = several && part.expression.contains(" OR ");
        expressions.push(match inside {
            true => format!("({})", part.expression),
            false => part.expression,
        });
        references.extend(part.references);
    }
    expressions.sort();
    expressions.dedup();
    references.sort();
    references.dedup();
    (!expressions.is_empty()).then(|| License {
        expression: expressions.join(" AND "),
        references,
    })
}

/// An expression of words joined by `and` and `or`; anything else is one
/// reference.
pub(in crate::describe) fn parse(text: &str) -> Option<License> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut out: Vec<String> = Vec::new();
    let mut references = Vec::new();
    // A name is expected, or an operator.
    let mut name_next = true;
    let mut open = 0_usize;
    for word in &words {
        let lower = word.to_ascii_lowercase();
        match (lower.as_str(), name_next) {
            ("(", true) => {
                open += 1;
                out.push("(".to_owned());
            }
            (")", false) if open > 0 => {
                open -= 1;
                out.push(")".to_owned());
            }
            ("and" | "or", false) => {
                out.push(lower.to_ascii_uppercase());
                name_next = true;
            }
            (_, true) if is_name(word) => {
                out.push(match identifier(word) {
                    Some(known) => known.to_owned(),
                    None => {
                        let reference = reference(word);
                        references.push((reference.clone(), (*word).into()));
                        reference
                    }
                });
                name_next = false;
            }
            _ => return Some(whole(text)),
        }
    }
    if name_next || open > 0 || words.len() > 2 * MAX_PARTS {
        return Some(whole(text));
    }
    references.sort();
    references.dedup();
    let expression = out.join(" ").replace("( ", "(").replace(" )", ")");
    Some(License {
        expression,
        references,
    })
}

fn is_name(word: &str) -> bool {
    word.chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-+_/~".contains(c))
        && word.chars().any(|c| c.is_ascii_alphanumeric())
}

fn whole(text: &str) -> License {
    let reference = reference(text);
    License {
        expression: reference.clone(),
        references: vec![(reference, text.to_owned())],
    }
}

fn identifier(word: &str) -> Option<&'static str> {
    let same = |known: &&str| known.eq_ignore_ascii_case(word);
    if let Some(known) = IDENTIFIERS.iter().copied().find(same) {
        return Some(known);
    }
    let mut aliases = ALIASES.iter();
    let alias = aliases.find(|(alias, _)| alias.eq_ignore_ascii_case(word));
    alias.map(|(_, identifier)| *identifier)
}

/// `LicenseRef-` and what SPDX allows of the text; long texts, and those that
/// lose something, by a digest of them.
fn reference(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    if text.chars().all(plain) && text.len() <= 40 {
        return format!("LicenseRef-{text}");
    }
    let mut name: String = text
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(40)
        .collect();
    let digest = hex::encode(Sha256::digest(text));
    name.push('-');
    name.push_str(digest.get(..8).unwrap_or_default());
    format!("LicenseRef-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let of = |text: &str| parse(text).unwrap().expression;
        for (text, expected) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            (
                "MIT and (GPLv2+ or Expat)",
                "MIT AND (GPL-2.0-or-later OR MIT)",
            ),
            ("ASL-2.0 AND mit", "Apache-2.0 AND MIT"),
            ("public-domain", "LicenseRef-public-domain"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        // What is no expression is kept as it is.
        for text in
            ["GPLv2+ with exceptions", "MIT and", "a (b", "(MIT", "x, y"]
        {
            let license = parse(text).unwrap();
            assert_eq!(license.references.len(), 1, "{text}");
            assert_eq!(license.references[0].1, text);
            assert_eq!(license.references[0].0, license.expression);
        }
        assert_eq!(parse("  "), None);
    }

    #[test]
    fn dep5() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/\
            copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-2+\n\
            \nFiles: b\nLicense: Expat or Artistic\n\
            \nLicense: GPL-2+\n text\n";
        assert_eq!(
            of_copyright(text).unwrap().expression,
            "(MIT OR LicenseRef-Artistic) AND GPL-2.0-or-later"
        );
        assert_eq!(of_copyright("This is Debian's package of x."), None);
    }
}
