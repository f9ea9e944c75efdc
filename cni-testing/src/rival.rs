//! Another program that works at the same time as the plugin.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cni_skel::seam::{Operation, Watch, World};

/// The netlink subsystem of nftables, in the message type of a request.
const NFTABLES: u16 = 10;

/// Another program on the same machine, which changes something right before an operation of the plugin.
///
/// A plugin reads a state and then acts on it. In between, another program may change the state, and on a busy node one
/// will. [`Call::rival`](crate::Call::rival) makes that happen at a chosen step. A step is an [`Operation`]: a request
/// to the kernel, a sysctl, a file of the plugin's state, or a call of another program.
///
/// ```
/// use cni_skel::net::Bridge;
/// use cni_skel::types::AddResult;
/// use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
/// use cni_testing::{Call, FakeNetwork, Rival};
///
/// /// Connects containers to a bridge that it shares with others.
/// struct Shared;
///
/// impl Plugin for Shared {
///     type Config = NoConfig;
///
///     fn add(&self, req: &AddRequest) -> Result<AddResult> {
///         let host = req.net()?;
///         if host.find_link("br0")?.is_none() {
///             match host.add_bridge(&Bridge::new("br0")) {
///                 Err(error) if error.is_exists() => {} // somebody was quicker, and that is fine
///                 made => drop(made?),
///             }
///         }
///         host.set_up(host.link("br0")?.index)?;
///         Ok(AddResult::default())
///     }
/// #
/// #     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
/// #
/// #     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
/// }
///
/// // Whenever another program makes the bridge, ADD succeeds: before its first step, before its second ..
/// for step in 1.. {
///     let network = FakeNetwork::new();
///     let host = network.net()?;
///     let rival = Rival::new(move |_| drop(host.add_bridge(&Bridge::new("br0")))).steps(step..=step);
///     Call::add(&Shared).network(&network).rival(&rival).run().success();
///     if rival.changes() == 0 {
///         assert!(step > 4); // .. until there is no such step any more
///         break;
///     }
/// }
/// # Ok::<(), cni_skel::net::NetError>(())
/// ```
///
/// A rival is not a process. It runs on the thread of the plugin, outside of the call's fake network. If it panics, the
/// plugin panics, and the outcome reports it. It does not see steps that a plugin takes on threads of its own.
#[derive(Clone)]
pub struct Rival {
    change: Arc<Mutex<Change>>,
    changes: Arc<AtomicUsize>,
    steps: RangeInclusive<usize>,
    is_met: fn(&Operation<'_>) -> bool,
}

type Change = Box<dyn FnMut(usize) + Send>;

impl Rival {
    /// Makes a rival that makes this change before every step. `change` gets the number of the change, counted from 1.
    pub fn new(change: impl FnMut(usize) + Send + 'static) -> Self {
        Self {
            change: Arc::new(Mutex::new(Box::new(change))),
            changes: Arc::default(),
            steps: 1..=usize::MAX,
            is_met: |_| true,
        }
    }

    /// Counts only these operations as steps, and ignores all others.
    #[must_use]
    pub fn only(self, is_met: fn(&Operation<'_>) -> bool) -> Self {
        Self { is_met, ..self }
    }

    /// Counts [only](Self::only) steps that concern packet filters: requests of nftables, and programs such as
    /// `iptables-restore`.
    #[must_use]
    pub fn only_rules(self) -> Self {
        self.only(|operation| match operation {
            Operation::Request(kind) => kind >> 8 == NFTABLES,
            Operation::Program(name) => name.contains("tables"),
            _ => false,
        })
    }

    /// Makes the change before these steps of a call only. Steps are counted from 1: `1..=4` are the first four, `n..=n`
    /// is the n-th.
    #[must_use]
    pub fn steps(self, steps: RangeInclusive<usize>) -> Self {
        Self { steps, ..self }
    }

    /// Returns the number of changes made so far, in all calls.
    pub fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    /// The watch for one call, which counts its steps from 1.
    pub(crate) fn in_one_call(&self) -> Arc<dyn Watch> {
        Arc::new(AtWork { rival: self.clone(), steps: AtomicUsize::new(0) })
    }

    fn make_change(&self) {
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        // The operations of the rival are not steps.
        World::new().run(|| change(number));
    }
}

impl fmt::Debug for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rival")
            .field("changes", &self.changes)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct AtWork {
    rival: Rival,
    steps: AtomicUsize,
}

impl Watch for AtWork {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        if (self.rival.is_met)(operation) {
            let step = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
            if self.rival.steps.contains(&step) {
                self.rival.make_change();
            }
        }
        Ok(())
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}
