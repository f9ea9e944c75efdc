//! The network configuration.

use cni_skel::{Error, Result};
use serde::Deserialize;

use crate::conditions::{self, Conditions, Syntax};

/// The default bit that marks packets for masquerading. Kubernetes uses 14 and 15, Calico 20 to 31.
const MARK_MASQ_BIT: u8 = 13;
/// The longest name of a chain that iptables takes.
const MAX_CHAIN: usize = 28;

/// The plugin's configuration. Each key and its meaning is the reference plugin's, but for `layout`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Config {
    /// Key `backend`: `nftables` or `iptables`.
    pub backend: Option<String>,
    /// Key `layout`: `rules`, the reference plugin's layout of nftables, or `maps`.
    pub layout: Option<String>,
    /// Key `snat`: whether packets to a mapped port are masqueraded if they come from the container itself or from the host's
    /// loopback address. True by default.
    pub snat: Option<bool>,
    /// Key `masqAll`: whether all packets to a mapped port are masqueraded.
    pub masq_all: Option<bool>,
    /// Key `markMasqBit`: the bit that marks packets for masquerading with iptables. 13 by default.
    pub mark_masq_bit: Option<i64>,
    /// Key `externalSetMarkChain`: an iptables chain of another program that marks packets for masquerading.
    pub external_set_mark_chain: Option<String>,
    /// Key `conditionsV4`: the condition that IPv4 packets must match for their ports to be mapped, in the syntax of the
    /// backend.
    pub conditions_v4: Option<Vec<String>>,
    /// Key `conditionsV6`: the same for IPv6.
    pub conditions_v6: Option<Vec<String>>,
}

/// The validated configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The backend, if one is configured or implied.
    pub(crate) backend: Option<Backend>,
    pub(crate) snat: bool,
    pub(crate) masq_all: bool,
    pub(crate) mark: Mark,
    pub(crate) conditions: Conditions,
}

/// The packet filter and the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A rule for each port, as in the reference plugin.
    Nftables,
    /// A map element for each port.
    NftablesMaps,
    Iptables,
}

/// How packets are marked for masquerading with iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Bit(u8),
    ExternalChain(String),
}

impl Config {
    /// Validates the configuration. Decoding does not, because DEL must work with an invalid configuration.
    ///
    /// # Errors
    /// Code 7, naming key and value.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let conditions = Conditions::parse(self.conditions_v4.as_deref(), self.conditions_v6.as_deref())?;
        let mark = self.mark()?;
        let external = self.external_set_mark_chain.as_deref().filter(|chain| !chain.is_empty());
        let backend = match (text(&self.backend), text(&self.layout)) {
            (None | Some("nftables"), Some("maps")) => Some(Backend::NftablesMaps),
            (Some(other), Some("maps")) => {
                return Err(Error::invalid_config(format!(
                    "layout: \"maps\" requires backend \"nftables\", not {other:?}"
                )));
            }
            (_, Some(other)) if other != "rules" => {
                let msg = format!("layout: {other:?} is neither \"rules\" nor \"maps\"");
                return Err(Error::invalid_config(msg));
            }
            (Some("nftables"), _) => Some(Backend::Nftables),
            (Some("iptables"), _) => Some(Backend::Iptables),
            (Some(other), _) => {
                let msg = format!("backend: {other:?} is neither \"nftables\" nor \"iptables\"");
                return Err(Error::invalid_config(msg));
            }
            // Other keys imply the backend.
            (None, _) => match conditions.syntax() {
                Some(Syntax::Iptables) => Some(Backend::Iptables),
                Some(Syntax::Nftables) => Some(Backend::Nftables),
                None => external.map(|_| Backend::Iptables),
            },
        };
        let has_others = match backend {
            Some(Backend::Iptables) => conditions.has(Syntax::Nftables),
            _ => conditions.has(Syntax::Iptables),
        };
        if has_others {
            return Err(conditions::of_another_backend(self));
        }
        if backend == Some(Backend::NftablesMaps) && conditions.syntax().is_some() {
            let msg = "conditionsV4 and conditionsV6 are not supported with layout \"maps\"";
            return Err(Error::invalid_config(msg));
        }
        if let Some(chain) = external.filter(|_| backend.is_some_and(|b| b != Backend::Iptables)) {
            let msg = format!("externalSetMarkChain: {chain} requires backend \"iptables\"");
            return Err(Error::invalid_config(msg));
        }
        let (snat, masq_all) = (self.snat.unwrap_or(true), self.masq_all.unwrap_or(false));
        Ok(Settings { backend, snat, masq_all, mark, conditions })
    }

    fn mark(&self) -> Result<Mark> {
        let external = self.external_set_mark_chain.as_deref().filter(|chain| !chain.is_empty());
        match (self.mark_masq_bit, external) {
            (Some(bit), Some(chain)) => {
                let msg = format!("markMasqBit: {bit} and externalSetMarkChain: {chain} exclude each other");
                Err(Error::invalid_config(msg))
            }
            (None, Some(chain)) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
                if chain.len() > MAX_CHAIN || chain.starts_with('-') || !chain.chars().all(is_name) {
                    let msg =
                        format!("externalSetMarkChain: {chain:?} is not a valid name of an iptables chain");
                    return Err(Error::invalid_config(msg));
                }
                Ok(Mark::ExternalChain(chain.to_owned()))
            }
            (Some(bit), None) => match u8::try_from(bit) {
                Ok(bit @ 0..=31) => Ok(Mark::Bit(bit)),
                _ => Err(Error::invalid_config(format!("markMasqBit: {bit} is not between 0 and 31"))),
            },
            (None, None) => Ok(Mark::Bit(MARK_MASQ_BIT)),
        }
    }
}

/// Treats an empty text as unset: runtimes written in Go send it for a key without a value.
fn text(key: &Option<String>) -> Option<&str> {
    key.as_deref().filter(|text| !text.is_empty())
}
