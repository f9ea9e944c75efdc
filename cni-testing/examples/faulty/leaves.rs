//! Everything that a plugin can leave behind on the host, with another name for each container.

use std::fs;

use cni_skel::Sysctl;
use cni_skel::net::{Address, Bridge, Neighbour, Net, NetError, Route};
use cni_skel::nft::{Chain, Family, Nft, Rule, Table};

use crate::input::Call;
use crate::{has, leave};

/// Leaves what the fault names: `leaves/link`, `leaves/sysctl` and so on.
pub(crate) fn behind(call: &Call) {
    let number: u8 = call.id.trim_start_matches('c').parse().unwrap_or_default();
    if has("leaves/file") {
        leave(&format!("{number}"));
    }
    if has("leaves/namespace") {
        fs::create_dir_all("/run/netns").unwrap();
        fs::write(format!("/run/netns/left{number}"), "").unwrap();
    }
    if has("leaves/sysctl") {
        Sysctl::ipv4("lo", "medium_id").unwrap().write(&(number + 1).to_string()).unwrap();
    }
    in_network(number).unwrap();
}

fn in_network(number: u8) -> Result<(), NetError> {
    let net = Net::open()?;
    let lo = net.link("lo")?.index;
    let address = format!("10.77.0.{number}");
    if has("leaves/link") {
        net.add_bridge(&Bridge::new(format!("left{number}")))?;
    }
    if has("leaves/address") {
        net.add_address(&Address::new(lo, format!("{address}/32").parse().unwrap()))?;
    }
    if has("leaves/route") {
        net.add_route(&Route::new(format!("{address}/32").parse().unwrap()).link(lo))?;
    }
    if has("leaves/neighbour") {
        let mac = "02:00:00:00:00:01".parse().unwrap();
        // `lo` does not use neighbours.
        let link = match net.find_link("left")? {
            Some(link) => link.index,
            None => net.add_bridge(&Bridge::new("left"))?.index,
        };
        net.add_neighbour(&Neighbour::new(link, address.parse().unwrap(), mac))?;
    }
    if has("leaves/nftables") {
        let table = Table::new(Family::Ip, "left");
        let chain = Chain::new(&table, "same-for-all");
        let rule = Rule::new(&chain).counter();
        Nft::open()?.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send()?;
    }
    Ok(())
}
