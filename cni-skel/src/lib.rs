//! Write CNI plugins: from process to handler and back, and what a handler needs.
//!
//! A plugin is a type with one method a command, and [`run`](run()):
//!
//! ```no_run
//! //! A chained plugin that changes nothing: the smallest one that conforms.
//! use cni_skel::types::AddResult;
//! use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
//!
//! fn main() -> std::process::ExitCode {
//!     cni_skel::run(Passthrough)
//! }
//!
//! struct Passthrough;
//!
//! impl Plugin for Passthrough {
//!     type Config = NoConfig;
//!
//!     fn add(&self, req: &AddRequest) -> Result<AddResult> {
//!         Ok(req.prev_result()?.cloned().unwrap_or_default())
//!     }
//!
//!     fn del(&self, _: &DelRequest) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn check(&self, _: &CheckRequest) -> Result<()> {
//!         Ok(())
//!     }
//! }
//! ```
//!
//! | what | items |
//! |---|---|
//! | entrypoint | [`run`](run()), [`dispatch`](dispatch()), the trait [`Plugin`] |
//! | requests | [`AddRequest`], [`DelRequest`], [`CheckRequest`], [`StatusRequest`], [`GcRequest`], and what they share, [`Context`] |
//! | errors and undo | [`Error`], [`Errors`], [`AddRequest::on_failure`] |
//! | other plugins | [`Delegate`] |
//! | namespaces and sysctls | [`Netns`], [`Sysctl`] |
//! | links, addresses, routes, neighbours | module `net`, with feature `net` |
//! | nftables and tracked flows | module `nft`, with feature `nft` |
//! | table `nat` of iptables | module `iptables`, with feature `iptables` |
//! | a plugin's state on disk | module [`files`] |
//! | types of the specification | module [`types`], which is the crate `cni-types` |
//!
//! This crate contains no runtime, which calls plugins, and no test tools. Both are in `cni-testing`.
//!
//! A plugin with IPAM. It has no code for cleaning up after a failed ADD, because the skeleton does that:
//!
//! ```
//! use cni_skel::types::{AddResult, Interface};
//! use cni_skel::{AddRequest, CheckRequest, DelRequest, Errors, Plugin, Result};
//! use serde::Deserialize;
//!
//! struct Example;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     mtu: Option<u32>,
//! }
//!
//! impl Plugin for Example {
//!     type Config = Config;
//!
//!     fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
//!         let mut result = req.ipam()?.add()?; // the IPAM plugin gets a DEL if anything below fails
//!         let mut interface = Interface::new(&req.ifname).sandbox(&req.netns);
//!         interface.mtu = req.config.mtu;
//!         let index = result.push_interface(interface);
//!         result.ips.iter_mut().for_each(|ip| ip.interface = Some(index));
//!         Ok(result)
//!     }
//!
//!     fn del(&self, req: &DelRequest<Config>) -> Result<()> {
//!         let mut errors = Errors::new(); // continues after a failure, and reports all
//!         if let Some(ipam) = errors.attempt(req.ipam()) {
//!             errors.attempt(ipam.del());
//!         }
//!         errors.finish()
//!     }
//!
//!     fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
//!         req.ipam()?.check()
//!     }
//! }
//! ```
//!
//! # Invariants
//!
//! - Only [`run`](run()) and [`Host`] touch the process environment, stdio and child processes. Only [`Netns`], [`Sysctl`] and
//!   module `net` touch the kernel's network. A test can replace both; [`seam`] replaces the kernel.
//! - stdout carries one JSON document or nothing. While a handler runs, file descriptor 1 is stderr. A result that cannot be
//!   written is a failed ADD.
//! - Every failure reaches the runtime as an error object with code, message and the request's `cniVersion`. That includes
//!   panics, input that does not decode, aborts and calls of `exit`. The exit code is 0 or 1.
//! - A handler only sees a request that parsed. What its command requires is not an `Option` in it.
//! - A failed ADD leaves nothing behind. The steps that a handler registered with [`AddRequest::on_failure`] run in reverse
//!   order if it returns an error, if it panics, and if its result cannot be delivered.
//! - DEL depends on its request alone. A namespace that has gone is `None`; a configuration that has become invalid is an
//!   error only if the handler asks for it. A second DEL succeeds.
//! - GC and STATUS are forwarded to the IPAM plugin unless a plugin implements them.
//! - Before the handler is called, `CNI_NETNS` is compared with the plugin's own namespace. If they are the same, ADD is
//!   refused, and DEL gets no namespace.
//!
//! # What an operator gets
//!
//! - A log. It is off unless variable `CNI_LOG` or key `logLevel` turns it on. Then it is on stderr, and in the file that
//!   variable `CNI_LOG_FILE` names. [`Log`] describes both and the lines. A plugin writes to it with
//!   `info!(req.log(), "made {name}")`. Each line has the trace id of variable `TRACEPARENT`, which delegates inherit.
//! - The options `--help`, `--version`, and `--schema` if the plugin has one ([`Plugin::SCHEMA`]). Text goes to stderr, because
//!   stdout carries JSON or nothing. Any other argument is an error with exit code 1, except where `CNI_COMMAND` is set: then
//!   it is ignored, as the reference library does. Without arguments and command, the plugin says on stderr what it is and
//!   which versions of the specification it supports.
//! - A hint on stderr if stdin is a terminal, because the plugin would seem to hang.
//!
//! # Error codes
//!
//! | code | when |
//! |---|---|
//! | [1](types::ErrorCode::INCOMPATIBLE_VERSION) | the plugin does not support `cniVersion`, the version does not have the command, or the version cannot express the result |
//! | [2](types::ErrorCode::UNSUPPORTED_FIELD) | [`Error::unsupported_field`]: the plugin does not support a key |
//! | [3](types::ErrorCode::UNKNOWN_CONTAINER) | only if a plugin returns it: the container is unknown, and the runtime need not clean up |
//! | [4](types::ErrorCode::INVALID_ENVIRONMENT) | a variable is missing or invalid, `CNI_COMMAND` is unknown, `CNI_NETNS` is not a network namespace or is the plugin's own, the interface exists already |
//! | [5](types::ErrorCode::IO_FAILURE) | a file, a state directory, stdin or a delegate's program cannot be used; a delegate printed more than 16 MiB |
//! | [6](types::ErrorCode::DECODING_FAILURE) | stdin is not a JSON object or is larger than 16 MiB, a value has the wrong type, a delegate printed neither a result nor an error |
//! | [7](types::ErrorCode::INVALID_NETWORK_CONFIG) | a value of the right type is invalid, or a key is missing |
//! | [11](types::ErrorCode::TRY_AGAIN_LATER) | a delegate or a lock timed out, or a pool is exhausted |
//! | [50](types::ErrorCode::NOT_AVAILABLE) | STATUS: the plugin cannot serve ADD |
//! | [51](types::ErrorCode::LIMITED_CONNECTIVITY) | only if a plugin returns it, STATUS: containers would have limited connectivity |
//! | [from 100](types::ErrorCode::plugin) | codes of a plugin's own |
//! | [999](types::ErrorCode::INTERNAL) | the kernel refused a change, the plugin panicked, aborted or exited, a delegate failed without a code, and everything else |
//!
//! A delegate's error keeps its own code. The message names the variable for code 4, key and value for code 2, and the JSON
//! path for codes 6 and 7. `details` has the chain of causes, the places of panics in any thread, and what could not be undone.
//!
//! # Conventions
//!
//! [CONVENTIONS.md](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md) gives a runtime three ways to
//! pass a value. Every request has a method for each value of the conventions. It returns a typed value, and chooses where a
//! value comes from more than one place.
//!
//! | method | `runtimeConfig` | `args.cni` | `CNI_ARGS` | precedence |
//! |---|---|---|---|---|
//! | [`port_mappings`](Context::port_mappings) | `portMappings` | | | |
//! | [`ip_ranges`](Context::ip_ranges) | `ipRanges` | | | |
//! | [`bandwidth`](Context::bandwidth) | `bandwidth` | | | |
//! | [`runtime_dns`](Context::runtime_dns) | `dns` | | | |
//! | [`mac`](Context::mac), [`ethernet_mac`](Context::ethernet_mac) | `mac` | `mac` | `MAC` | the first that is not empty, from the left |
//! | [`requested_ips`](Context::requested_ips) | `ips` | `ips` | `IP` | the first that is not empty, from the left |
//! | [`requested`](Context::requested) | any list | the same | | the first that is not empty, from the left |
//! | [`all_requested_ips`](Context::all_requested_ips) | `ips` | `ips` | `IP` | all |
//! | [`infiniband_guid`](Context::infiniband_guid) | `infinibandGUID` | | | |
//! | [`device_id`](Context::device_id) | `deviceID` | | | |
//! | [`aliases`](Context::aliases) | `aliases` | | | |
//! | [`cgroup_path`](Context::cgroup_path) | `cgroupPath` | | | |
//! | [`labels`](Context::labels) | | `labels` | | |
//! | [`pod`](Context::pod) | | | `K8S_POD_NAMESPACE`, `K8S_POD_NAME`, `K8S_POD_UID`, `K8S_POD_INFRA_CONTAINER_ID` | |
//!
//! Other keys are read with [`Context::runtime_config`], [`Context::args_cni`] and [`Context::args`].
//!
//! ```
//! use cni_skel::types::{AddResult, Protocol};
//! use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
//!
//! struct Ports;
//!
//! impl Plugin for Ports {
//!     type Config = NoConfig;
//!
//!     fn add(&self, req: &AddRequest) -> Result<AddResult> {
//!         for mapping in req.port_mappings()?.iter().filter(|mapping| mapping.protocol == Protocol::Tcp) {
//!             eprintln!("host port {} to container port {}", mapping.host_port, mapping.container_port);
//!         }
//!         Ok(req.prev_result()?.cloned().unwrap_or_default())
//!     }
//! #
//! #     fn del(&self, _: &DelRequest) -> Result<()> {
//! #         Ok(())
//! #     }
//! #
//! #     fn check(&self, _: &CheckRequest) -> Result<()> {
//! #         Ok(())
//! #     }
//! }
//! ```
//!
//! # Order of modules
//!
//! A module uses only modules before it in this list, from the ground up: `env`, `sys`, `seam`, `files`; `log`, `reply`;
//! `netns`, `sysctl`, `netlink`, `net`, `nft`; `host`, `request`, `delegate`, `plugin`; `iptables`; `dispatch`, `process`.

mod env;
mod sys;

pub mod seam;

pub mod files;

mod log;

mod reply;

mod netns;
mod sysctl;

#[cfg(feature = "net")]
mod netlink;

#[cfg(feature = "net")]
pub mod net;

#[cfg(feature = "nft")]
pub mod nft;

mod host;

mod request;

mod delegate;
mod plugin;

#[cfg(feature = "iptables")]
pub mod iptables;

mod dispatch;

mod process;

pub use cni_types as types;
pub use delegate::{Delegate, PendingAdd};
pub use dispatch::dispatch;
pub use env::Env;
pub use host::{Child, Execution, Host, Output};
pub use log::{Level, Log};
pub use netns::Netns;
pub use plugin::Plugin;
pub use process::{System, run};
pub use reply::{Error, Errors, Reply, Result, Undelivered};
pub use request::{
    AddRequest, CheckRequest, Context, DelRequest, GcRequest, Invocation, NoConfig, StatusRequest,
};
pub use sysctl::Sysctl;

/// The clauses of the specification: where each is implemented, and which tests check it.
#[cfg(doc)]
#[doc = include_str!("../docs/specification.md")]
pub mod specification {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
