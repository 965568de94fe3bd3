// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! `/etc/containerd/config.toml`, for the containerd that is in the image.
//!
//! Facts: containerd's docs/cri/config.md and its config versions 2 (1.x)
//! and 3 (2.x).

use std::fmt;

use super::super::package_manager::Guest;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::mount::FileOwner;
use crate::provision::{ConfigureContainerd, Sandbox};
use crate::recipe::ImageName;

const CONFIG: &str = "/etc/containerd/config.toml";
const CERTIFICATES: &str = "/etc/containerd/certs.d";
const IMPORTS: &str = "/etc/containerd/conf.d";
/// Where kubernetes-cni and the daemons of CNI networks put their plugins:
/// containerd's own default.
const OPT_CNI: &str = "/opt/cni/bin";
/// Where distributions put theirs.
const OTHER_CNI: [&str; 2] = ["/usr/lib/cni", "/usr/libexec/cni"];

/// The generation of containerd, which decides the form of its
/// configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provision) enum Generation {
    /// 1.x.
    One,
    /// 2.MINOR.
    Two { minor: u32 },
}

/// Writes the configuration and has containerd read it.
pub(in crate::provision) fn configure(
    guest: &Guest<'_>,
    wanted: &ConfigureContainerd,
) -> Result<()> {
    let root = guest.root();
    let generation = generation(guest)?;
    let pause = match &wanted.sandbox {
        Sandbox::Default => None,
        Sandbox::Image(name) => Some(name.clone()),
        Sandbox::OfKubeadm(kubeadm) => Some(kubeadm.pause(guest)?),
    };
    let config = Config {
        generation,
        pause: pause.as_ref(),
        plugins: plugin_directory(guest)?,
        added: wanted.added.as_deref().unwrap_or_default(),
    };
    for directory in ["/etc/containerd", CERTIFICATES, IMPORTS] {
        root.create_dir_all(directory, FileOwner::root(0o755))?;
    }
    let text = config.to_string();
    root.write(CONFIG, text.as_bytes(), FileOwner::root(0o644))?;
    check(guest, &config)
}

/// By the version that the image's own containerd tells.
pub(in crate::provision) fn generation(
    guest: &Guest<'_>,
) -> Result<Generation> {
    let said = guest
        .environment
        .command("containerd")
        .arg("--version")
        .output(guest.monitor)
        .during("asking containerd for its version")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    parse_generation(&text).ok_or_else(|| {
        Error::unsupported(format!(
            "`containerd --version` said `{}`, which is no version known here",
            text.trim().escape_debug()
        ))
    })
}

/// `containerd github.com/containerd/containerd[/v2] [v]1.6.20... REVISION`.
pub(in crate::provision) fn parse_generation(text: &str) -> Option<Generation> {
    let version = text.split_whitespace().nth(2)?;
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = version.split('.');
    match (numbers.next()?, numbers.next()?.parse()) {
        ("1", _) => Some(Generation::One),
        ("2", Ok(minor)) => Some(Generation::Two { minor }),
        _ => None,
    }
}

