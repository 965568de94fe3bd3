// SPDX-License-Identifier: Apache-2.0
//! Copies a volume to a directory of the host.

use std::fs::{DirBuilder, File, FileTimes};
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::directory::{Directory, Node};
use super::tree::Content;
use super::{FatTree, Volume};
use crate::block::ReadAt;
use crate::error::{Context, Error, Result};

impl<D: ReadAt> Volume<D> {
    /// Copies all files and directories into a directory of the host, which
    /// should be new and empty: whatever is in the way is an error.
    ///
    /// Times are kept, taken as UTC; attributes are not.
    ///
    /// # Errors
    /// `Corrupt` when the filesystem is damaged or has a name no directory can
    /// have; `Unsupported` beyond the limits (100 000 names, 64 directories
    /// deep); `Io` and `NoSpace` of the host.
    pub fn checkout(&self, into: &Path) -> Result<FatTree> {
        let checkout = || {
            let (_, root) = self.load()?;
            let mut tree = FatTree::default();
            self.copy_directory(&root, into, "", &mut tree)?;
            Ok(tree)
        };
        checkout()
            .map_err(|e: Error| e.during("copying the FAT filesystem out"))
    }

    fn copy_directory(
        &self,
        directory: &Directory,
        into: &Path,
        prefix: &str,
        tree: &mut FatTree,
    ) -> Result<()> {
        for item in &directory.items {
            let path = format!("{prefix}{}", item.name);
            // The name was checked when it was read.
            let host = into.join(&item.name);
            let content = match &item.node {
                Node::Label => continue,
                Node::Directory(below) => {
                    DirBuilder::new().create(&host).at(&host)?;
                    let prefix = format!("{path}/");
                    self.copy_directory(below, &host, &prefix, tree)?;
                    Content::Directory
                }
                Node::File { chain, size } => {
                    let file = File::create_new(&host).at(&host)?;
                    let sha256 = self
                        .copy_file(chain, (*size).into(), &file)
                        .at(&host)?;
                    let moment = item.short.modified().moment();
                    let times = FileTimes::new().set_modified(moment);
                    file.set_times(times).at(&host)?;
                    let len = u64::from(*size);
                    Content::File { len, sha256 }
                }
            };
            tree.contents.insert(path, content);
        }
        Ok(())
    }

    fn copy_file(
        &self,
        chain: &[u32],
        len: u64,
        mut to: &File,
    ) -> Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        let cluster = u64::from(self.geometry.cluster_size);
        let mut left = len;
        let mut piece = Vec::new();
        for number in chain {
            let Some(offset) = self.geometry.cluster(*number) else {
                return Err(Error::internal("a cluster that was checked"));
            };
            let now = usize::try_from(left.min(cluster)).unwrap_or(0);
            piece.resize(now, 0);
            self.disk.read_at(offset, &mut piece)?;
            hasher.update(&piece);
            to.write_all(&piece)?;
            left = left.saturating_sub(cluster);
        }
        Ok(hasher.finalize().into())
    }
}
