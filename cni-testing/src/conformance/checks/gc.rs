//! GC.

use cni_skel::types::{Command, SpecVersion};
use serde_json::{Value, json};

use super::section::GC;
use crate::conformance::bench::{Attached, Bench};
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Must, Should};
use crate::conformance::request::Request;
use crate::conformance::world::difference;
use crate::isolation;

const SINCE: SpecVersion = SpecVersion::V1_1_0;
const VALID: &str = "cni.dev/valid-attachments";

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "gc/succeeds",
        GC,
        "GC without any container's variables succeeds, and prints nothing on stdout.",
        "It is about a network.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(gc(bench, &[&attached]))?.silent_success()
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/collects",
        GC,
        "GC removes what is there of attachments that are not valid: an address can be given out again.",
        "Containers disappear without DEL when a node crashes. It is what GC is for.",
        |bench| collects(bench, VALID),
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
    Check::new(
        Must,
        "gc/keeps-valid",
        GC,
        "GC changes nothing of attachments that are valid.",
        "They are in use.",
        |bench| {
            let first = bench.attach()?;
            let second = bench.attach()?;
            unchanged(bench, &[&first, &second], gc(bench, &[&first, &second]))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/without-list",
        GC,
        "GC without a list of valid attachments collects nothing; it may be an error.",
        "A list that is not there is not an empty list. Who takes it for one detaches all containers of the node.",
        |bench| {
            let attached = bench.attach()?;
            unchanged(bench, &[&attached], bench.request(Command::Gc))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/older-key",
        GC,
        "The list is understood at the key `cni.dev/attachments` too.",
        "The common library sends it at both keys, and older ones at this alone.",
        |bench| collects(bench, "cni.dev/attachments"),
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
    Check::new(
        Should,
        "gc/empty-list",
        GC,
        "GC with an empty list, or null, succeeds.",
        "There may be no container on this network any more. Go writes null for an empty list.",
        |bench| {
            for list in [json!([]), Value::Null] {
                bench.call(bench.request(Command::Gc).set(VALID, list))?.succeeded()?;
            }
            Ok(())
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Must,
        "gc/only-its-network",
        GC,
        "GC of one network leaves the attachments of others alone.",
        "Its list names those of its own network only.",
        |bench| {
            let attached = bench.attach()?;
            let other = bench.request(Command::Gc).set("name", "another-network").set(VALID, json!([]));
            unchanged(bench, &[&attached], other)
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/twice",
        GC,
        "A second GC with the same list succeeds and changes nothing.",
        "Runtimes call it again and again.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(gc(bench, &[&attached]))?.succeeded()?;
            unchanged(bench, &[&attached], gc(bench, &[&attached]))
        },
    )
    .in_namespace()
    .since(SINCE),
    Check::new(
        Should,
        "gc/goes-on",
        GC,
        "GC that cannot remove one thing removes the others, and is an error.",
        "Plugins should go on after a failure, and report it: one broken file must not keep all that is lost.",
        goes_on,
    )
    .in_namespace()
    .of(&[Kind::Ipam, Kind::Interface])
    .since(SINCE),
];

fn gc(bench: &Bench<'_>, valid: &[&Attached]) -> Request {
    let valid = valid
        .iter()
        .map(|attached| json!({"containerID": attached.container.id, "ifname": attached.container.ifname}));
    bench.request(Command::Gc).set(VALID, valid.collect::<Vec<_>>())
}

/// That a GC with the list at this key removes what is not in it, and only that.
fn collects(bench: &Bench<'_>, key: &str) -> Outcome {
    super::ipam::hands_out(bench)?;
    let world = bench.world()?;
    bench.warm_up()?;
    let kept = bench.attach()?;
    let before = world.files();
    let _lost = bench.attach()?;
    if world.files() == before {
        return not_run("an attachment leaves no file that could be collected");
    }
    let request = gc(bench, &[&kept]);
    let list = request.config.get(VALID).cloned().unwrap_or_default();
    bench.call(request.unset(VALID).set(key, list))?.succeeded()?;
    let changes: Vec<_> =
        difference(&before, &world.files()).into_iter().filter(|line| is_no_lock(line)).collect();
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}

/// Of three lost attachments the first and the last cannot be removed: their files are mounted over. Whichever way the
/// plugin goes, it meets one of them before the second.
fn goes_on(bench: &Bench<'_>) -> Outcome {
    super::ipam::hands_out(bench)?;
    let world = bench.world()?;
    bench.warm_up()?;
    let kept = bench.attach()?;
    let mut files = world.files();
    let mut of_each = Vec::new();
    for _ in 0..3 {
        bench.attach()?;
        let now = world.files();
        of_each.push(now.difference(&files).cloned().collect::<Vec<_>>());
        files = now;
    }
    let [first, second, last] = &of_each[..] else { return not_run("three are three") };
    if of_each.iter().any(Vec::is_empty) {
        return not_run("an attachment leaves no file that could be collected");
    }
    for file in first.iter().chain(last).filter_map(|line| line.strip_prefix("file ")) {
        isolation::make_undeletable(file.as_ref())
            .or_else(|why| not_run(format!("nothing can be mounted over {file}: {why}")))?;
    }
    let exchange = bench.call(gc(bench, &[&kept]))?;
    let left = world.files();
    if let Some(file) = second.iter().find(|file| left.contains(*file)) {
        return fail(format!("GC went no further: there still is {file}"));
    }
    if first.iter().chain(last).all(|file| !left.contains(file)) {
        return not_run("what cannot be removed for others this plugin removes");
    }
    exchange.failed().map(drop)
}

/// That a GC changes nothing, however it ends.
fn unchanged(bench: &Bench<'_>, attached: &[&Attached], request: Request) -> Outcome {
    let containers: Vec<_> = attached.iter().map(|attached| &attached.container).collect();
    let world = bench.world()?;
    let before = world.look(&containers)?;
    bench.call(request)?;
    let after = world.look(&containers)?;
    let changes: Vec<_> = difference(&before, &after).into_iter().filter(|line| is_no_lock(line)).collect();
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}

/// A network that GC is called for may get its folder and lock by that.
fn is_no_lock(line: &str) -> bool {
    !line.ends_with("/lock")
}
