//! The handle to a namespace's ruleset, and its socket.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::libc;

use super::constants::{GEN_ID, GETGEN, NEWGEN};
use super::wire::{attributes, be32, start};
use crate::Netns;
use crate::net::NetError;
use crate::netlink::{Answer, Message, Request, Socket, Transport, Watched};
use crate::seam::{Operation, World};

/// A handle to the ruleset of one namespace.
///
/// Clones share one netlink socket. A call waits until the previous one has been answered.
#[derive(Clone)]
pub struct Nft {
    transport: Arc<Mutex<dyn Transport>>,
}

/// The generation of a namespace's ruleset: a number that every change increments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(pub(super) u32);

impl Nft {
    /// Opens the ruleset of the namespace that the calling thread is in.
    ///
    /// # Errors
    ///
    /// A netlink socket cannot be opened, for example because the kernel has no netfilter ([`NetError::is_unsupported`]). A
    /// fake kernel has none.
    pub fn open() -> Result<Self, NetError> {
        let world = World::current();
        let opened = world.carry_out(&Operation::Socket, || match (&world.kernel, &world.watch) {
            (Some(_), _) => Err(std::io::Error::from_raw_os_error(libc::EPROTONOSUPPORT)),
            (None, None) => Ok(Self::over(Socket::of_netfilter()?)),
            (None, Some(watch)) => {
                let socket = Socket::of_netfilter()?;
                Ok(Self::over(Watched::new(socket, Arc::clone(watch))))
            }
        });
        opened.map_err(|e| NetError::new("open a netlink socket for netfilter".to_owned(), e))
    }

    /// Opens the ruleset of the namespace that the calling thread is in. Returns `None` if the kernel has no nftables, so that
    /// there is nothing to remove.
    ///
    /// # Errors
    ///
    /// A netlink socket cannot be opened, or the kernel refuses.
    pub fn open_if_supported() -> Result<Option<Self>, NetError> {
        match Self::open().and_then(|nft| nft.generation().map(|_| nft)) {
            Ok(nft) => Ok(Some(nft)),
            // A kernel without nf_tables answers EINVAL.
            Err(error) if error.is_unsupported() || error.io_error().raw_os_error() == Some(libc::EINVAL) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the ruleset of a namespace.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered, or as [`open`](Self::open).
    pub fn open_in(netns: &Netns) -> Result<Self, NetError> {
        let opened = netns.run(Self::open);
        opened.unwrap_or_else(|e| Err(NetError::new("open a netlink socket for netfilter".to_owned(), e)))
    }

    pub(crate) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)) }
    }

    /// Returns the generation of the ruleset.
    ///
    /// # Errors
    ///
    /// The process lacks the permission ([`NetError::is_denied`]), or the kernel has no nftables.
    pub fn generation(&self) -> Result<Generation, NetError> {
        const WHAT: &str = "read the generation of the ruleset";
        let answer = self.ask(WHAT, start(Request::read(GETGEN), 0))?;
        let number = answer.messages().filter(|message| message.kind == NEWGEN).find_map(|message| {
            attributes(message.payload)
                .find(|attribute| attribute.kind == GEN_ID)?
                .payload
                .first_chunk::<4>()
                .and_then(|id| be32(id))
        });
        number.map(Generation).ok_or_else(|| {
            let cause = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the kernel's answer holds no generation",
            );
            NetError::new(WHAT.to_owned(), cause)
        })
    }

    /// Returns whether the kernel supports the extensions of iptables.
    #[cfg(feature = "iptables")]
    pub(crate) fn has_extensions(&self) -> bool {
        use super::constants::compat;

        let mut request = start(Request::read(compat::GET), super::table::Family::Ip.number());
        request.text(compat::NAME, "comment");
        super::wire::put_be32(&mut request, compat::REVISION, 0);
        super::wire::put_be32(&mut request, compat::TYPE, 0);
        self.ask("find the extensions of iptables", request).is_ok()
    }

    /// Sends one request. If the object does not exist, the answer is empty.
    pub(super) fn ask_optional(&self, what: &str, request: Request) -> Result<Answer, NetError> {
        match self.ask(what, request) {
            Err(e) if e.is_not_found() => Ok(Answer::default()),
            answer => answer,
        }
    }

    /// Sends one request, and keeps the messages that the closure accepts. If the object does not exist, the answer is empty.
    pub(super) fn ask_filtered(
        &self,
        what: &str,
        mut request: Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> Result<Answer, NetError> {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        match transport
            .exchange_filtered(&mut request, wanted)
            .map_err(|e| NetError::new(what.to_owned(), e))?
        {
            Answer { refusal: Some(refusal), .. } if refusal.is_missing() => Ok(Answer::default()),
            Answer { refusal: Some(refusal), .. } => Err(NetError::new(what.to_owned(), refusal)),
            answer => Ok(answer),
        }
    }

    pub(super) fn ask(&self, what: &str, request: Request) -> Result<Answer, NetError> {
        match self.exchange(what, &mut [request])?.pop() {
            Some(Answer { refusal: Some(refusal), .. }) => Err(NetError::new(what.to_owned(), refusal)),
            answer => Ok(answer.unwrap_or_default()),
        }
    }

    /// Sends several requests. Returns one answer for each; refusals are in the answers.
    pub(super) fn exchange(&self, what: &str, requests: &mut [Request]) -> Result<Vec<Answer>, NetError> {
        // A socket whose lock is poisoned is still usable: sequence numbers tell late answers from others.
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.exchange(requests).map_err(|e| NetError::new(what.to_owned(), e))
    }
}

impl fmt::Debug for Nft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nft").finish_non_exhaustive()
    }
}
