//! DEL: what must be gone afterwards, and what DEL must not depend on.

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
        "After ADD and DEL the host and the container are as before, except for what the network keeps: that is what \
         remained after a first container.",
        "DEL must remove what ADD added, and revert what ADD changed.",
        undoes_add,
    )
    .in_namespace(),
    Check::new(
        Must,
        "del/empties-container",
        DEL,
        "After ADD and DEL the container is as before.",
        "Another plugin may then attach it to another network.",
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
        "DEL has no result.",
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
        "Runtimes call DEL again if they do not know how the first one ended. The specification requires each to \
         succeed, even if everything is already gone.",
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
        "After a failed ADD, DEL is called for all plugins of a chain, even for those whose ADD was not called.",
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
        "CNI_NETNS is optional for DEL. It is missing if the container is gone.",
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
        "DEL succeeds if the namespace at CNI_NETNS is gone.",
        "After a restart of the node all namespaces are gone. A plugin that fails then blocks the removal of every pod.",
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
        "DEL without a namespace removes everything on the host: it releases addresses and deletes rules.",
        "No later call would remove them.",
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
            // Links whose other end is in the namespace are gone with it, including those of plugins before this one.
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
        "A runtime that has lost its cache cannot send it, and must still be able to remove the container.",
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
        "DEL without `prevResult` removes everything that ADD made.",
        "The plugin can find it by the names of the network, the container and the interface.",
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
        "DEL of one container does not affect the others.",
        "They are still in use.",
        |bench| {
            bench.warm_up()?;
            let first = bench.attach()?;
            let container = bench.container()?;
            let request = bench.add_request(&container)?;
            bench.leaves_nothing(&[&first.container], || {
                let exchange = bench.call(request)?;
                if exchange.exit_code != Some(0) {
                    return not_run("it does not attach a second container");
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
        "DEL of one interface of a container does not affect its other interfaces.",
        "An attachment is identified by a container and an interface name.",
        |bench| {
            if bench.setup.ifname == "lo" {
                return not_run("each container has lo only once");
            }
            let first = bench.attach()?;
            let request = bench.about(Command::Add, &first.container).env("CNI_IFNAME", "second0");
            let second = bench.call(request)?;
            if second.exit_code != Some(0) {
                return not_run("it does not attach a container twice");
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
        "DEL for the plugin's own namespace changes nothing there.",
        "A path that is reused for something else must not damage the host's network.",
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
        "DEL succeeds if another program has deleted the interface.",
        "DEL must succeed if what it would remove is already missing.",
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
        "DEL succeeds if `ipam` has been removed from the configuration since ADD.",
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
        "Runtimes do that to change the network of a container.",
        |bench| {
            let first = bench.attach()?;
            bench.call(bench.after(Command::Del, &first))?.succeeded()?;
            // The plugins before a chained one have made a new interface by then.
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

/// The lines about the container's first interface.
fn first_interface(
    attached: &Attached,
) -> Result<std::collections::BTreeSet<String>, crate::conformance::ending::Ending> {
    let lines = inside(&attached.container)?;
    Ok(lines.into_iter().filter(|line| line.contains(&attached.container.ifname)).collect())
}
