//! Resolver settings, which configurations and results share.

use crate::Extra;

/// What a resolver should use: key `dns` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object, and a
/// [well-known key](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#plugin-configuration-objects) of
/// configurations.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Dns {
    /// Name servers in order of preference, as they are written: key `nameservers`.
    pub nameservers: Vec<String>,
    /// The local domain for short names: key `domain`.
    pub domain: Option<String>,
    /// Search domains for short names, which come before the domain: key `search`.
    pub search: Vec<String>,
    /// Options of the resolver: key `options`.
    pub options: Vec<String>,
    /// Keys that this crate does not know.
    pub extra: Extra,
}

impl Dns {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        let Self { nameservers, domain, search, options, extra } = self;
        nameservers.is_empty()
            && domain.is_none()
            && search.is_empty()
            && options.is_empty()
            && extra.is_empty()
    }
}
