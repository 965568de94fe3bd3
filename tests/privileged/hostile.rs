// SPDX-License-Identifier: Apache-2.0
//! Images that want to reach the host: by symlinks, by special files, by
//! the programs in them.

mod canary;
mod escape;
mod links;
mod special;

use canary::Canary;
