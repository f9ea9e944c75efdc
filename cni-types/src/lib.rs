//! The vocabulary of the [CNI specification](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md),
//! versions 0.1.0 to 1.1.0, as types.
//!
//! Here are the [versions](SpecVersion) and their [negotiation](negotiate), the [commands](Command), the names that the
//! protocol hands around ([`ContainerId`], [`IfName`], [`NetworkName`], [`PluginName`]), the configuration of a
//! [plugin](PluginConfig) and of a [network](NetworkList), `CNI_ARGS` ([`CniArgs`]), the [result](AddResult) of ADD, the
//! [error](ErrorObject), the answer to [VERSION](VersionReply), and what capabilities and `args.cni` carry by convention:
//! [`PortMapping`], [`IpRange`], [`Bandwidth`], [`RuntimeDns`], [`RequestedIp`], [`InfinibandGuid`], [`DeviceId`], [`Alias`],
//! [`CgroupPath`], [`Label`].
//!
//! Not here: reading stdin or the environment, calling plugins, and deciding anything. Plugins are written with
//! `cni-skel`, which re-exports this crate as `types`.
//!
//! ```
//! use cni_types::{AddResult, Command, PluginConfig, SpecVersion, negotiate};
//!
//! let config = PluginConfig::parse(br#"{
//!     "cniVersion": "0.4.0", "name": "lan", "type": "tuning",
//!     "prevResult": {"ips": [{"version": "4", "address": "10.1.0.2/16"}], "example.com/id": 12345678901234567890123}
//! }"#)?;
//! let version = negotiate(Command::Add, config.cni_version(), SpecVersion::ALL)?;
//! let result: AddResult = config.prev_result()?.unwrap();
//! assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/16");
//! // What nobody here knows passes through, to the digit.
//! assert!(result.encode(version)?.contains("12345678901234567890123"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What stays true
//!
//! - Nothing here performs I/O.
//! - The [result](AddResult) has one shape, the newest, and its version is no field of it. `encode` and `decode` are the
//!   only doors to the shapes of the wire; what a conversion loses can be [asked for](AddResult::losses) and is
//!   [listed](conversions), with all differences from the Go library.
//! - What is not understood in a `prevResult` or configuration is passed on unchanged.
//! - A value that exists is valid.
//!
//! # How the modules may use each other
//!
//! Each uses only modules before it: `code`, `version`, `command`, `negotiate`, `name`, `address`, `attachment`, `mac`,
//! `json`, `error_object`, `version_reply`, `dns`, `route`, `result`, `wire`, `conventions`, `args`, `config`, `list`.
#![forbid(unsafe_code)]

mod code;
mod version;

mod command;
mod negotiate;

mod name;

mod address;
mod attachment;
mod mac;

mod json;

mod error_object;
mod version_reply;

mod dns;
mod route;

mod result;
mod wire;

mod conventions;

mod args;
mod config;
mod list;

pub use address::{InvalidAddress, parse_cidr};
pub use args::{ArgsError, CniArgs};
pub use attachment::Attachment;
pub use code::ErrorCode;
pub use command::{Command, UnknownCommand};
pub use config::PluginConfig;
pub use conventions::{
    Alias, Bandwidth, CgroupPath, DeviceId, InfinibandGuid, InvalidGuid, IpRange, Label, Pod, PortMapping,
    Protocol, RateLimit, RequestedIp, RuntimeDns, UnknownProtocol,
};
pub use dns::Dns;
pub use error_object::ErrorObject;
pub use json::{DecodeError, Extra, from_json};
pub use list::{NetworkList, PluginEntry};
pub use mac::{InvalidMac, MacAddr};
pub use name::{ContainerId, IfName, InvalidName, NetworkName, PluginName};
pub use negotiate::negotiate;
pub use result::{AddResult, Interface, IpConfig};
pub use route::Route;
pub use version::{SpecVersion, VersionError};
pub use version_reply::VersionReply;
pub use wire::{EncodeError, Loss};

/// What a conversion between versions loses, and what differs from the Go library.
#[cfg(doc)]
#[doc = include_str!("../docs/conversions.md")]
pub mod conversions {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
