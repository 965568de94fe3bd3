// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Scripts that run in the place of programs of the image.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::PRIVATE;
use crate::error::{Error, Result};
use crate::mount::{FileOwner, GuestRoot};

/// Searched before all other directories once there is one.
pub(super) const DIRECTORY: &str = "/run/imagewright/programs";

/// The programs that are stood in for.
///
/// The scripts are on the guest's tmpfs, and the image is as it was; who runs
/// a program by its path, rather than by its name, runs the image's own.
#[derive(Debug, Default)]
pub(super) struct StandIns(Mutex<Vec<PathBuf>>);

impl StandIns {
    fn programs(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }

    pub(super) fn add(
        &self,
        root: &GuestRoot,
        program: &Path,
        script: &str,
    ) -> Result<()> {
        let path = stand_in(program)?;
        root.create_dir_all(PRIVATE, FileOwner::root(0o700))?;
        root.create_dir_all(DIRECTORY, FileOwner::root(0o755))?;
        root.write(path, script.as_bytes(), FileOwner::root(0o755))?;
        let mut programs = self.programs();
        if !programs.iter().any(|known| known == program) {
            programs.push(program.to_owned());
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.programs().is_empty()
    }

    /// What to run when `program` is asked for.
    pub(super) fn of(&self, program: PathBuf) -> Result<PathBuf> {
        match self.programs().contains(&program) {
            true => stand_in(&program),
            false => Ok(program),
        }
    }
}

fn stand_in(program: &Path) -> Result<PathBuf> {
    let name = program
        .file_name()
        .ok_or_else(|| Error::internal("a program without a name"))?;
    Ok(Path::new(DIRECTORY).join(name))
}
