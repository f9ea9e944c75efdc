//! Each kind of thing that a plugin can leave behind on the host, another one for each container.

use std::process::{Command, Stdio};

use cni_skel::Sysctl;
use cni_skel::net::{Address, Bridge, Neighbour, Net, NetError, Route};
use cni_skel::nft::{Chain, Family, Nft, Rule, Table};

use crate::input::Call;
use crate::{has, leave};

/// Leaves what the fault says: `leaves/link`, `leaves/sysctl` and so on.
pub(crate) fn behind(call: &Call) {
    let number: u8 = call.id.trim_start_matches('c').parse().unwrap_or_default();
    if has("leaves/file") {
        leave(&format!("{number}"));
    }
    if has("leaves/rule") {
        run(&format!("ip rule add from 10.77.0.{number} table 99"));
    }
    if has("leaves/namespace") {
        run(&format!("ip netns add left{number}"));
    }
    if has("leaves/qdisc") {
        run(&format!("tc qdisc replace dev lo root tbf rate {}mbit burst 10kb latency 50ms", number + 1));
    }
    if has("leaves/iptables") {
        run(&format!("iptables-legacy -t nat -N LEFT{number}"));
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
        // lo needs no neighbours.
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

fn run(line: &str) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("PATH=/usr/sbin:/sbin:/usr/bin:/bin; exec {line}")]);
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{line}: {status}");
}
