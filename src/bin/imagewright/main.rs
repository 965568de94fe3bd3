// SPDX-License-Identifier: Apache-2.0
//! The `imagewright` command.

fn main() {}
