//! The MAC spoof check: packets of a container with another source hardware address than its own are dropped.
//!
//! Table, chains and comments are those of the reference plugin, so that each plugin's DEL removes what the other's ADD made.
//! An attachment has two chains of its own, and a rule in the base chain that jumps to them.

use cni_skel::net::NetError;
use cni_skel::nft::{Base, Batch, Chain, ChainType, Family, Field, Hook, Nft, Rule, Table, Value};
use cni_skel::types::{Attachment, ContainerId, ErrorCode, IfName, MacAddr, NetworkName};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Result};

use crate::config::Config;
use crate::names::HostEnd;

/// The priority of the base chain: before all other filters of the bridge family.
const PRIORITY: i32 = -300;
/// The start of each rule's comment.
const COMMENT: &str = "macspoofchk-";

/// Adds the check for a port. It is removed if ADD fails.
pub(crate) fn add(req: &AddRequest<Config>, port: &str, mac: &MacAddr) -> Result<()> {
    let nft = Nft::open()?;
    let check = Check::of(&req.container_id, &req.ifname);
    let (undo, undone) = (nft.clone(), check.clone());
    req.on_failure("remove the MAC spoof check", move || undone.remove(&undo));
    let rules = check.rules(port, mac)?;
    let batch = nft.batch().add_table(&check.table).add_chain(&check.base);
    let batch = batch.create_chain(&check.of_port).create_chain(&check.of_mac);
    match with_rules(batch, &rules).send() {
        // An earlier ADD without a DEL left the chains.
        Err(error) if error.is_exists() => {}
        made => return Ok(made?),
    }
    nft.transaction::<NetError>(|batch| {
        let batch = batch.add_table(&check.table).add_chain(&check.base);
        let batch = check.delete_jumps(&nft, batch)?;
        let batch = batch.add_chain(&check.of_port).add_chain(&check.of_mac);
        Ok(with_rules(batch.flush_chain(&check.of_port).flush_chain(&check.of_mac), &rules))
    })?;
    Ok(())
}

fn with_rules<'a>(batch: Batch<'a>, rules: &[Rule]) -> Batch<'a> {
    rules.iter().fold(batch, |batch, rule| batch.add_rule(rule))
}

/// Removes the check. Dropping the returned handle waits until the kernel has freed it.
pub(crate) fn del(req: &DelRequest<Config>) -> Result<Option<Nft>> {
    let Some(nft) = Nft::open_if_supported()? else { return Ok(None) };
    Check::of(&req.container_id, &req.ifname).remove(&nft)?;
    Ok(Some(nft))
}

/// Removes the checks of attachments that are not valid any more. The network is not in a chain's name, but the port's name
/// depends on it.
pub(crate) fn collect(network: &NetworkName, valid: &[Attachment]) -> Result<()> {
    let Some(nft) = Nft::open_if_supported()? else { return Ok(()) };
    let base = Check::layout().1;
    let rules = nft.rules(&base)?;
    let stale =
        rules.iter().filter_map(|rule| owner_of(rule, network)).filter(|found| !valid.contains(found));
    for attachment in stale {
        Check::of(&attachment.container_id, &attachment.ifname).remove(&nft)?;
    }
    Ok(())
}

/// Checks that the check for a port is complete.
pub(crate) fn check(req: &CheckRequest<Config>, port: &str, mac: &MacAddr) -> Result<()> {
    let nft = Nft::open()?;
    let check = Check::of(&req.container_id, &req.ifname);
    let wanted = check.rules(port, mac)?;
    let has_chain = nft.find_chain(&check.base)?.is_some_and(|chain| chain.base == check.base.base);
    let has_jump = !nft.find_rules(&check.base, |rule| rule.does_the_same(&wanted[0]))?.is_empty();
    let is_whole = |chain: &Chain, wanted: &[Rule]| -> Result<bool> {
        let rules = nft.rules(chain)?;
        let are_same = rules.iter().zip(wanted).all(|(rule, wanted)| rule.does_the_same(wanted));
        Ok(rules.len() == wanted.len() && are_same)
    };
    if !has_chain
        || !has_jump
        || !is_whole(&check.of_port, &wanted[1..2])?
        || !is_whole(&check.of_mac, &wanted[2..])?
    {
        let msg = format!("MAC spoof check for {port} with {mac} is missing or changed");
        return Err(Error::new(ErrorCode::INTERNAL, msg));
    }
    Ok(())
}

