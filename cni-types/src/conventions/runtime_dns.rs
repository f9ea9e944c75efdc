//! Resolver settings from the runtime.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize};

use crate::Dns;

/// Resolver settings that the runtime passes for a container: capability
/// [`dns`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
///
/// Its keys differ from those of [`Dns`], into which it converts. Servers are IP addresses; an IPv6 address may have a
/// zone. No value contains white space or control characters, so it is safe to write them into `/etc/resolv.conf`.
///
/// ```
/// use cni_types::{Dns, RuntimeDns, from_json};
///
/// let dns: RuntimeDns = from_json(r#"{"servers": ["10.4.2.10"], "searches": ["corp.example"], "options": null}"#)?;
/// let dns = Dns::from(dns);
/// assert_eq!((dns.nameservers, dns.search), (vec!["10.4.2.10".to_owned()], vec!["corp.example".to_owned()]));
///
/// assert!(from_json::<RuntimeDns>(r#"{"servers": ["ns1.corp.example"]}"#).is_err());
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeDns {
    #[serde(deserialize_with = "servers")]
    servers: Vec<String>,
    #[serde(deserialize_with = "words")]
    searches: Vec<String>,
    #[serde(deserialize_with = "words")]
    options: Vec<String>,
}

impl RuntimeDns {
    /// The addresses of the name servers as text, in order of preference: key `servers`.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// The search domains for short names: key `searches`.
    pub fn searches(&self) -> &[String] {
        &self.searches
    }

    /// The options of the resolver: key `options`.
    pub fn options(&self) -> &[String] {
        &self.options
    }

    /// Returns whether there are no settings.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<RuntimeDns> for Dns {
    fn from(dns: RuntimeDns) -> Self {
        let RuntimeDns { servers, searches, options } = dns;
        Self { nameservers: servers, search: searches, options, ..Self::default() }
    }
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Server>::deserialize(deserializer)?.into_iter().map(|server| server.0).collect())
}

fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Word>::deserialize(deserializer)?.into_iter().map(|word| word.0).collect())
}

/// A checked element of `servers`. It is a type, so that an error names its index.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Server(String);

impl TryFrom<String> for Server {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_server(&text) { Ok(Self(text)) } else { Err(format!("invalid IP address: {text:?}")) }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Word(String);

impl TryFrom<String> for Word {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_word(&text) {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is empty, or contains white space or control characters"))
        }
    }
}

fn is_server(text: &str) -> bool {
    match text.split_once('%') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, zone)) => address.parse::<Ipv6Addr>().is_ok() && is_word(zone),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
