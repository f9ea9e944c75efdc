//! Values of every type of the specification, for property tests. Needs feature `proptest`.
//!
//! Each function is a [proptest](https://docs.rs/proptest) strategy for the type of its name. Values are valid and
//! include unusual ones: Unicode and control characters in names and texts, unknown keys with integers of thirty digits
//! and lists a thousand deep, names of maximum length, IPv4-mapped IPv6 addresses, routing table 4294967295.
//!
//! ```
//! use cni_skel::types::AddResult;
//! use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
//! use cni_testing::{Call, strategies};
//! use proptest::proptest;
//!
//! struct Plain;
//!
//! impl Plugin for Plain {
//!     type Config = NoConfig;
//!     fn add(&self, req: &AddRequest) -> Result<AddResult> { Ok(req.prev_result()?.cloned().unwrap_or_default()) }
//!     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
//!     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
//! }
//!
//! proptest! {
//!     // In a test of one's own with #[test] in front.
//!     fn what_the_plugins_before_made_passes_through(sample in strategies::plugin_config()) {
//!         let outcome = Call::add(&Plain).stdin(sample.json).run();
//!         if let Some(before) = sample.prev_result {
//!             assert_eq!(outcome.result(), before);
//!         }
//!     }
//! }
//! # what_the_plugins_before_made_passes_through();
//! ```

mod config;
mod conventions;
mod json;
mod names;
mod network;
mod result;

pub use config::{ConfigSample, ListSample, network_list, plugin_config};
pub use conventions::{
    alias, bandwidth, cgroup_path, device_id, infiniband_guid, ip_range, label, pod, port_mapping, protocol,
    rate_limit, requested_ip, runtime_dns,
};
pub use json::{extra, json, text};
pub use names::{
    attachment, cni_args, command, container_id, error_code, error_object, ifname, mac_addr, network_name,
    plugin_name, spec_version, version_reply,
};
pub use network::{dns, ip_addr, ip_net, route};
pub use result::{add_result, add_result_for, interface, ip_config};
