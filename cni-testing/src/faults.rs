//! Every single thing that can fail does: what is left behind then?

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cni_skel::seam::{Operation, Watch};
use cni_skel::types::Command;
use nix::libc;

use crate::{Call, Outcome, Snapshot, Subject};

/// More operations than any plugin makes. One that goes on for ever after a fault ends here.
const LIMIT: usize = 10_000;

/// Lets the first operation of a plugin fail, then the second, and so on until the call gets by without meeting the
/// fault; after each it looks at what is left.
///
/// An operation is a request to the kernel, a sysctl, entering a namespace, a call of another plugin, and an access to a
/// file that goes through [`cni_skel::files`]; of the plugin and of its in-process delegates. Each gets an error that a
/// machine in trouble gives: no memory, no space on the disk, no descriptors.
///
/// `world` makes a fresh world, `call` the call of a command in it. ADD and DEL are each tried in three ways: the n-th
/// operation fails; it fails and so do all that follow, those that undo things included; and it is carried out but its
/// answer is lost, for requests and other plugins. What must be true:
/// - an ADD that failed over one fault has undone itself: the world is as before;
/// - one DEL then succeeds, also where undoing failed too, and where it was DEL itself that met the fault;
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
/// When one of these is not so, and when ADD or DEL fails without a fault.
#[track_caller]
pub fn assert_clean_failure<W, S: Subject + Sync>(
    world: impl Fn() -> W,
    call: impl for<'w> Fn(&'w W, Command) -> Call<'w, S>,
) -> Report {
    assert_clean_failure_but(|_| false, world, call)
}

/// As [`assert_clean_failure`], for a plugin that changes something for good even when its ADD fails: it leaves a lock
/// file, which nobody may remove, or a memory of what was handed out last. `may_differ` gets each line of the
/// [`Snapshot`] that was not there before, or is not there any more.
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
    for manner in [Manner::Once, Manner::FromThenOn, Manner::AnswerLost] {
        for command in [Command::Add, Command::Del] {
            for at in 1..=LIMIT {
                let world = world();
                let before = call(&world, command).snapshot();
                if command == Command::Del {
                    let _ = call(&world, Command::Add).try_run().success();
                }
                let faults = Arc::new(Faults::new(manner, at));
                let outcome = call(&world, command).watched(faults.clone()).try_run();
                let Some(met) = faults.met() else {
                    let _ = outcome.success();
                    break;
                };
                assert!(at < LIMIT, "{command} goes on and on, with {met}");
                let case = Case { title: format!("{command} {manner} at {at}: {met}"), outcome };
                case.assert_answered();
                report.count(command, manner, case.failed());
                if command == Command::Add && manner == Manner::Once && case.failed() {
                    case.assert_undone(&before, &call(&world, command).snapshot(), &may_differ);
                }
                if command == Command::Del && !case.failed() {
                    // Nobody calls again what has said that it is done.
                    case.assert_clean(&before, &kept, &call(&world, command).snapshot());
                }
                let cleaned = call(&world, Command::Del).try_run();
                assert!(cleaned.exit_code() == Some(0), "{case}\nand then DEL fails:\n{cleaned}");
                case.assert_clean(&before, &kept, &call(&world, command).snapshot());
            }
        }
    }
    report
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
            let _ = call.try_run().success();
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

/// What happens to the operation that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It fails.
    Once,
    /// It fails, and all that follow.
    FromThenOn,
    /// It is carried out, and then nobody hears of it.
    AnswerLost,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "with one fault",
            Self::FromThenOn => "with faults from then on",
            Self::AnswerLost => "with a lost answer",
        })
    }
}

/// Counts operations, and fails the one that it is about.
#[derive(Debug)]
struct Faults {
    manner: Manner,
    at: usize,
    count: AtomicUsize,
    met: Mutex<Option<String>>,
}

impl Faults {
    fn new(manner: Manner, at: usize) -> Self {
        Self { manner, at, count: AtomicUsize::new(0), met: Mutex::default() }
    }

