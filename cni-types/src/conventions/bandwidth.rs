//! Limits of the traffic of a container.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// Limits of the traffic of a container: capability
/// [`bandwidth`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
///
/// A rate that is absent, `null` or 0 means no limit. A rate without a burst, or a burst without a rate, is an error,
/// because a token bucket needs both. The reference plugin `bandwidth` has the same keys in its configuration, so
/// [`PluginConfig::decode`](crate::PluginConfig::decode) can decode this type too.
///
/// ```
/// use cni_types::{Bandwidth, from_json};
///
/// let bandwidth: Bandwidth = from_json(r#"{"ingressRate": 8000000, "ingressBurst": 34359738359}"#)?;
/// let ingress = bandwidth.ingress.unwrap();
/// assert_eq!((ingress.rate.get(), ingress.burst.get()), (8_000_000, 34_359_738_359));
/// assert!(bandwidth.egress.is_none());
///
/// assert!(from_json::<Bandwidth>(r#"{"egressRate": 8000000}"#).is_err());
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct Bandwidth {
    /// The limit for traffic to the container: keys `ingressRate` and `ingressBurst`.
    pub ingress: Option<RateLimit>,
    /// The limit for traffic from the container: keys `egressRate` and `egressBurst`.
    pub egress: Option<RateLimit>,
}

impl Bandwidth {
    /// Makes limits for the two directions.
    pub fn new(ingress: Option<RateLimit>, egress: Option<RateLimit>) -> Self {
        Self { ingress, egress }
    }

    /// Returns whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// The limit for one direction, in bits and not in bytes, as in capability
/// [`bandwidth`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration)
///
/// ```
/// use cni_types::RateLimit;
///
/// let limit = RateLimit::new(8_000_000.try_into()?, 64_000.try_into()?);
/// assert_eq!(limit.rate.get(), 8_000_000);
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RateLimit {
    /// The sustained rate in bits per second.
    pub rate: NonZeroU64,
    /// The burst in bits.
    pub burst: NonZeroU64,
}

impl RateLimit {
    /// Makes a limit of a rate in bits per second and a burst in bits.
    pub fn new(rate: NonZeroU64, burst: NonZeroU64) -> Self {
        Self { rate, burst }
    }
}

/// The four numbers in JSON. CRI-O sends bursts that need more than 32 bits.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(skip_serializing_if = "is_zero")]
    ingress_rate: u64,
    #[serde(skip_serializing_if = "is_zero")]
    ingress_burst: u64,
    #[serde(skip_serializing_if = "is_zero")]
    egress_rate: u64,
    #[serde(skip_serializing_if = "is_zero")]
    egress_burst: u64,
}

impl TryFrom<Wire> for Bandwidth {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let limit = |direction, rate, burst| match (NonZeroU64::new(rate), NonZeroU64::new(burst)) {
            (None, None) => Ok(None),
            (Some(rate), Some(burst)) => Ok(Some(RateLimit { rate, burst })),
            (Some(rate), None) => Err(format!("{direction}Rate {rate} without {direction}Burst")),
            (None, Some(burst)) => Err(format!("{direction}Burst {burst} without {direction}Rate")),
        };
        Ok(Self {
            ingress: limit("ingress", wire.ingress_rate, wire.ingress_burst)?,
            egress: limit("egress", wire.egress_rate, wire.egress_burst)?,
        })
    }
}

impl From<Bandwidth> for Wire {
    fn from(bandwidth: Bandwidth) -> Self {
        let numbers = |limit: Option<RateLimit>| limit.map_or((0, 0), |l| (l.rate.get(), l.burst.get()));
        let (ingress_rate, ingress_burst) = numbers(bandwidth.ingress);
        let (egress_rate, egress_burst) = numbers(bandwidth.egress);
        Self { ingress_rate, ingress_burst, egress_rate, egress_burst }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
