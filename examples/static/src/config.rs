//! The configuration, and the addresses that follow from it.

use std::net::IpAddr;

use cni_skel::types::{CniArgs, Dns, ErrorCode, IpConfig, RequestedIp, Route, SpecVersion, parse_cidr};
use cni_skel::{Context, Error, Result};
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The decoded configuration, with the addresses that the runtime asks for.
#[derive(Debug)]
pub(crate) struct Config {
    /// The routes of the result.
    pub(crate) routes: Vec<Route>,
    /// The resolver settings of the result.
    pub(crate) dns: Dns,
    addresses: Vec<Address>,
    /// The addresses that the runtime asks for: `runtimeConfig.ips` or `args.cni.ips`.
    requested: Vec<Cidr>,
}

/// Key `ipam`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ipam {
    addresses: Vec<Address>,
    routes: Vec<Route>,
    dns: Dns,
}

#[derive(Debug, Deserialize)]
struct Address {
    address: Cidr,
    #[serde(default, deserialize_with = "optional_address")]
    gateway: Option<IpAddr>,
}

/// An address with its prefix length.
#[derive(Clone, Copy, Debug)]
struct Cidr(IpNet);

impl Config {
    /// Decodes the keys from the whole configuration.
    ///
    /// # Errors
    /// Code 6 or 7 if a key is invalid, naming its path; 7 if `ipam` is missing.
    pub(crate) fn decode(context: &Context) -> Result<Self> {
        let missing = || Error::invalid_config("missing ipam in the network configuration");
        let ipam: Option<Ipam> = context.plugin_config().get("ipam")?;
        let Ipam { addresses, routes, dns } = ipam.ok_or_else(missing)?;
        Ok(Self { routes, dns, addresses, requested: context.requested("ips")? })
    }

    /// Returns the addresses to assign: those that the runtime asks for in the configuration, else the configured ones
    /// followed by those of `IP` in `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 4 if `IP` or `GATEWAY` in `CNI_ARGS` is invalid, and 7 if there are more addresses than a result of the
    /// version can contain.
    pub(crate) fn addresses(&self, args: &CniArgs, version: SpecVersion) -> Result<Vec<IpConfig>> {
        let gateways = args.gateways()?;
        let extra = args.ips()?.into_iter().map(with_prefix).collect::<Result<Vec<_>>>()?;
        let configured = self.addresses.iter().map(|address| (address.address.0, address.gateway));
        let ips: Vec<_> = if self.requested.is_empty() {
            let extra = extra.into_iter().map(|address| (address, within(address, &gateways)));
            configured.chain(extra).map(|(address, gateway)| ip(address, gateway)).collect()
        } else {
            self.requested.iter().map(|address| ip(address.0, None)).collect()
        };
        for family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            if version < SpecVersion::V0_3_0 && ips.iter().filter(|ip| family(&ip.address.addr())).count() > 1
            {
                let msg = format!("cniVersion {version} does not support more than 1 address per family");
                return Err(Error::invalid_config(msg));
            }
        }
        Ok(ips)
    }
}

fn ip(address: IpNet, gateway: Option<IpAddr>) -> IpConfig {
    let ip = IpConfig::new(address);
    match gateway {
        Some(gateway) => ip.gateway(gateway),
        None => ip,
    }
}

/// Returns the last of the gateways that are in the subnet of an address, as the reference plugin does.
fn within(address: IpNet, gateways: &[IpAddr]) -> Option<IpAddr> {
    gateways.iter().rev().find(|gateway| address.contains(*gateway)).copied()
}

/// `static` has no subnets, so an address in `CNI_ARGS` needs its own prefix length.
fn with_prefix(requested: RequestedIp) -> Result<IpNet> {
    requested.net().ok_or_else(|| {
        let msg = format!("invalid CNI_ARGS: IP: {requested} has no prefix");
        Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
    })
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_cidr(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// Decodes an address. An empty text is `None`.
fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = |_| D::Error::custom(format!("invalid IP address: {text}"));
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(invalid) }
}
