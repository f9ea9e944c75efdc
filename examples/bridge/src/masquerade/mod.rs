//! Masquerading: what containers send to the world outside has the host's address.
//!
//! It is done with nftables or with iptables, each in the reference plugin's layout, so that either one's DEL removes what
//! the other's ADD made. What is removed is looked for in both, whatever the configuration says by then.

mod container_chain;
mod iptables;
mod nftables;

use cni_skel::iptables::Iptables;
use cni_skel::nft::Nft;
use cni_skel::types::{AddResult, Attachment, ErrorCode};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Errors, GcRequest, Result, warn};
use sha2::{Digest, Sha512};

use crate::config::{Backend, Config};

/// Has the addresses of an attachment masqueraded, and undone should ADD fail.
pub(crate) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    match backend(&req.config, &Iptables::of(req)) {
        Backend::Nftables => nftables::add(req, result),
        Backend::Iptables => iptables::add(req, result).or_else(|error| {
            // A program that is there need not be one that this kernel can serve. A busy one is.
            if req.config.masquerades_with().is_some() || error.code() == ErrorCode::TRY_AGAIN_LATER {
                return Err(error);
            }
            warn!(req.log(), "iptables does not work here, so nftables has to masquerade: {error}");
            nftables::add(req, result).map_err(|_| error)
        }),
    }
}

/// Ends what ADD began. The kernel frees it while it does other things, and whoever drops the handle that comes back waits
/// for that.
pub(crate) fn del(req: &DelRequest<Config>, errors: &mut Errors) -> Option<Nft> {
    let (iptables, nft) = by_one_handle(Iptables::of(req), errors);
    if let Some(nft) = &nft {
        errors.attempt(nftables::del(nft, req));
    }
    iptables::del(&iptables, req, errors);
    nft
}

/// Ends what no valid attachment of the network has.
pub(crate) fn collect(req: &GcRequest<Config>, valid: &[Attachment], errors: &mut Errors) {
    let (iptables, nft) = by_one_handle(Iptables::of(req), errors);
    if let Some(nft) = &nft {
        errors.attempt(nftables::collect(nft, req.network(), valid));
    }
    iptables::collect(&iptables, req, valid, errors);
}

/// Both backends by one handle, because to close one can be a wait.
fn by_one_handle(iptables: Iptables, errors: &mut Errors) -> (Iptables, Option<Nft>) {
    let nft = errors.attempt(Nft::open_if_supported()).flatten();
    (nft.iter().fold(iptables, |iptables, nft| iptables.over(nft)), nft)
}

/// Looks whether the addresses of an attachment are masqueraded. Where the configuration leaves open with what, either
/// will do: what the machine has may have changed since.
pub(crate) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let by = |backend| match backend {
        Backend::Iptables => iptables::check(req, result),
        Backend::Nftables => nftables::check(req, result),
    };
    let backend = backend(&req.config, &Iptables::of(req));
    by(backend).or_else(|error| match req.config.masquerades_with() {
        Some(_) => Err(error),
        None => by(backend.other()).map_err(|_| error),
    })
}

/// What the configuration names, else what the reference plugin would take.
fn backend(config: &Config, iptables: &Iptables) -> Backend {
    config
        .masquerades_with()
        .unwrap_or_else(|| if iptables.is_installed() { Backend::Iptables } else { Backend::Nftables })
}

/// The first bytes of the SHA-512 hash, as hexadecimal digits.
fn hash(text: &str, bytes: usize) -> String {
    Sha512::digest(text).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

fn different(msg: String) -> Error {
    Error::new(ErrorCode::INTERNAL, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_start_of_sha_512() {
        // The published example of FIPS 180-4.
        assert_eq!(hash("abc", 8), "ddaf35a193617aba");
    }
}
