//! How fast a container may send and receive.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// Limits of a container's traffic: capability
/// [`bandwidth`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
///
/// A rate that is absent, `null` or 0 means no limit. A rate without a burst, or the other way round, is refused: a
/// token bucket needs both. The reference's bandwidth plugin takes the same keys in its own configuration, which
/// [`PluginConfig::decode`](crate::PluginConfig::decode) reads as this type.
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
    /// What the container may receive: keys `ingressRate` and `ingressBurst`.
    pub ingress: Option<RateLimit>,
    /// What the container may send: keys `egressRate` and `egressBurst`.
    pub egress: Option<RateLimit>,
}

impl Bandwidth {
    /// Limits what the container may receive and send.
    pub fn new(ingress: Option<RateLimit>, egress: Option<RateLimit>) -> Self {
        Self { ingress, egress }
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// The limit of one direction, as capability
/// [`bandwidth`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration)
/// gives it: in bits, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RateLimit {
    /// The lasting rate in bits per second.
    pub rate: NonZeroU64,
    /// How many bits may come at once.
    pub burst: NonZeroU64,
}

impl RateLimit {
    /// Limits to a rate in bits per second, with a burst in bits.
    pub fn new(rate: NonZeroU64, burst: NonZeroU64) -> Self {
        Self { rate, burst }
    }
}

/// The four numbers of the wire. CRI-O sends bursts that need more than 32 bits.
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
