//! The namespace that is the host to the plugins.

use std::io;

use cni_skel::net::{Net, NetError, Veth};
use cni_testing::TestNetns;
use cni_testing::types::IfName;

use crate::Impossible;
use crate::report::Report;

/// Sets `lo` of the namespace that this process is in up, and makes links for plugins to work on, each of which lives as
/// long as the namespace that its other end is in: masters, which are in use, and devices for a container to take, which
/// nobody has set up yet, as they are when a container gives them back.
pub(crate) fn prepare(
    masters: &[String],
    devices: &[String],
    report: &Report,
) -> Result<Vec<TestNetns>, Impossible> {
    let host = Net::open().map_err(broken)?;
    host.link("lo").and_then(|lo| host.set_up(lo.index)).map_err(broken)?;
    let masters = masters.iter().map(|name| (name, true));
    let mut nowhere = Vec::new();
    for (name, is_up) in masters.chain(devices.iter().map(|name| (name, false))) {
        // Whatever is no name of a link is the plugin's to complain about.
        let Ok(name) = IfName::try_from(name.as_str()) else { continue };
        if host.find_link(name.as_str()).map_err(broken)?.is_some() {
            continue;
        }
        let netns = TestNetns::try_new().map_err(|why| Impossible(why.to_string()))?;
        let veth = Veth::new(name.as_str(), "uplink");
        host.add_veth(&if is_up { veth.up() } else { veth }, netns.netns()).map_err(broken)?;
        let other_end = netns.net().map_err(broken)?;
        other_end.link("uplink").and_then(|end| other_end.set_up(end.index)).map_err(broken)?;
        let for_whom = if is_up { "" } else { " for a container to take" };
        report.note(format!(
            "the host has a link {name}{for_whom}, as the configuration expects; it leads nowhere"
        ));
        nowhere.push(netns);
    }
    Ok(nowhere)
}

/// What there is cannot be seen.
pub(crate) fn unseen(why: io::Error) -> Impossible {
    Impossible(format!("cannot look at the network: {why}"))
}

fn broken(why: NetError) -> Impossible {
    let text = |error: &dyn std::error::Error| error.source().map(|cause| format!(": {cause}"));
    Impossible(format!("cannot look at the network: {why}{}", text(&why).unwrap_or_default()))
}
