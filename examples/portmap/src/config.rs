//! What an administrator writes, and what it comes to.

use cni_skel::{Error, Result};
use serde::Deserialize;

use crate::conditions::{self, Conditions, Syntax};

/// The bit that marks packets for masquerading where nobody says another: Kubernetes has 14 and 15, Calico 20 to 31.
const MARK_MASQ_BIT: u8 = 13;
/// The longest name of a chain that iptables takes.
const MAX_CHAIN: usize = 28;

/// The plugin's configuration. Each key and its meaning is the reference plugin's, but for `layout`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Config {
    /// What ports are mapped with: key `backend`, `nftables` or `iptables`.
    pub backend: Option<String>,
    /// How nftables is used: key `layout`, `rules` as the reference plugin does, or `maps`.
    pub layout: Option<String>,
    /// Whether what comes from the container itself and from the host's loopback address is masqueraded, so that the
    /// container can answer: key `snat`, true if unset.
    pub snat: Option<bool>,
    /// Whether all that comes by a mapped port is masqueraded: key `masqAll`.
    pub masq_all: Option<bool>,
    /// The bit that marks packets for masquerading, with iptables: key `markMasqBit`, 13 if unset.
    pub mark_masq_bit: Option<i64>,
    /// A chain of iptables that marks packets for masquerading, made and used by somebody else: key
    /// `externalSetMarkChain`.
    pub external_set_mark_chain: Option<String>,
    /// What packets over IPv4 have to be like for their ports to be mapped: key `conditionsV4`, in the words of the
    /// backend.
    pub conditions_v4: Option<Vec<String>>,
    /// The same over IPv6: key `conditionsV6`.
    pub conditions_v6: Option<Vec<String>>,
}

/// The configuration without contradictions.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The backend, where one is asked for or implied.
    pub(crate) backend: Option<Backend>,
    pub(crate) snat: bool,
    pub(crate) masq_all: bool,
    pub(crate) mark: Mark,
    pub(crate) conditions: Conditions,
}

/// What ports are mapped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A rule for each port, as the reference plugin makes it.
    Nftables,
    /// An element of a map for each port.
    NftablesMaps,
    Iptables,
}

/// How iptables knows what to masquerade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Bit(u8),
    ExternalChain(String),
}

impl Config {
    /// Looks for what will not do. Not part of decoding, because DEL must clean up whatever is configured by now.
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
                return Err(Error::invalid_config(format!("layout: \"maps\" is not for backend {other:?}")));
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
            // What is there tells which one is meant.
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
            let msg = "conditionsV4, conditionsV6: conditions are not for layout \"maps\"";
            return Err(Error::invalid_config(msg));
        }
        if let Some(chain) = external.filter(|_| backend.is_some_and(|b| b != Backend::Iptables)) {
            let msg = format!("externalSetMarkChain: {chain} is for backend \"iptables\" only");
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
                    let msg = format!("externalSetMarkChain: {chain:?} is no name of a chain of iptables");
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

/// What runtimes written in Go send for a key that is not set is none.
fn text(key: &Option<String>) -> Option<&str> {
    key.as_deref().filter(|text| !text.is_empty())
}
