// SPDX-License-Identifier: Apache-2.0
//! The layouts of real cloud images (design, section 6), made with `sfdisk`
//! and `mke2fs -d`, and what is discovered on them.

mod images;
mod mutation;
mod refusals;
mod rows;
