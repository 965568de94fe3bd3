// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The whole chain: plan, session, report.
//!
//! ```text
//! image -> working disk -> grow -> attach -> mount -> tasks -> clean-up
//!       -> trim -> unmount -> detach -> outputs -> manifest -> publish
//! ```
//!
//! A plan is made without privilege and without changing anything; [`build`]
//! and [`customize`] do what their plans say. They and [`shell`] need root.

mod build;
mod bundle;
mod compact;
mod container_store;
mod convert;
mod customize;
mod diff;
mod discovery;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grow;
mod handover;
mod input;
mod inspect;
mod local;
mod locking;
mod look;
mod mounted;
mod options;
mod package;
mod packaging;
mod plan;
mod provision_plan;
mod provisioning;
mod report;
mod shell;
mod single_output;
mod stage;
mod sysprep;
mod verify;
mod work_dir;

pub use build::{build, build_stages, lock};
pub use bundle::{Bundle, BundleOptions, BundleReport, bundle};
pub use compact::compact;
pub use convert::convert;
pub use customize::{
    CustomizePlan, CustomizeReport, customize, plan_customize,
};
pub use diff::{DiffOptions, diff};
pub use input::InputOptions;
pub use inspect::{inspect, sbom};
pub use local::LocalOptions;
pub use locking::{LockMode, LockSources};
pub use options::{BuildOptions, CustomizeOptions, ShellOptions, SourceDate};
pub use package::{PackageOptions, PackagePlan, package, plan_package};
pub use plan::{BuildPlan, OutputPlan, VerifyPlan, plan};
pub use provision_plan::ProvisionPlan;
pub use report::{BuildOutcome, BuildReport, Phase, StoppedBuild};
pub use shell::{Shell, shell};
pub use stage::{Stage, Stages};
pub use sysprep::{Cleaned, SysprepOptions, SysprepReport, sysprep};
pub use verify::{VerifyOptions, verify};
