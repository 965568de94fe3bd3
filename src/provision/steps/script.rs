// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Scripts: run now, or at the first boot.

use std::fs;

use crate::error::{Context, Error, Result};
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::package_manager::Guest;
use crate::recipe::HostPath;

/// Where scripts wait for the first boot; each is deleted before it runs.
const WAITING: &str = "/usr/lib/imagewright/firstboot.d";
const RUNNER: &str = "/usr/lib/imagewright/firstboot";
const UNIT: &str = "/etc/systemd/system/imagewright-firstboot.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/\
    imagewright-firstboot.service";
/// A script is moved away before it runs: one that reboots the machine, or
/// takes it down, does not run again.
const RUNNER_TEXT: &str = "#!/bin/sh
# imagewright: runs the scripts of the first boot, in order, each once.
waiting=/usr/lib/imagewright/firstboot.d
log=/var/log/imagewright-firstboot.log
umask 077
for script in \"$waiting\"/*; do
    [ -f \"$script\" ] || continue
    echo \"== ${script##*/} $(date -Is)\" >>\"$log\"
    running=$(mktemp /var/tmp/firstboot.XXXXXX) || exit 1
    mv -f \"$script\" \"$running\" && chmod 700 \"$running\"
    \"$running\" >>\"$log\" 2>&1 </dev/null
    echo \"== ${script##*/} ended with status $?\" >>\"$log\"
    rm -f \"$running\"
done
rm -f /etc/systemd/system/multi-user.target.wants/\
imagewright-firstboot.service
";
const UNIT_TEXT: &str = "[Unit]
Description=Scripts of the first boot
ConditionDirectoryNotEmpty=/usr/lib/imagewright/firstboot.d
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/imagewright/firstboot
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
";

fn read(script: &HostPath) -> Result<Vec<u8>> {
    fs::read(script.as_path())
        .during("reading a script")
        .at(script.as_path())
}

/// Runs a script of the host in the image.
pub(super) fn run(guest: &Guest<'_>, script: &HostPath) -> Result<()> {
    let content = read(script)?;
    let path = guest.environment.private_path("script");
    guest
        .root()
        .write(&path, &content, FileOwner::root(0o700))?;
    let program = path.display().to_string();
    let ran = guest.environment.command(program).run(guest.monitor);
    guest.root().remove_all(&path)?;
    ran.map_err(|error| error.during(format!("running the script {script}")))
}

/// Has a script of the host run at the first boot.
pub(super) fn firstboot(root: &GuestRoot, script: &HostPath) -> Result<()> {
    let name = script.as_path().file_name().unwrap_or_default();
    add(root, &name.to_string_lossy(), &read(script)?)
}

/// Has a shell command run at the first boot.
pub(super) fn firstboot_command(root: &GuestRoot, command: &str) -> Result<()> {
    add(
        root,
        "command",
        format!("#!/bin/sh\n{command}\n").as_bytes(),
    )
}

fn add(root: &GuestRoot, name: &str, content: &[u8]) -> Result<()> {
    if !root.exists("/etc/systemd/system")? {
        return Err(Error::unsupported(
            "the image has no systemd, which runs what is for the first boot",
        )
        .at("/etc/systemd/system"));
    }
    let program = FileOwner::root(0o755);
    root.create_dir_all(WAITING, program)?;
    let number = root.read_dir(WAITING)?.len() + 1;
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
        _ => '-',
    };
    let name: String = name.chars().map(plain).take(64).collect();
    // They may hold secrets.
    let path = format!("{WAITING}/{number:04}-{name}");
    root.write(path, content, FileOwner::root(0o700))?;
    root.write(RUNNER, RUNNER_TEXT.as_bytes(), program)?;
    root.write(UNIT, UNIT_TEXT.as_bytes(), FileOwner::root(0o644))?;
    let wants = "/etc/systemd/system/multi-user.target.wants";
    root.create_dir_all(wants, program)?;
    root.symlink(UNIT, WANTED)
}
