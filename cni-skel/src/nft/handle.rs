//! The handle of a namespace's ruleset, and the socket behind it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::libc;

use super::constants::{GEN_ID, GETGEN, NEWGEN};
use super::wire::{attributes, be32, start};
use crate::Netns;
use crate::net::NetError;
use crate::netlink::{Answer, Message, Request, Socket, Transport, Watched};
use crate::seam::{Operation, World};

/// A handle of the ruleset of one namespace.
///
/// Clones share one netlink socket, and a call waits until the one before it is answered.
#[derive(Clone)]
pub struct Nft {
    transport: Arc<Mutex<dyn Transport>>,
}

/// A state of the whole ruleset of a namespace: any change gives it another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(pub(super) u32);

impl Nft {
    /// Opens the ruleset of the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// No netlink socket can be opened; [`NetError::is_unsupported`] where the kernel has no netfilter. One that a test
    /// made up has none.
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
        opened.map_err(|e| NetError::new("open a netlink socket of netfilter".to_owned(), e))
    }

    /// Opens the ruleset of the calling thread's namespace, for who has to remove from it: `None` where the kernel has no
    /// nftables, and so nothing to remove.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and the kernel refuses to tell.
    pub fn open_if_supported() -> Result<Option<Self>, NetError> {
        match Self::open().and_then(|nft| nft.generation().map(|_| nft)) {
            Ok(nft) => Ok(Some(nft)),
            // What the kernel answers to a question that none of its parts is for.
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
    /// As [`open`](Self::open), or the namespace cannot be entered.
    pub fn open_in(netns: &Netns) -> Result<Self, NetError> {
        let opened = netns.run(Self::open);
        opened.unwrap_or_else(|e| Err(NetError::new("open a netlink socket of netfilter".to_owned(), e)))
    }

    pub(crate) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)) }
    }

    /// The state of the ruleset. This also tells whether the kernel has nftables.
    ///
    /// # Errors
    ///
    /// The kernel refuses, because the caller may not ask or because it has no nftables.
    pub fn generation(&self) -> Result<Generation, NetError> {
        const WHAT: &str = "ask for the generation of the ruleset";
        let answer = self.ask(WHAT, start(Request::read(GETGEN), 0))?;
        let number = answer.messages().filter(|message| message.kind == NEWGEN).find_map(|message| {
            attributes(message.payload)
                .find(|attribute| attribute.kind == GEN_ID)?
                .payload
                .first_chunk::<4>()
                .and_then(|id| be32(id))
        });
        number.map(Generation).ok_or_else(|| {
            let cause =
                std::io::Error::new(std::io::ErrorKind::InvalidData, "the kernel's answer has no number");
            NetError::new(WHAT.to_owned(), cause)
        })
    }

    /// Whether the kernel can carry out the extensions of iptables.
    #[cfg(feature = "iptables")]
    pub(crate) fn has_extensions(&self) -> bool {
        use super::constants::compat;

        let mut request = start(Request::read(compat::GET), super::table::Family::Ip.number());
        request.text(compat::NAME, "comment");
        super::wire::put_be32(&mut request, compat::REVISION, 0);
        super::wire::put_be32(&mut request, compat::TYPE, 0);
        self.ask("ask for the extensions of iptables", request).is_ok()
    }

    /// What is not there has nothing in it.
    pub(super) fn ask_for_some(&self, what: &str, request: Request) -> Result<Answer, NetError> {
        match self.ask(what, request) {
            Err(e) if e.is_not_found() => Ok(Answer::default()),
            answer => answer,
        }
    }

    /// The same, and of what is there only the messages that are wanted.
    pub(super) fn look(
        &self,
        what: &str,
        mut request: Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> Result<Answer, NetError> {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        match transport.look(&mut request, wanted).map_err(|e| NetError::new(what.to_owned(), e))? {
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

    /// Sends several; refusals are in the answers, of which there are as many as requests.
    pub(super) fn exchange(&self, what: &str, requests: &mut [Request]) -> Result<Vec<Answer>, NetError> {
        // A socket that a panic passed through is as good as before: late answers are told by their numbers.
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.exchange(requests).map_err(|e| NetError::new(what.to_owned(), e))
    }
}

impl fmt::Debug for Nft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nft").finish_non_exhaustive()
    }
}