/// Returns the attachment of the network that a rule of the base chain is for.
fn owner_of(rule: &Rule, network: &NetworkName) -> Option<Attachment> {
    let both = rule.as_comment()?.strip_prefix(COMMENT)?;
    // Container id and interface name can contain dashes.
    both.match_indices('-').find_map(|(at, _)| {
        let attachment = Attachment::new(both[..at].parse().ok()?, both[at + 1..].parse().ok()?);
        let port = HostEnd::of(network, &attachment.container_id, &attachment.ifname).name;
        let jump = Check::of(&attachment.container_id, &attachment.ifname).jump(&port);
        rule.does_the_same(&jump).then_some(attachment)
    })
}

/// The reference plugin's table and base chain, and the chains of an attachment.
#[derive(Clone)]
struct Check {
    table: Table,
    /// The base chain, which sees the packets of all ports.
    base: Chain,
    of_port: Chain,
    of_mac: Chain,
    comment: String,
}

impl Check {
    fn of(container_id: &ContainerId, ifname: &IfName) -> Self {
        let (table, base) = Self::layout();
        let name = format!("cni-br-iface-{container_id}-{ifname}");
        let of_port = Chain::new(&table, name.as_str());
        let of_mac = Chain::new(&table, format!("{name}-mac"));
        Self { table, base, of_port, of_mac, comment: format!("{COMMENT}{container_id}-{ifname}") }
    }

    fn layout() -> (Table, Chain) {
        let table = Table::new(Family::Bridge, "nat");
        let base =
            Chain::base(&table, "PREROUTING", Base::new(ChainType::Filter, Hook::Prerouting, PRIORITY));
        (table, base)
    }

    /// The rule of the base chain that jumps to the port's chain.
    fn jump(&self, port: &str) -> Rule {
        Rule::new(&self.base).iifname(port).jump(&self.of_port).comment(&self.comment)
    }

    /// Returns all rules: one of the base chain, one of the port's chain, two of the address's chain.
    fn rules(&self, port: &str, mac: &MacAddr) -> Result<[Rule; 4]> {
        let octets = mac.as_bytes().first_chunk::<6>().copied();
        let octets = octets
            .ok_or_else(|| Error::new(ErrorCode::INTERNAL, format!("{mac} is not an Ethernet address")))?;
        let of_mac = Rule::new(&self.of_mac).is(Field::EtherSaddr, Value::ether(octets)).return_();
        Ok([
            self.jump(port),
            Rule::new(&self.of_port).jump(&self.of_mac).comment(&self.comment),
            of_mac.comment(&self.comment),
            Rule::new(&self.of_mac).drop().comment(&self.comment),
        ])
    }

    fn delete_jumps<'a>(&self, nft: &Nft, batch: Batch<'a>) -> Result<Batch<'a>, NetError> {
        let own = nft.rules_with_comment(&self.base, |comment| comment == self.comment)?;
        Ok(own.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    }

    fn remove(&self, nft: &Nft) -> Result<(), NetError> {
        nft.transaction(|batch| {
            let present: Vec<_> = [&self.of_port, &self.of_mac]
                .into_iter()
                .map(|chain| Ok(nft.find_chain(chain)?.is_some().then_some(chain)))
                .collect::<Result<_, NetError>>()?;
            // A chain that a rule jumps to cannot be deleted. So without the chains there are no such rules.
            if present.iter().all(Option::is_none) {
                return Ok(batch);
            }
            let batch = self.delete_jumps(nft, batch)?;
            Ok(present.into_iter().flatten().fold(batch, |batch, chain| batch.delete_chain(chain)))
        })
    }
}
