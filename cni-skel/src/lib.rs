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
//! Here are the [entrypoint](run()), the [requests](AddRequest) that a handler gets, the [error](Error) that it returns,
//! [delegation](Delegate) to IPAM and other plugins, undo ([`AddRequest::on_failure`]), network [namespaces](Netns) and
//! [sysctls](Sysctl); with feature `net` links, addresses, routes and neighbours ([`net::Net`]), with
//! feature `nft` nftables and tracked flows (`nft::Nft`), with feature `iptables` table `nat` of iptables
//! (`iptables::Iptables`); and the [vocabulary](types) of the specification, which is the crate `cni-types`.
//!
//! Not here: a runtime, which calls plugins, and what tests need; both are in `cni-testing`.
//!
//! A plugin with IPAM. Nothing in it is about cleaning up after a failed ADD, because the skeleton does that:
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
//!         let mut result = req.ipam()?.add()?; // gets a DEL should anything below fail
//!         let mut interface = Interface::new(req.ifname.as_str()).sandbox(&req.netns);
//!         interface.mtu = req.config.mtu;
//!         let index = result.push_interface(interface);
//!         result.ips.iter_mut().for_each(|ip| ip.interface = Some(index));
//!         Ok(result)
//!     }
//!
//!     fn del(&self, req: &DelRequest<Config>) -> Result<()> {
//!         let mut errors = Errors::new(); // DEL goes on after a failure, and reports all
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
//! # What stays true
//!
//! - Only [`run`](run()) and [`Host`] touch the process environment, stdio and child processes; only [`Netns`], [`Sysctl`] and
//!   [`net`] touch the kernel's network. A test can replace both, the kernel by what [`seam`] tells.
//! - stdout carries one JSON document or nothing. While a handler runs, file descriptor 1 is stderr. A result that cannot
//!   be written is a failed ADD.
//! - Every failure reaches the runtime as an error object with code, message and the request's `cniVersion`: a panic too,
//!   input that does not decode too, an abort or a call of `exit` too. The exit code is 0 or 1.
//! - A handler only sees a request that parsed. What its command requires is no `Option` in it.
//! - A failed ADD leaves nothing behind: what a handler told to [`AddRequest::on_failure`] is undone in reverse order when
//!   it returns an error, when it panics, and when its result cannot be delivered.
//! - DEL depends on its request alone. A namespace that is gone is none; a second DEL succeeds.
//! - GC and STATUS are forwarded to the IPAM plugin unless a plugin has its own.
//! - The check that `CNI_NETNS` is not the plugin's own namespace comes before the handler: ADD is refused, DEL gets no
//!   namespace.
//!
//! # What an operator gets
//!
//! - A log. It is off unless variable `CNI_LOG` or key `logLevel` turns it on. Then it is on stderr, and in the file that
//!   variable `CNI_LOG_FILE` names. [`Log`] describes both and the lines. A plugin writes to it with
//!   `info!(req.log(), "made {name}")`.
//! - The trace that a call belongs to ([`Context::trace`]), whose id is in each line of the log. Delegates get the
//!   variables as they are.
//! - On the command line `--help`, `--version`, and `--schema` where the plugin has one ([`Plugin::SCHEMA`]). Text goes to
//!   stderr, so that stdout carries JSON or nothing here too. Any other argument is refused, with exit code 1; but where
//!   `CNI_COMMAND` is set it is ignored, as the reference library does. Neither argument nor command: what the plugin is
//!   and which versions it speaks, on stderr.
//! - A hint on stderr where stdin is a terminal, because the plugin would seem to hang.
//!
//! # Which code an error has
//!
//! | code | when |
//! |---|---|
//! | [1](types::ErrorCode::INCOMPATIBLE_VERSION) | the plugin does not speak `cniVersion`, the version does not have the command, or it cannot say the result |
//! | [2](types::ErrorCode::UNSUPPORTED_FIELD) | [`Error::unsupported_field`]: a key that the plugin does not support |
//! | [3](types::ErrorCode::UNKNOWN_CONTAINER) | a plugin's own choice: the container is unknown, and the runtime need not clean up |
//! | [4](types::ErrorCode::INVALID_ENVIRONMENT) | a variable is missing or invalid, `CNI_COMMAND` is unknown, `CNI_NETNS` is no namespace or the plugin's own, the interface is there already |
//! | [5](types::ErrorCode::IO_FAILURE) | a file, a state directory, stdin or a delegate's program cannot be used, a delegate printed more than 16 MiB |
//! | [6](types::ErrorCode::DECODING_FAILURE) | stdin is no JSON object or larger than 16 MiB, a value has another type, a delegate printed something else than an answer |
//! | [7](types::ErrorCode::INVALID_NETWORK_CONFIG) | a value of the right type will not do, a key is missing |
//! | [11](types::ErrorCode::TRY_AGAIN_LATER) | a delegate or a lock did not answer in time, a pool is exhausted, other programs kept changing the same thing |
//! | [50](types::ErrorCode::NOT_AVAILABLE) | STATUS: ADD cannot be served |
//! | [51](types::ErrorCode::LIMITED_CONNECTIVITY) | a plugin's own choice, STATUS: containers would have limited connectivity |
//! | [from 100](types::ErrorCode::plugin) | what else a plugin wants to tell apart |
//! | [999](types::ErrorCode::INTERNAL) | the kernel refused, the plugin panicked, aborted or exited, a delegate failed without a code, and all else |
//!
//! A delegate's error keeps its own code. Code 4 names the variable, 2 key and value, 6 and 7 the JSON path; `details` has
//! the chain of causes, where a panic was in any thread, and what could not be undone.
//!
//! # What a runtime asks for by convention
//!
//! [CONVENTIONS.md](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md) gives a runtime three ways
//! to ask for something. Every request has a method for each; they return typed values, and where there is more than one
//! place they decide which one counts.
//!
//! | method | `runtimeConfig` | `args.cni` | `CNI_ARGS` | of several |
//! |---|---|---|---|---|
//! | [`port_mappings`](Context::port_mappings) | `portMappings` | | | |
//! | [`ip_ranges`](Context::ip_ranges) | `ipRanges` | | | |
//! | [`bandwidth`](Context::bandwidth) | `bandwidth` | | | |
//! | [`runtime_dns`](Context::runtime_dns) | `dns` | | | |
//! | [`mac`](Context::mac), [`ethernet_mac`](Context::ethernet_mac) | `mac` | `mac` | `MAC` | the leftmost that is not empty |
//! | [`requested_ips`](Context::requested_ips) | `ips` | `ips` | `IP` | the leftmost that is not empty |
//! | [`requested`](Context::requested) | any list | the same | | the leftmost that is not empty |
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
//!             eprintln!("port {} leads to {}", mapping.host_port, mapping.container_port);
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

/// Where each clause of the specification is carried out, and which test holds it.
#[cfg(doc)]
#[doc = include_str!("../docs/specification.md")]
pub mod specification {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
