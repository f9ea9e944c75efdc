//! DEL: what is left, and what it must not depend on.

use cni_skel::types::{Command, SpecVersion};

use super::add_error::own_path;
use super::section::{DEL, PARAMETERS};
use crate::conformance::bench::{Attached, Bench, NO_NETNS};
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail, not_run, unchanged};
use crate::conformance::level::Kind;
use crate::conformance::level::Level::{Manners, Must, Should};
use crate::conformance::world::{difference, inside};
use crate::scene::describe;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "del/undoes-add",
        DEL,
        "After ADD and DEL the host and the container are as they were, but for what the network itself keeps: what was there \
         after a first container had come and gone.",
        "DEL is there to take away what ADD has made or changed.",
        undoes_add,
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/empties-container",
        DEL,
        "After ADD and DEL the container is as it was before.",
        "Another plugin may attach it to another network next.",
        |bench| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            let before = inside(&container)?;
            let result = bench.call(request)?.result()?;
            let attached = Attached { container, result };
            bench.call(bench.after(Command::Del, &attached))?.succeeded()?;
            unchanged(&difference(&before, &inside(&attached.container)?))
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Chained]),
    Check::new(
        Must,
        "del/silent",
        DEL,
        "A successful DEL prints nothing on stdout.",
        "It has no result.",
        |bench| {
            let attached = bench.attach()?;
            bench.detach(&attached)?.silent_success()
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/twice-succeeds",
        DEL,
        "A second DEL of the same attachment succeeds.",
        "Runtimes call DEL again when they do not know how the first one ended. The specification has every one of them \
         succeed, and what is already missing is a success too.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Del, &attached))?.succeeded()?;
            bench.call(bench.after(Command::Del, &attached))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/never-added",
        DEL,
        "DEL of a container that was never attached succeeds.",
        "When an ADD in a chain fails, DEL is called for all plugins of it, those that had no ADD too.",
        |bench| {
            let container = bench.container()?;
            bench.call(bench.about(Command::Del, &container))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/no-netns",
        DEL,
        "DEL without CNI_NETNS succeeds.",
        "It is an optional parameter of DEL. Without it the container is gone.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Del, &attached).without("CNI_NETNS"))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/netns-gone",
        DEL,
        "DEL succeeds where the namespace at CNI_NETNS is gone.",
        "After a restart of the node all of them are. A plugin that fails then blocks the removal of each pod, for ever.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Del, &attached).env("CNI_NETNS", NO_NETNS))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/netns-gone-leaves-nothing",
        DEL,
        "DEL without a namespace removes all that is on the host: addresses are free again, rules are gone.",
        "Nothing else will ever remove them.",
        |bench| {
            bench.warm_up()?;
            let world = bench.world()?;
            let container = bench.container()?;
            let id = container.id.clone();
            let request = bench.add_request(&container)?;
            let before = world.look(&[])?;
            let result = bench.call(request)?.result()?;
            let attached = Attached { container, result };
            let request = bench.after(Command::Del, &attached).env("CNI_NETNS", NO_NETNS);
            // With the namespace go the links that have their other end in it: those of plugins before this one too, which
            // were there before.
            if bench.setup.before.is_empty() {
                bench.end(attached.container);
            }
            bench.call(request)?.succeeded()?;
            let changes = world.changes_since(&before, &[])?;
            if changes.is_empty() { Ok(()) } else { fail(format!("of container {id}:\n{}", changes.join("\n"))) }
        },
    )
    .in_namespace(),
    Check::new(
        Should,
        "del/no-result",
        DEL,
        "DEL without `prevResult` succeeds.",
        "A runtime that has lost its cache has none to send, and the container has to go all the same.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.about(Command::Del, &attached.container))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Should,
        "del/no-result-leaves-nothing",
        DEL,
        "DEL without `prevResult` removes all that ADD made.",
        "What can be found by network, container and interface name need not be told.",
        |bench| {
            bench.warm_up()?;
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            bench.leaves_nothing(&[&container], || {
                bench.call(request)?.result()?;
                bench.call(bench.about(Command::Del, &container))?.succeeded()
            })
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/only-its-own",
        DEL,
        "DEL of one container leaves the others alone.",
        "They go on working.",
        |bench| {
            bench.warm_up()?;
            let first = bench.attach()?;
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            bench.leaves_nothing(&[&first.container], || {
                let exchange = bench.call(request)?;
                if exchange.exit_code != Some(0) {
                    return not_run("it attaches no second container while there is a first");
                }
                let result = exchange.result()?;
                bench.call(bench.after(Command::Del, &Attached { container, result }))?.succeeded()
            })
        },
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/only-its-interface",
        DEL,
        "DEL of one interface of a container leaves its others alone.",
        "An attachment is a container and an interface name, not a container.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("lo is there once in every container");
            }
            let first = bench.attach()?;
            let request = bench.about(Command::Add, &first.container).env("CNI_IFNAME", "second0");
            let second = bench.call(request)?;
            if second.exit_code != Some(0) {
                return not_run("it attaches no container twice");
            }
            let before = first_interface(&first)?;
            let request = bench.about(Command::Del, &first.container).env("CNI_IFNAME", "second0");
            bench.call(request.set("prevResult", second.result()?))?.succeeded()?;
            unchanged(&difference(&before, &first_interface(&first)?))?;
            if bench.setup.version() < SpecVersion::V0_4_0 {
                return Ok(());
            }
            bench.call(bench.after(Command::Check, &first))?.succeeded()
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Ipam]),
    Check::new(
        Should,
        "del/own-netns",
        PARAMETERS,
        "DEL for the namespace that the plugin itself is in changes nothing there.",
        "A path that was used again for something else must not take the host's network down.",
        |bench| {
            if bench.setup.ifname != "lo" {
                bench.warm_up()?;
            }
            let world = bench.world()?;
            let mut container = bench.container()?;
            if container.ifname != "lo" {
                use cni_skel::net::Bridge;
                container.ifname = "victim0".to_owned();
                let made = world.net.add_bridge(&Bridge::new("victim0"));
                made.or_else(|why| not_run(describe(&why)))?;
            }
            bench.changes_nothing(&[], bench.about(Command::Del, &container).env("CNI_NETNS", own_path()))
        },
    )
    .in_namespace()
    .of(&[Kind::Interface]),
    Check::new(
        Manners,
        "del/link-deleted-by-hand",
        DEL,
        "DEL succeeds where somebody else has deleted the interface.",
        "What DEL would remove may be missing: that is a success.",
        |bench| {
            let attached = bench.attach()?;
            if attached.container.ifname == "lo" {
                return not_run("lo cannot be deleted");
            }
            let (net, link) = super::truth::link_of(&attached)?;
            net.delete_link(link.index).or_else(|why| not_run(describe(&why)))?;
            bench.call(bench.after(Command::Del, &attached))?.succeeded()
        },
    )
    .in_namespace()
    .of(&[Kind::Interface, Kind::Chained]),
    Check::new(
        Manners,
        "del/ipam-removed",
        DEL,
        "DEL succeeds where `ipam` has been taken out of the configuration since ADD.",
        "Configurations are edited while containers run.",
        |bench| {
            let attached = bench.attach()?;
            bench.call(bench.after(Command::Del, &attached).unset("ipam"))?.succeeded()
        },
    )
    .in_namespace()
    .with_ipam(),
    Check::new(
        Must,
        "del/again-after-add",
        DEL,
        "After DEL the same container can be attached again.",
        "Runtimes detach and attach a container to change its network.",
        |bench| {
            let first = bench.attach()?;
            bench.call(bench.after(Command::Del, &first))?.succeeded()?;
            // What stands before a chained plugin in its list has made a new interface by then.
            let mut container = if bench.profile.needs_base(bench.setup) || !bench.setup.before.is_empty() {
                bench.container()?
            } else {
                return bench.call(bench.about(Command::Add, &first.container))?.result().map(drop);
            };
            let request = bench.add_request(&container)?;
            container.id.clone_from(&first.container.id);
            let request = request.env("CNI_CONTAINERID", &container.id);
            bench.call(request)?.result().map(drop)
        },
    )
    .in_namespace(),
];

fn undoes_add(bench: &Bench<'_>) -> Outcome {
    bench.warm_up()?;
    let container = bench.container()?;
    let request = bench.add_request(&container)?;
    bench.leaves_nothing(&[], || {
        let result = bench.call(request)?.result()?;
        bench.call(bench.after(Command::Del, &Attached { container, result }))?.succeeded()
    })
}

/// What there is of the container's first interface.
fn first_interface(
    attached: &Attached,
) -> Result<std::collections::BTreeSet<String>, crate::conformance::ending::Ending> {
    let lines = inside(&attached.container)?;
    Ok(lines.into_iter().filter(|line| line.contains(&attached.container.ifname)).collect())
}
