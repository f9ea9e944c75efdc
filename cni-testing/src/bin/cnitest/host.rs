//! The host as the plugins see it: `lo`, and the links that the configuration expects.

use std::io;

use cni_testing::scene::{Uplink, prepare_host};
use cni_testing::types::IfName;

use crate::Impossible;
use crate::report::Report;

/// Sets `lo` up and makes links for plugins to work on: parents, which are up, and devices for a container to get, which
/// are down.
pub(crate) fn prepare(
    parents: &[String],
    devices: &[String],
    report: &Report,
) -> Result<Vec<Uplink>, Impossible> {
    let host = prepare_host().map_err(broken)?;
    let parents = parents.iter().map(|name| (name, true));
    let mut uplinks = Vec::new();
    for (name, is_up) in parents.chain(devices.iter().map(|name| (name, false))) {
        // The plugin reports a name that is invalid.
        let Ok(name) = IfName::try_from(name.as_str()) else { continue };
        if host.find_link(name.as_str()).map_err(io::Error::other).map_err(broken)?.is_some() {
            continue;
        }
        uplinks.push(Uplink::add(&host, name.as_str(), is_up).map_err(broken)?);
        let for_whom = if is_up { "" } else { " for a container to take" };
        report.note(format!("made link {name}{for_whom}, which the configuration names; it leads nowhere"));
    }
    Ok(uplinks)
}

pub(crate) fn broken(why: io::Error) -> Impossible {
    Impossible(why.to_string())
}
