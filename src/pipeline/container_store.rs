// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The database of container images, the same in each build.

use crate::describe;
use crate::error::Result;
use crate::mount::{FileOwner, GuestRoot};
use crate::provision::Task;

/// Where tasks brought container images, writes the database anew, which
/// shall not tell when; times that are left as they come stay there, too.
pub(super) fn settle_stores(
    tasks: &[Task],
    root: &GuestRoot,
    epoch: Option<i64>,
) -> Result<()> {
    let brought = |task: &Task| matches!(task, Task::PreloadImages(_));
    let (true, Some(epoch)) = (tasks.iter().any(brought), epoch) else {
        return Ok(());
    };
    for (path, content) in describe::settled_stores(root, epoch)? {
        let found = root.metadata(&path)?;
        let owner = found.as_ref().map(FileOwner::from);
        let owner = owner.unwrap_or_else(|| FileOwner::root(0o600));
        root.write(&path, &content, owner)?;
    }
    Ok(())
}
