//! Types for the [CNI specification](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md), versions 0.1.0
//! to 1.1.0.
//!
//! | what | items |
//! |---|---|
//! | versions and commands | [`SpecVersion`], [`Command`], [`negotiate`], [`VersionReply`] |
//! | names | [`ContainerId`], [`IfName`], [`NetworkName`], [`PluginName`], [`Attachment`] |
//! | configuration | [`PluginConfig`], [`NetworkList`], [`CniArgs`], [`from_json`] for a type of your own |
//! | results | [`AddResult`], [`Interface`], [`IpConfig`], [`Route`], [`Dns`] |
//! | errors | [`ErrorObject`], [`ErrorCode`] |
//! | capabilities and `args.cni` | [`PortMapping`], [`IpRange`], [`Bandwidth`], [`RuntimeDns`], [`RequestedIp`], [`MacAddr`], [`InfinibandGuid`], [`DeviceId`], [`Alias`], [`CgroupPath`], [`Label`] |
//!
//! This crate does not read stdin or the environment, does not call plugins, and makes no policy decisions. Plugins are
//! written with `cni-skel`, which re-exports this crate as `types`.
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
//! // Unknown keys pass through unchanged, large integers included.
//! assert!(result.encode(version)?.contains("12345678901234567890123"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - No function performs I/O.
//! - A [result](AddResult) has one shape in memory, that of the newest version, and its version is not a field. Only
//!   `encode` and `decode` handle the shapes of the versions. [`AddResult::losses`] reports what a version cannot
//!   express, and the page [`conversions`] lists it, with all differences from the Go library.
//! - Unknown parts of a `prevResult` or a configuration pass through unchanged.
//! - A value of a type with rules, for example [`IfName`], is always valid.
//!
//! # Order of modules
//!
//! A module uses only modules before it in this list: `code`, `version`, `command`, `negotiation`, `name`, `address`,
//! `attachment`, `mac`, `json`, `error_object`, `version_reply`, `dns`, `route`, `result`, `wire`, `conventions`, `args`,
//! `config`, `list`.
#![forbid(unsafe_code)]

mod code;
mod version;

mod command;
mod negotiation;

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
pub use negotiation::negotiate;
pub use result::{AddResult, Interface, IpConfig};
pub use route::Route;
pub use version::{SpecVersion, VersionError};
pub use version_reply::VersionReply;
pub use wire::{EncodeError, Loss};

/// What a conversion between versions loses, and the differences from the Go library.
#[cfg(doc)]
#[doc = include_str!("../docs/conversions.md")]
pub mod conversions {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