    /// The first operation that failed.
    fn met(&self) -> Option<String> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self, operation: &Operation<'_>, errno: i32) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.at && !(self.manner == Manner::FromThenOn && number > self.at) {
            return Ok(());
        }
        let error = io::Error::from_raw_os_error(errno);
        let text = format!("{operation}: {error}");
        self.met.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        Err(error)
    }
}

impl Watch for Faults {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        if self.manner == Manner::AnswerLost {
            return Ok(());
        }
        let errno = match operation {
            Operation::Enter(_) | Operation::Delegate(..) => libc::ENOMEM,
            Operation::Socket => libc::EMFILE,
            Operation::ReadSysctl(_) | Operation::ReadFile(..) => libc::EIO,
            Operation::WriteSysctl(_) => libc::EROFS,
            Operation::WriteFile(..) => libc::ENOSPC,
            _ => libc::ENOBUFS,
        };
        self.next(operation, errno)
    }

    fn after(&self, operation: &Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Request(_) if self.manner == Manner::AnswerLost => self.next(operation, libc::ENOBUFS),
            // It did what it was to do, and was killed before it could say so.
            Operation::Delegate(..) if self.manner == Manner::AnswerLost => {
                self.next(operation, libc::ETIMEDOUT)
            }
            _ => Ok(()),
        }
    }
}

/// One call with a fault.
struct Case {
    title: String,
    outcome: Outcome,
}

impl Case {
    fn failed(&self) -> bool {
        self.outcome.exit_code() != Some(0)
    }

    #[track_caller]
    fn assert_answered(&self) {
        if self.failed() {
            assert_eq!(self.outcome.exit_code(), Some(1), "{self}");
            assert!(self.outcome.json()["code"].is_u64(), "there is no error object\n{self}");
        }
    }

    #[track_caller]
    fn assert_undone(&self, before: &Snapshot, after: &Snapshot, may_differ: &impl Fn(&str) -> bool) {
        let left: Vec<_> = after.added_since(before).filter(|line| !may_differ(line)).collect();
        let gone: Vec<_> = before.added_since(after).filter(|line| !may_differ(line)).collect();
        assert!(
            left.is_empty() && gone.is_empty(),
            "a failed ADD has not been undone\n{}\n{self}",
            difference(&left, &gone)
        );
    }

    #[track_caller]
    fn assert_clean(&self, before: &Snapshot, kept: &Names, after: &Snapshot) {
        let (before, after) = (Names::of(before), Names::of(after));
        let left: Vec<_> =
            after.0.iter().filter(|name| !before.has(name) && !kept.has_in_any_state(name)).collect();
        let gone: Vec<_> = before.0.iter().filter(|name| !after.has(name)).collect();
        assert!(
            left.is_empty() && gone.is_empty(),
            "after a DEL that succeeded the world is not as it was\n{}\n{self}",
            difference(&left, &gone)
        );
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        self.outcome.fmt(f)
    }
}

fn difference(left: &[impl fmt::Display], gone: &[impl fmt::Display]) -> String {
    let left = left.iter().map(|line| format!("+ {line}"));
    let gone = gone.iter().map(|line| format!("- {line}"));
    left.chain(gone).collect::<Vec<_>>().join("\n")
}

/// What is there, of a file without its content: which address was handed out last is the network's own business.
struct Names(Vec<String>);

impl Names {
    fn of(snapshot: &Snapshot) -> Self {
        let name = |line: &str| match line.split_once("file ").and_then(|(_, rest)| rest.split_once(": ")) {
            Some((name, _)) if line.starts_with("file ") => format!("file {name}"),
            _ => line.to_owned(),
        };
        Self(snapshot.lines().map(name).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name)
    }

    /// A link of the network's own may be half made when nothing works any more. The next ADD goes on from there.
    fn has_in_any_state(&self, name: &str) -> bool {
        let without_state = |line: &str| line.split(" (").next().map(ToOwned::to_owned);
        self.0.iter().any(|own| without_state(own) == without_state(name))
    }
}
