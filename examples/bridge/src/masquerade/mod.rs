//! Masquerading: packets that leave the network get the host's address as their source.
//!
//! nftables or iptables does it, each in the reference plugin's layout, so that each plugin's DEL removes what the other's ADD
//! made. DEL and GC look for rules of both, whatever backend is configured by then.

mod container_chain;
mod iptables;
mod nftables;

use cni_skel::iptables::Iptables;
use cni_skel::nft::Nft;
use cni_skel::types::{AddResult, Attachment, ErrorCode};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Errors, GcRequest, Result, warn};
use sha2::{Digest, Sha512};

use crate::config::{Backend, Config};

/// Adds the rules for an attachment. They are removed if ADD fails.
pub(crate) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    match backend(&req.config, &Iptables::of(req)) {
        Backend::Nftables => nftables::add(req, result),
        Backend::Iptables => iptables::add(req, result).or_else(|error| {
            // iptables can be installed on a kernel that does not support it. A busy one works later.
            if req.config.masquerade_backend().is_some() || error.code() == ErrorCode::TRY_AGAIN_LATER {
                return Err(error);
            }
            warn!(req.log(), "iptables failed, masquerading with nftables instead: {error}");
            nftables::add(req, result).map_err(|_| error)
        }),
    }
}

/// Removes the rules of an attachment. Dropping the returned handle waits until the kernel has freed them.
pub(crate) fn del(req: &DelRequest<Config>, errors: &mut Errors) -> Option<Nft> {
    let (iptables, nft) = open_both(Iptables::of(req), errors);
    if let Some(nft) = &nft {
        errors.attempt(nftables::del(nft, req));
    }
    iptables::del(&iptables, req, errors);
    nft
}

/// Removes the rules of attachments that are not valid any more.
pub(crate) fn collect(req: &GcRequest<Config>, valid: &[Attachment], errors: &mut Errors) {
    let (iptables, nft) = open_both(Iptables::of(req), errors);
    if let Some(nft) = &nft {
        errors.attempt(nftables::collect(nft, req.network(), valid));
    }
    iptables::collect(&iptables, req, valid, errors);
}

/// Opens both backends with one nftables socket, because closing one can take time.
fn open_both(iptables: Iptables, errors: &mut Errors) -> (Iptables, Option<Nft>) {
    let nft = errors.attempt(Nft::open_if_supported()).flatten();
    (nft.iter().fold(iptables, |iptables, nft| iptables.over(nft)), nft)
}

/// Checks that the addresses of an attachment are masqueraded. If no backend is configured, the rules of either are enough,
/// because the programs of the machine can have changed since ADD.
pub(crate) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let by = |backend| match backend {
        Backend::Iptables => iptables::check(req, result),
        Backend::Nftables => nftables::check(req, result),
    };
    let backend = backend(&req.config, &Iptables::of(req));
    by(backend).or_else(|error| match req.config.masquerade_backend() {
        Some(_) => Err(error),
        None => by(backend.other()).map_err(|_| error),
    })
}

/// Returns the configured backend, else the one that the reference plugin would choose.
fn backend(config: &Config, iptables: &Iptables) -> Backend {
    config
        .masquerade_backend()
        .unwrap_or_else(|| if iptables.is_installed() { Backend::Iptables } else { Backend::Nftables })
}

/// Returns the first bytes of the SHA-512 hash as hexadecimal digits.
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
