//! The configuration, and the addresses that it comes to.

use std::net::IpAddr;

use cni_skel::types::{CniArgs, Dns, ErrorCode, IpConfig, RequestedIp, Route, SpecVersion, parse_cidr};
use cni_skel::{Context, Error, Result};
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What the configuration and the runtime say.
#[derive(Debug)]
pub(crate) struct Config {
    /// The routes that every result gets.
    pub(crate) routes: Vec<Route>,
    /// The resolver settings that every result gets.
    pub(crate) dns: Dns,
    addresses: Vec<Address>,
    asked: Vec<Cidr>,
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
    #[serde(default, deserialize_with = "address_or_empty")]
    gateway: Option<IpAddr>,
}

/// An address with its prefix.
#[derive(Clone, Copy, Debug)]
struct Cidr(IpNet);

impl Config {
    /// Decodes the keys from the whole configuration.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path of the key; 7 when there is no `ipam`.
    pub(crate) fn decode(context: &Context) -> Result<Self> {
        let missing = || Error::invalid_config("missing ipam in the network configuration");
        let ipam: Option<Ipam> = context.plugin_config().get("ipam")?;
        let Ipam { addresses, routes, dns } = ipam.ok_or_else(missing)?;
        Ok(Self { routes, dns, addresses, asked: context.requested("ips")? })
    }

    /// The addresses to hand out: those that the runtime asks for as a capability, else those in `args.cni.ips`, else
    /// the configured ones and behind them those of `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 4 when `IP` or `GATEWAY` in `CNI_ARGS` are something else, 7 when there are more than the version can say.
    pub(crate) fn addresses(&self, args: &CniArgs, version: SpecVersion) -> Result<Vec<IpConfig>> {
        let gateways = args.gateways()?;
        let extra = args.ips()?.into_iter().map(with_prefix).collect::<Result<Vec<_>>>()?;
        let configured = self.addresses.iter().map(|address| (address.address.0, address.gateway));
        let ips: Vec<_> = if self.asked.is_empty() {
            let extra = extra.into_iter().map(|address| (address, within(address, &gateways)));
            configured.chain(extra).map(|(address, gateway)| ip(address, gateway)).collect()
        } else {
            self.asked.iter().map(|address| ip(address.0, None)).collect()
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

/// The last of the gateways in the subnet of an address, as the reference chooses it.
fn within(address: IpNet, gateways: &[IpAddr]) -> Option<IpAddr> {
    gateways.iter().rev().find(|gateway| address.contains(*gateway)).copied()
}

/// There is no subnet that an address of `CNI_ARGS` could be in without saying so.
fn with_prefix(asked: RequestedIp) -> Result<IpNet> {
    asked.net().ok_or_else(|| {
        let msg = format!("invalid CNI_ARGS: IP: {asked} has no prefix");
        Error::new(ErrorCode::INVALID_ENVIRONMENT, msg)
    })
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_cidr(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// An address; an empty text is none.
fn address_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = |_| D::Error::custom(format!("invalid IP address: {text}"));
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(invalid) }
}
