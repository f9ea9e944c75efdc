//! Named checks of what the specification requires, for a plugin in this process or an executable.
//!
//! ```no_run
//! # use cni_skel::types::AddResult;
//! # use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
//! # struct MyPlugin;
//! # impl Plugin for MyPlugin {
//! #     type Config = NoConfig;
//! #     fn add(&self, req: &AddRequest) -> Result<AddResult> { Ok(req.prev_result()?.cloned().unwrap_or_default()) }
//! #     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
//! #     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
//! # }
//! use cni_testing::{conformance, json};
//!
//! // #[test]
//! fn it_conforms() {
//!     let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "mine"});
//!     conformance::assert_conforms(&MyPlugin, &config);
//! }
//! # it_conforms();
//! ```
//!
//! Each check has a network namespace as the host, containers, and empty folders in place of those where plugins keep
//! state. The machine's own are not touched. Checks in which the plugin does its work need namespaces, so they need root
//! or a user namespace around the tests. The other checks make calls that every plugin must refuse, or that change
//! nothing.
//!
//! Order of use inside: `ending` and `level`; what is sent, what came back and the world around it (`request`, `exchange`,
//! `aftermath`, `ipam`, `world`); `setup` and `profile`; `bench`, which a check works with, and `probe`; `check` and
//! `checks`; `report`; `run`; `suite`.

mod ending;
mod level;

mod aftermath;
mod exchange;
mod ipam;
mod request;
mod world;

mod profile;
mod setup;

mod bench;
mod probe;

mod check;
mod checks;

mod report;
mod run;
mod suite;

use serde::Serialize;

use crate::call::Subject;

pub use check::Check;
pub use level::{Kind, Level, Needs};
pub use report::{Finding, Report, Verdict};
pub use suite::Suite;

/// Why the suite could not run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotRun(String);

/// Returns all checks, in the order in which they run.
pub fn checks() -> impl Iterator<Item = Check> {
    checks::all()
}

/// Asserts that a plugin does everything the specification requires, with this configuration. The plugin is `&plugin` in
/// this process, or a [`Binary`](crate::Binary). The checks play the IPAM plugin that the configuration names.
///
/// # Panics
/// If a check of level [`Must`](Level::Must) fails, with the report. If namespaces cannot be made, since most checks
/// need them. To do without, use `Suite::new(&plugin, config).without_namespaces()`.
#[track_caller]
pub fn assert_conforms(plugin: impl Subject + Sync, config: &impl Serialize) {
    let report = match Suite::new(plugin, config).play_ipam().run() {
        Ok(report) => report,
        Err(why) => panic!("the plugin cannot be checked: {why}"),
    };
    assert!(report.failures(Level::Must).next().is_none(), "{report}");
    let without = report.findings.iter().find_map(|finding| match &finding.verdict {
        Verdict::NotRun(reason) if reason.starts_with("the kernel allows no namespaces") => Some(reason),
        _ => None,
    });
    if let Some(reason) = without {
        panic!("most checks were not run: {reason}; run the tests as root, or: unshare -Urn cargo test");
    }
}
