//! Every single thing that can fail does: what is left behind then?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cni_skel::types::{Command, ErrorCode};

use crate::{Call, Outcome, Subject};
use case::{Case, Names, difference};
use watch::{Faults, Manner};

mod case;
mod watch;

/// More operations than any plugin makes. One that goes on for ever after a fault ends here.
const LIMIT: usize = 10_000;

/// Lets the first operation of a plugin fail, then the second, and so on until the call gets by without meeting the
/// fault; after each it looks at what is left.
///
/// An operation is a request to the kernel, a sysctl, entering a namespace, a call of another plugin, and an access to a
/// file that goes through [`cni_skel::files`]; of the plugin and of its in-process delegates. Each gets an error that a
/// machine in trouble gives: no memory, no space on the disk, no descriptors.
///
/// `world` makes a fresh world, `call` the call of a command in it. ADD, DEL, CHECK and GC are each tried in three ways: the n-th
/// operation fails; it fails and so do all that follow, those that undo things included; and it is carried out but its
/// answer is lost, for requests and other plugins. What must be true:
/// - CHECK changes nothing;
/// - an ADD that failed over one fault has undone itself: the world is as before, but for what the network keeps anyway of
///   the host's sysctls and nftables, such as forwarding and chains for all networks: others may rely on them by then;
/// - one DEL then succeeds, also where undoing failed too, and where DEL itself or GC met the fault;
/// - after a DEL that succeeded nothing is there beyond what was there before and what the network keeps, which is what
///   is left when an ADD and a DEL go well. A second container must not add to that.
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
/// The world that is looked at is that of the call: the namespaces of [`Call::network`], or of [`Call::host`] and
/// [`Call::netns`], and the folders of [`Call::state`].
///
/// # Panics
/// When one of these is not so, and when a command fails without a fault.
#[track_caller]
pub fn assert_clean_failure<W, S: Subject + Sync>(
    world: impl Fn() -> W,
    call: impl for<'w> Fn(&'w W, Command) -> Call<'w, S>,
) -> Report {
    assert_clean_failure_but(|_| false, world, call)
}

/// As [`assert_clean_failure`], for a plugin that changes something for good even when its ADD fails: it leaves a lock
/// file, which nobody may remove, or a memory of what was handed out last. `may_differ` gets each line of the
/// [`Snapshot`](crate::Snapshot) that was not there before, or is not there any more.
///
/// # Panics
/// As [`assert_clean_failure`].
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
            assert!(at < LIMIT, "{command} goes on and on, with {met}");
            let case = Case { title: format!("{command} {manner} at {at}: {met}"), outcome };
            case.assert_answered();
            report.count(command, manner, case.failed());
            let after = call(&world, command).snapshot();
            match command {
                Command::Add if manner == Manner::Once && case.failed() => {
                    case.assert_undone(&before, &kept, &after, &may_differ);
                }
                // Nobody calls again what has said that it is done.
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

/// What is tried out.
fn trials() -> impl Iterator<Item = (Manner, Command)> {
    let manners = [Manner::Once, Manner::FromThenOn, Manner::AnswerLost].into_iter();
    let commands = [Command::Add, Command::Del, Command::Check, Command::Gc];
    manners.flat_map(move |manner| commands.map(|command| (manner, command)))
}

/// A version of the specification may not have the command; otherwise nothing may fail without a fault.
#[track_caller]
fn assert_gets_by(command: Command, outcome: Outcome) {
    let is_known = matches!(command, Command::Add | Command::Del);
    if is_known || outcome.exit_code() == Some(0) {
        outcome.success();
    } else {
        outcome.error_with(ErrorCode::INCOMPATIBLE_VERSION);
    }
}

/// What is left when all goes well. A second container must not leave more than the first: that is no network's own.
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
    assert!(more.is_empty(), "each container leaves something\n{}", difference(&more, &[""; 0]));
    first
}

/// How many faults there were.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many there were.
    pub injected: usize,
    /// How many of them the plugin got by.
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
