// SPDX-License-Identifier: Apache-2.0
//! Which files of a system an input is about.

/// Groups of paths; the first byte of an input chooses one. See
/// [`Files`](crate::Files) for the marks.
pub const GROUPS: [&[&str]; 9] = [
    &[
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/root/.ssh/authorized_keys",
        "/etc/sudoers",
        "/etc/sudoers.d/90-a",
    ],
    &[
        "/usr/lib/systemd/system/a.service",
        "/usr/lib/systemd/system/b@.service",
        "/usr/lib/systemd/system/c.socket",
        "/etc/systemd/system-preset/10-a.preset",
        "@/etc/systemd/system/multi-user.target.wants/a.service",
        "@/etc/systemd/system/sockets.target.requires/c.socket",
        "@/etc/systemd/system/alias.service",
        "/etc/systemd/system/a.service.d/10.conf",
    ],
    &[
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/a.sources",
        "/etc/yum.repos.d/a.repo",
        "/etc/zypp/repos.d/a.repo",
        "/etc/apk/repositories",
    ],
    &[
        "/usr/lib/sysctl.d/50-a.conf",
        "/etc/sysctl.d/90-b.conf",
        "/etc/sysctl.conf",
        "/etc/modules-load.d/a.conf",
        "/etc/modules",
        "/etc/modprobe.d/a.conf",
    ],
    &[
        "/boot/grub/grub.cfg",
        "/boot/loader/entries/a.conf",
        "/etc/kernel/cmdline",
        "/etc/default/grub",
        "/etc/selinux/config",
    ],
    &[
        "/etc/ssh/sshd_config",
        "/etc/ssh/sshd_config.d/a.conf",
        "/etc/ssh/sshd_config.d/b.conf",
    ],
    &[
        "/etc/cloud/cloud.cfg",
        "/etc/cloud/cloud.cfg.d/a.cfg",
        "/etc/cloud/ds-identify.cfg",
    ],
    &[
        "/usr/share/sbom/a.json",
        "/var/lib/containers/storage/overlay-images/images.json",
    ],
    &["^/usr/bin/ping"],
];

/// The paths an input is about, and the rest of it.
pub fn group(data: &[u8]) -> Option<(&'static [&'static str], &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((GROUPS[usize::from(*first) % GROUPS.len()], rest))
}
