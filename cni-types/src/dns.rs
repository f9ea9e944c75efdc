//! Resolver settings, in configurations and results.

use crate::Extra;

/// Resolver settings: key `dns` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object, and of a
/// [configuration](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#plugin-configuration-objects).
///
/// ```
/// use cni_types::{Dns, from_json};
///
/// let dns: Dns = from_json(r#"{"nameservers": ["10.1.0.1"], "search": ["corp.example"]}"#)?;
/// assert_eq!(dns.nameservers, ["10.1.0.1"]);
/// assert!(Dns::default().is_empty());
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Dns {
    /// The name servers as text, in order of preference: key `nameservers`.
    pub nameservers: Vec<String>,
    /// The local domain for short names: key `domain`.
    pub domain: Option<String>,
    /// The search domains for short names, tried before `domain`: key `search`.
    pub search: Vec<String>,
    /// The options of the resolver: key `options`.
    pub options: Vec<String>,
    /// The unknown keys.
    pub extra: Extra,
}

impl Dns {
    /// Returns whether there are no settings and no unknown keys.
    pub fn is_empty(&self) -> bool {
        let Self { nameservers, domain, search, options, extra } = self;
        nameservers.is_empty()
            && domain.is_none()
            && search.is_empty()
            && options.is_empty()
            && extra.is_empty()
    }
}