/// Where CNI plugins are, when that is not where containerd looks.
fn plugin_directory(guest: &Guest<'_>) -> Result<Option<&'static str>> {
    let root = guest.root();
    let has_plugins = |directory: &str| -> Result<bool> {
        let found = root.metadata(directory)?;
        Ok(found.is_some_and(|found| found.is_dir())
            && !root.read_dir(directory)?.is_empty())
    };
    if has_plugins(OPT_CNI)? {
        return Ok(None);
    }
    for directory in OTHER_CNI {
        if has_plugins(directory)? {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

/// What containerd makes of the file must be what is wanted.
fn check(guest: &Guest<'_>, config: &Config<'_>) -> Result<()> {
    let said = guest
        .environment
        .command("containerd")
        .args(["--config", CONFIG, "config", "dump"])
        .output(guest.monitor)
        .during("having containerd read its configuration")?;
    let text = String::from_utf8_lossy(&said.stdout);
    if !said.status.success() || text.trim().is_empty() {
        return Err(Error::new(
            ErrorKind::Command,
            "containerd does not take its configuration",
        )
        .at(CONFIG)
        .hint(
            "see that `containerd: {config: ...}` is TOML whose tables are \
             not there already",
        ));
    }
    let pause = config.pause.map(|pause| format!("\"{pause}\""));
    let quoted = text.replace('\'', "\"");
    let wanted = [Some("SystemdCgroup = true".to_owned()), pause];
    for wanted in wanted.into_iter().flatten() {
        if config.added.is_empty() && !quoted.contains(&wanted) {
            return Err(Error::new(
                ErrorKind::Verify,
                format!("containerd does not see `{wanted}`"),
            )
            .at(CONFIG)
            .hint(format!("see what else configures it in {IMPORTS}")));
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Config<'a> {
    generation: Generation,
    pause: Option<&'a ImageName>,
    plugins: Option<&'a str>,
    added: &'a str,
}

impl fmt::Display for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, images, runtime) = match self.generation {
            Generation::One => {
                let cri = "io.containerd.grpc.v1.cri";
                (2, cri, cri)
            }
            Generation::Two { .. } => (
                3,
                "io.containerd.cri.v1.images",
                "io.containerd.cri.v1.runtime",
            ),
        };
        writeln!(f, "# Made by imagewright. More goes into {IMPORTS}.")?;
        writeln!(f, "version = {version}")?;
        writeln!(f, "imports = [\"{IMPORTS}/*.toml\"]")?;
        if let Some(pause) = self.pause {
            match self.generation {
                Generation::One => writeln!(
                    f,
                    "\n[plugins.\"{images}\"]\nsandbox_image = \"{pause}\""
                )?,
                Generation::Two { .. } => writeln!(
                    f,
                    "\n[plugins.\"{images}\".pinned_images]\n\
                     sandbox = \"{pause}\""
                )?,
            }
        }
        writeln!(
            f,
            "\n[plugins.\"{images}\".registry]\n\
             config_path = \"{CERTIFICATES}\""
        )?;
        if let Some(directory) = self.plugins {
            writeln!(f, "\n[plugins.\"{runtime}\".cni]")?;
            match self.generation {
                // The one directory is no longer known to 2.3.
                Generation::Two { minor: 1.. } => {
                    let all = format!("[\"{directory}\", \"{OPT_CNI}\"]");
                    writeln!(f, "bin_dirs = {all}")?;
                }
                _ => writeln!(f, "bin_dir = \"{directory}\"")?,
            }
        }
        let runc = format!("plugins.\"{runtime}\".containerd.runtimes.runc");
        writeln!(f, "\n[{runc}]\nruntime_type = \"io.containerd.runc.v2\"")?;
        writeln!(f, "\n[{runc}.options]\nSystemdCgroup = true")?;
        match self.added.trim() {
            "" => Ok(()),
            added => writeln!(f, "\n{added}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        for (text, expected) in [
            (
                "containerd github.com/containerd/containerd 1.6.20~ds1 \
                 1.6.20~ds1-1+deb12u3\n",
                Some(Generation::One),
            ),
            (
                "containerd github.com/containerd/containerd/v2 v2.1.3 c78\n",
                Some(Generation::Two { minor: 1 }),
            ),
            (
                "containerd containerd.io 1.7.27 05044\n",
                Some(Generation::One),
            ),
            ("containerd x v3.0.0\n", None),
            ("", None),
        ] {
            assert_eq!(parse_generation(text), expected, "{text}");
        }
    }

    #[test]
    fn configurations() {
        let pause: ImageName = "registry.k8s.io/pause:3.10".parse().unwrap();
        let one = Config {
            generation: Generation::One,
            pause: Some(&pause),
            plugins: Some("/usr/lib/cni"),
            added: "",
        };
        insta::assert_snapshot!(one);
        let two = Config {
            generation: Generation::Two { minor: 1 },
            pause: Some(&pause),
            plugins: Some("/usr/lib/cni"),
            added: "[debug]\nlevel = \"info\"\n",
        };
        insta::assert_snapshot!(two);
    }

    /// What containerd 2 itself says its fields are.
    #[test]
    fn fields_are_those_of_containerd() {
        let known: Vec<&str> =
            include_str!("config/containerd-2.1.keys").lines().collect();
        let pause: ImageName = "registry.k8s.io/pause:3.10".parse().unwrap();
        let config = Config {
            generation: Generation::Two { minor: 1 },
            pause: Some(&pause),
            plugins: Some("/usr/lib/cni"),
            added: "",
        };
        let mut table = String::new();
        let mut fields = 0;
        for line in config.to_string().lines() {
            if let Some(name) = line.strip_prefix('[') {
                table = name.replace(']', ".");
            } else if let Some((key, _)) = line.split_once(" = ") {
                let field = format!("{table}{key}");
                assert!(known.contains(&field.as_str()), "{field}");
                fields += 1;
            }
        }
        assert_eq!(fields, 7);
    }
}
