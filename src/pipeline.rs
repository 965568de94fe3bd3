// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The whole chain: plan, session, report.
//!
//! ```text
//! image -> working disk -> grow -> attach -> mount -> tasks -> clean-up
//!       -> trim -> unmount -> detach -> outputs -> manifest -> publish
//! ```
//!
//! A [`BuildPlan`] is made without privilege and without changing anything; a
//! build does what its plan says. [`build`] and [`shell`] need root.

mod build;
mod grow;
mod input;
mod local;
mod mounted;
mod options;
mod plan;
mod report;
mod shell;
mod sysprep;
mod verify;
mod work_dir;

pub use build::build;
pub use input::InputOptions;
pub use local::LocalOptions;
pub use options::{BuildOptions, ShellOptions};
pub use plan::{BuildPlan, OutputPlan, plan};
pub use report::{BuildReport, Phase};
pub use shell::{Shell, shell};
pub use sysprep::{Cleaned, SysprepOptions, SysprepReport, sysprep};
pub use verify::verify;
