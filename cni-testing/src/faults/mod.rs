//! Makes every operation of a plugin fail, and checks what is left behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cni_skel::types::{Command, ErrorCode};

use crate::{Call, Outcome, Subject};
use case::{Case, Names, difference};
use watch::{Faults, Manner};

mod case;
mod watch;

/// More operations than any plugin makes. A plugin that never stops after a fault ends here.
const LIMIT: usize = 10_000;

/// Makes the first operation of a plugin fail, then the second, and so on until a call finishes without reaching the
/// fault. Checks what is left behind after each call.
///
/// An operation is a request to the kernel, a sysctl, entering a namespace, a call of another plugin, or an access to a
/// file through [`cni_skel::files`]. The operations of delegates in process count too. Each fails with an error that a
/// machine in trouble returns: no memory, no disk space, no file descriptors.
///
/// `world` makes a new world. `call` makes the call of a command in it. ADD, DEL, CHECK and GC are each tried in three
/// ways: one operation fails; one operation and all later ones fail, including those that undo; one request or call of
/// another plugin is carried out, but its answer is lost. The checks are:
/// - CHECK changes nothing.
/// - An ADD that failed over one fault has undone itself. The world is as before, except for sysctls and nftables of the
///   host that the network keeps anyway, such as forwarding and chains for all networks. Others may depend on those by
///   then.
/// - One DEL then succeeds, even if undoing failed too, or if DEL itself or GC met the fault.
/// - After a successful DEL nothing exists beyond what existed before and what the network keeps. The network keeps what
///   remains after an ADD and a DEL without faults. A second container must not add to that.
///
/// ```
/// # use cni_skel::types::AddResult;
/// # use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
/// use cni_testing::{Call, FakeNetwork, faults};
/// # struct Passthrough;
/// # impl Plugin for Passthrough {
/// #     type Config = NoConfig;
/// #     fn add(&self, req: &AddRequest) -> Result<AddResult> { req.netns.net()?.links()?; Ok(AddResult::default()) }
/// #     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
/// #     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
/// # }
///
/// faults::assert_clean_failure(FakeNetwork::new, |network, command| Call::new(command, &Passthrough).network(network));
/// ```
///
/// The world is that of the call: the namespaces of [`Call::network`], or of [`Call::host`] and [`Call::netns`], and the
/// folders of [`Call::state`].
///
/// # Panics
/// If one of the checks fails, or a command fails without a fault.
#[track_caller]
pub fn assert_clean_failure<W, S: Subject + Sync>(
    world: impl Fn() -> W,
    call: impl for<'w> Fn(&'w W, Command) -> Call<'w, S>,
) -> Report {
    assert_clean_failure_but(|_| false, world, call)
}

/// Like [`assert_clean_failure`], for a plugin that changes something for good even if its ADD fails: it leaves a lock
/// file, which nobody may remove, or the record of the last address. `may_differ` gets each line of the
/// [`Snapshot`](crate::Snapshot) that is new or gone, and returns whether that is allowed.
///
/// # Panics
/// See [`assert_clean_failure`].
#[track_caller]
pub fn assert_clean_failure_but<W, S: Subject + Sync>(
    may_differ: impl Fn(&str) -> bool,
    world: impl Fn() -> W,
    call: impl for<'w> Fn(&'w W, Command) -> Call<'w, S>,
) -> Report {
    let kept = kept(&world(), &call);
    let mut report = Report::default();
    for (manner, command) in trials() {
        for at in 1..=LIMIT {
            let world = world();
            let before = call(&world, command).snapshot();
            let added = (command != Command::Add).then(|| call(&world, Command::Add).try_run().success());
            let during = call(&world, command).snapshot();
            let faults = Arc::new(Faults::new(manner, at));
            let about = match (command, &added) {
                (Command::Check, Some(added)) => call(&world, command).key("prevResult", added.stdout()),
                (Command::Gc, _) => call(&world, command).key("cni.dev/valid-attachments", "[]"),
                _ => call(&world, command),
            };
            let outcome = about.watched(faults.clone()).try_run();
            let Some(met) = faults.met() else {
                assert_gets_by(command, outcome);
                break;
            };
            assert!(at < LIMIT, "{command} does not end, with {met}");
            let case = Case { title: format!("{command} {manner} at {at}: {met}"), outcome };
            case.assert_answered();
            report.count(command, manner, case.failed());
            let after = call(&world, command).snapshot();
            match command {
                Command::Add if manner == Manner::Once && case.failed() => {
                    case.assert_undone(&before, &kept, &after, &may_differ);
                }
                // A runtime does not call DEL again after it has succeeded.
                Command::Del if !case.failed() => case.assert_clean(&before, &kept, &after),
                Command::Check => case.assert_unchanged(&during, &after),
                _ => {}
            }
            let cleaned = call(&world, Command::Del).try_run();
            assert!(cleaned.exit_code() == Some(0), "{case}\nand then DEL fails:\n{cleaned}");
            case.assert_clean(&before, &kept, &call(&world, command).snapshot());
        }
    }
    report
}

/// Every combination of manner and command.
fn trials() -> impl Iterator<Item = (Manner, Command)> {
    let manners = [Manner::Once, Manner::FromThenOn, Manner::AnswerLost].into_iter();
    let commands = [Command::Add, Command::Del, Command::Check, Command::Gc];
    manners.flat_map(move |manner| commands.map(|command| (manner, command)))
}

/// Asserts that the command succeeds without a fault, or that the version of the configuration does not have it.
#[track_caller]
fn assert_gets_by(command: Command, outcome: Outcome) {
    let is_known = matches!(command, Command::Add | Command::Del);
    if is_known || outcome.exit_code() == Some(0) {
        outcome.success();
    } else {
        outcome.error_with(ErrorCode::INCOMPATIBLE_VERSION);
    }
}

/// What remains after ADD and DEL without faults. A second container must not leave more than the first.
#[track_caller]
fn kept<W, S: Subject + Sync>(world: &W, call: &impl for<'w> Fn(&'w W, Command) -> Call<'w, S>) -> Names {
    let [first, second] = [None, Some("second")].map(|container| {
        for command in [Command::Add, Command::Del] {
            let mut call = call(world, command);
            if let Some(id) = container {
                call = call.container_id(id);
            }
            call.try_run().success();
        }
        Names::of(&call(world, Command::Del).snapshot())
    });
    let more = second.0.iter().filter(|name| !first.has(name)).collect::<Vec<_>>();
    assert!(more.is_empty(), "each container leaves something behind\n{}", difference(&more, &[""; 0]));
    first
}

/// The number of faults, and of those without effect.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The number of faults.
    pub injected: usize,
    /// The number of faults after which the call still succeeded.
    pub survived: usize,
    parts: BTreeMap<String, usize>,
}

impl Report {
    fn count(&mut self, command: Command, manner: Manner, failed: bool) {
        self.injected += 1;
        self.survived += usize::from(!failed);
        *self.parts.entry(format!("{command} {manner}")).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults, of which {} had no effect on the answer", self.injected, self.survived)?;
        self.parts.iter().try_for_each(|(part, count)| write!(f, "; {part}: {count}"))
    }
}
