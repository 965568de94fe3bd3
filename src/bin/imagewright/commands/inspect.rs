// SPDX-License-Identifier: Apache-2.0
//! `imagewright inspect`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use imagewright::describe::inspect::{
    Inspection, PartitionRow, PasswordState, UnitState,
};
use imagewright::{Monitor, pipeline};

use crate::args::{Global, Inspect};
use crate::render;

/// Rows of a table, unless all are asked for.
const MAX_ROWS: usize = 40;

pub(super) fn run(
    args: &Inspect,
    global: &Global,
    monitor: &Monitor,
) -> anyhow::Result<ExitCode> {
    let image = super::local(&args.image, &args.opening, global);
    let found = pipeline::inspect(&image, monitor)?;
    match global.json {
        true => render::print_json(&found)?,
        false => render::print(&describe(&found, global.verbose > 0))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(found: &Inspection, all: bool) -> String {
    let mut page = Page {
        text: String::new(),
        all,
    };
    page.summary(found);
    page.partitions(&found.partitions);
    page.system(found);
    page.software(found);
    page.accounts(found);
    page.settings(found);
    page.table("WARNINGS", found.warnings.iter().map(|w| [w.clone()]));
    page.text
}

struct Page {
    text: String,
    all: bool,
}

impl Page {
    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            let _ = writeln!(self.text, "{name:<14} {value}");
        }
    }

    /// A title and rows in columns; nothing at all without rows.
    fn table<const N: usize>(
        &mut self,
        title: &str,
        rows: impl Iterator<Item = [String; N]>,
    ) {
        let rows: Vec<[String; N]> = rows.collect();
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "\n{title} ({})", rows.len());
        let limit = if self.all { usize::MAX } else { MAX_ROWS };
        let shown = &rows[..rows.len().min(limit)];
        let mut widths = [0; N];
        for row in shown {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in shown {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(line, " {cell:<width$}");
            }
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
        if shown.len() < rows.len() {
            let more = rows.len() - shown.len();
            let _ = writeln!(self.text, "  and {more} more (--verbose)");
        }
    }

    fn summary(&mut self, found: &Inspection) {
        let image = &found.image;
        let variant = image.variant.as_deref().unwrap_or_default();
        let codec = image.compression.as_deref().unwrap_or_default();
        let format = format!("{} {variant} {codec}", image.format);
        let words: Vec<&str> = format.split_whitespace().collect();
        self.line("image", words.join(" "));
        self.line(
            "size",
            format!(
                "{} in a file of {}",
                render::bytes(image.virtual_size),
                render::bytes(image.file_size)
            ),
        );
        let os = &found.os;
        let architecture = os.architecture.as_deref().unwrap_or("unknown");
        self.line("system", format!("{}, {architecture}", os.pretty_name));
        self.line("hostname", os.hostname.as_deref().unwrap_or_default());
        self.line("time zone", os.time_zone.as_deref().unwrap_or_default());
        self.line("boot loader", found.boot.loaders.join(", "));
        if let Some(line) = found.boot.command_lines.first() {
            self.line("command line", &line.arguments);
        }
        if let Some(selinux) = &found.security.selinux {
            let mode = format!("{} ({})", selinux.mode, selinux.policy);
            self.line("SELinux", mode);
        }
        if let Some(apparmor) = &found.security.apparmor {
            let state = if apparmor.enabled { "enabled" } else { "off" };
            let text = format!("{state}, {} profiles", apparmor.profiles);
            self.line("AppArmor", text);
        }
        if let Some(cloud_init) = &found.cloud_init {
            let sources = match cloud_init.datasources.is_empty() {
                true => "all datasources".to_owned(),
                false => cloud_init.datasources.join(", "),
            };
            let state = if cloud_init.disabled {
                "disabled, "
            } else {
                ""
            };
            self.line("cloud-init", format!("{state}{sources}"));
        }
        for note in &found.provenance {
            self.line("bill", &note.path);
        }
    }

    fn partitions(&mut self, partitions: &[PartitionRow]) {
        let rows = partitions.iter().map(|partition| {
            let filesystem = partition.filesystem.as_ref();
            let usage = filesystem.and_then(|filesystem| filesystem.usage);
            let used = usage.map_or_else(String::new, |usage| {
                let used = usage.size.saturating_sub(usage.free);
                let percent = used.saturating_mul(100) / usage.size.max(1);
                format!("{} used ({percent} %)", render::bytes(used))
            });
            [
                partition.number.to_string(),
                render::bytes(partition.size),
                filesystem.map_or("-", |f| f.kind.as_str()).to_owned(),
                partition.role.clone().unwrap_or_default(),
                partition.mount_points.join(" "),
                used,
            ]
        });
        self.table("PARTITIONS", rows);
    }

    fn system(&mut self, found: &Inspection) {
        let kernels = found.kernels.iter().map(|kernel| {
            [
                kernel.release.clone(),
                kernel.image.clone().unwrap_or_default(),
                kernel.initramfs.clone().unwrap_or_default(),
            ]
        });
        self.table("KERNELS", kernels);
        let components = found.components.iter().map(|component| {
            let place = component.package.as_ref();
            [
                component.name.to_owned(),
                component.version.clone().unwrap_or_else(|| "?".into()),
                place
                    .or(component.paths.first())
                    .cloned()
                    .unwrap_or_default(),
            ]
        });
        self.table("NODE COMPONENTS", components);
        let images = found.container_images.iter().map(|image| {
            let digest = image.digest.get(..19).unwrap_or(&image.digest);
            let pinned = if image.pinned { "pinned" } else { "" };
            [image.name.clone(), digest.to_owned(), pinned.to_owned()]
        });
        self.table("CONTAINER IMAGES", images);
        let mut states: BTreeMap<UnitState, Vec<&str>> = BTreeMap::new();
        for unit in &found.units {
            states.entry(unit.state).or_default().push(&unit.name);
        }
        let told = [UnitState::Enabled, UnitState::Masked];
        for (state, names) in &states {
            if told.contains(state) || self.all {
                let title = format!("UNITS {}", state.name());
                let rows = names.iter().map(|name| [(*name).to_owned()]);
                self.table(&title, rows);
            }
        }
    }

    fn software(&mut self, found: &Inspection) {
        let repositories = found.repositories.iter().map(|repository| {
            let state = match (repository.enabled, repository.unsigned) {
                (false, _) => "off",
                (true, true) => "UNSIGNED",
                (true, false) => "",
            };
            [
                repository.uris.join(" "),
                repository.parts.join(" "),
                state.to_owned(),
            ]
        });
        self.table("REPOSITORIES", repositories);
        let packages = found.packages.iter().map(|package| {
            [
                package.name.clone(),
                package.version.clone(),
                package.architecture.clone(),
                package.state.clone().unwrap_or_default(),
            ]
        });
        self.table("PACKAGES", packages);
    }

    fn accounts(&mut self, found: &Inspection) {
        let can_log_in = |user: &&imagewright::describe::inspect::User| {
            let shell = user.shell.rsplit('/').next().unwrap_or_default();
            self.all || !matches!(shell, "nologin" | "false" | "sync")
        };
        let users = found.users.iter().filter(can_log_in);
        let users: Vec<_> = users
            .map(|user| {
                let password = match user.password {
                    PasswordState::Set => "password",
                    PasswordState::Locked => "locked",
                    PasswordState::Empty => "NO PASSWORD",
                    _ => "?",
                };
                [
                    user.name.clone(),
                    user.uid.to_string(),
                    password.to_owned(),
                    user.shell.clone(),
                    user.groups.join(","),
                ]
            })
            .collect();
        self.table("ACCOUNTS WITH A SHELL", users.into_iter());
        let keys = found.users.iter().flat_map(|user| {
            user.authorized_keys.iter().map(|key| {
                [
                    user.name.clone(),
                    key.algorithm.clone(),
                    key.fingerprint.clone(),
                    key.comment.clone(),
                ]
            })
        });
        self.table("AUTHORIZED KEYS", keys);
        let rules = found.sudo.iter().map(|rule| [rule.rule.clone()]);
        self.table("SUDO", rules);
        let sshd = found.listening.sshd.iter().flatten();
        let sshd = sshd.map(|(key, values)| [key.clone(), values.join(" ")]);
        self.table("SSHD", sshd);
        let sockets = found.listening.sockets.iter();
        let sockets = sockets.map(|(unit, on)| [unit.clone(), on.join(" ")]);
        self.table("SOCKETS", sockets);
    }

    fn settings(&mut self, found: &Inspection) {
        let sysctl = found.sysctl.iter().map(|setting| {
            [
                setting.key.clone(),
                setting.value.clone(),
                setting.path.clone(),
            ]
        });
        self.table("SYSCTL", sysctl);
        let modules = &found.modules;
        let loaded = modules.loaded.iter().map(|m| [m.clone()]);
        self.table("MODULES LOADED AT THE START", loaded);
        let kept_out = modules.blacklisted.iter().chain(&modules.disabled);
        self.table("MODULES KEPT OUT", kept_out.map(|m| [m.clone()]));
    }
}
