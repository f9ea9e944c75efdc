//! The values of capabilities and of `args.cni`, by the conventions beside the specification. If a value may come from
//! several places, `cni-skel` decides which one counts.

mod alias;
mod bandwidth;
mod cgroup_path;
mod device_id;
mod infiniband_guid;
mod ip_range;
mod label;
mod pod;
mod port_mapping;
mod requested_ip;
mod runtime_dns;

pub use alias::Alias;
pub use bandwidth::{Bandwidth, RateLimit};
pub use cgroup_path::CgroupPath;
pub use device_id::DeviceId;
pub use infiniband_guid::{InfinibandGuid, InvalidGuid};
pub use ip_range::IpRange;
pub use label::Label;
pub use pod::Pod;
pub use port_mapping::{PortMapping, Protocol, UnknownProtocol};
pub use requested_ip::RequestedIp;
pub use runtime_dns::RuntimeDns;

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, de};

use crate::address::parse_ip;

/// Decodes an optional address. `""` counts as absent, because runtimes in Go send it for a field that is not set.
fn address_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => parse_ip(text).map(|ip| Some(ip.to_canonical())).map_err(de::Error::custom),
    }
}
