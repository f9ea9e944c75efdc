//! What a container sends must have its own hardware address, or it is thrown away.
//!
//! Table, chains and comments are the reference plugin's, so that either one's DEL removes what the other's ADD made. An
//! attachment has two chains of its own, and a rule in the chain of all that leads its packets there.

use cni_skel::net::NetError;
use cni_skel::nft::{Base, Batch, Chain, ChainType, Family, Field, Hook, Nft, Rule, Table, Value};
use cni_skel::types::{Attachment, ContainerId, ErrorCode, IfName, MacAddr, NetworkName};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Result};

use crate::config::Config;
use crate::names::HostEnd;

/// Before whatever else looks at what crosses a bridge, in numbers of that family.
const PRIORITY: i32 = -300;
/// What the comment of each rule begins with.
const COMMENT: &str = "macspoofchk-";

/// Has what comes in by a port checked, and that undone should ADD fail.
pub(crate) fn add(req: &AddRequest<Config>, port: &str, mac: &MacAddr) -> Result<()> {
    let nft = Nft::open()?;
    let check = Check::of(&req.container_id, &req.ifname);
    let (undo, undone) = (nft.clone(), check.clone());
    req.on_failure("stop checking hardware addresses", move || undone.remove(&undo));
    let rules = check.rules(port, mac)?;
    let batch = nft.batch().add_table(&check.table).add_chain(&check.all);
    let batch = batch.create_chain(&check.of_port).create_chain(&check.of_mac);
    match with_rules(batch, &rules).send() {
        // What an ADD made whose DEL never came.
        Err(error) if error.is_exists() => {}
        made => return Ok(made?),
    }
    nft.transaction::<NetError>(|batch| {
        let batch = batch.add_table(&check.table).add_chain(&check.all);
        let batch = check.delete_leads(&nft, batch)?;
        let batch = batch.add_chain(&check.of_port).add_chain(&check.of_mac);
        Ok(with_rules(batch.flush_chain(&check.of_port).flush_chain(&check.of_mac), &rules))
    })?;
    Ok(())
}

fn with_rules<'a>(batch: Batch<'a>, rules: &[Rule]) -> Batch<'a> {
    rules.iter().fold(batch, |batch, rule| batch.add_rule(rule))
}

/// Ends what ADD began. Whoever drops the handle that comes back waits until the kernel has freed it all.
pub(crate) fn del(req: &DelRequest<Config>) -> Result<Option<Nft>> {
    let Some(nft) = Nft::open_if_supported()? else { return Ok(None) };
    Check::of(&req.container_id, &req.ifname).remove(&nft)?;
    Ok(Some(nft))
}

/// Ends what no valid attachment of the network has. The chains do not tell the network, but the name of the port does.
pub(crate) fn collect(network: &NetworkName, valid: &[Attachment]) -> Result<()> {
    let Some(nft) = Nft::open_if_supported()? else { return Ok(()) };
    let all = Check::layout().1;
    let rules = nft.rules(&all)?;
    let stale =
        rules.iter().filter_map(|rule| owner_of(rule, network)).filter(|found| !valid.contains(found));
    for attachment in stale {
        Check::of(&attachment.container_id, &attachment.ifname).remove(&nft)?;
    }
    Ok(())
}

/// Looks whether what comes in by a port is checked.
pub(crate) fn check(req: &CheckRequest<Config>, port: &str, mac: &MacAddr) -> Result<()> {
    let nft = Nft::open()?;
    let check = Check::of(&req.container_id, &req.ifname);
    let wanted = check.rules(port, mac)?;
    let has_chain = nft.find_chain(&check.all)?.is_some_and(|chain| chain.base == check.all.base);
    let leads = !nft.find_rules(&check.all, |rule| rule.does_the_same(&wanted[0]))?.is_empty();
    let is_whole = |chain: &Chain, wanted: &[Rule]| -> Result<bool> {
        let rules = nft.rules(chain)?;
        let are_same = rules.iter().zip(wanted).all(|(rule, wanted)| rule.does_the_same(wanted));
        Ok(rules.len() == wanted.len() && are_same)
    };
    if !has_chain
        || !leads
        || !is_whole(&check.of_port, &wanted[1..2])?
        || !is_whole(&check.of_mac, &wanted[2..])?
    {
        let msg = format!("that host interface {port} takes in packets of {mac} only is not as ADD made it");
        return Err(Error::new(ErrorCode::INTERNAL, msg));
    }
    Ok(())
}

/// The attachment of the network whose packets a rule leads away from those of all.
fn owner_of(rule: &Rule, network: &NetworkName) -> Option<Attachment> {
    let both = rule.as_comment()?.strip_prefix(COMMENT)?;
    // Both parts may have dashes of their own.
    both.match_indices('-').find_map(|(at, _)| {
        let attachment = Attachment::new(both[..at].parse().ok()?, both[at + 1..].parse().ok()?);
        let port = HostEnd::of(network, &attachment.container_id, &attachment.ifname).name;
        let lead = Check::of(&attachment.container_id, &attachment.ifname).lead(&port);
        rule.does_the_same(&lead).then_some(attachment)
    })
}

/// The reference plugin's table and chains, with those of an attachment.
#[derive(Clone)]
struct Check {
    table: Table,
    /// The chain that all packets come to.
    all: Chain,
    of_port: Chain,
    of_mac: Chain,
    comment: String,
}

impl Check {
    fn of(container_id: &ContainerId, ifname: &IfName) -> Self {
        let (table, all) = Self::layout();
        let name = format!("cni-br-iface-{container_id}-{ifname}");
        let of_port = Chain::new(&table, name.as_str());
        let of_mac = Chain::new(&table, format!("{name}-mac"));
        Self { table, all, of_port, of_mac, comment: format!("{COMMENT}{container_id}-{ifname}") }
    }

    fn layout() -> (Table, Chain) {
        let table = Table::new(Family::Bridge, "nat");
        let all = Chain::base(&table, "PREROUTING", Base::new(ChainType::Filter, Hook::Prerouting, PRIORITY));
        (table, all)
    }

    /// What leads the packets of a port away from those of all.
    fn lead(&self, port: &str) -> Rule {
        Rule::new(&self.all).iifname(port).jump(&self.of_port).comment(&self.comment)
    }

    /// All rules, in the order of their chains.
    fn rules(&self, port: &str, mac: &MacAddr) -> Result<[Rule; 4]> {
        let octets = mac.as_bytes().first_chunk::<6>().copied();
        let octets = octets.ok_or_else(|| {
            Error::new(ErrorCode::INTERNAL, format!("{mac} is no hardware address of an Ethernet"))
        })?;
        let of_mac = Rule::new(&self.of_mac).is(Field::EtherSaddr, Value::ether(octets)).return_();
        Ok([
            self.lead(port),
            Rule::new(&self.of_port).jump(&self.of_mac).comment(&self.comment),
            of_mac.comment(&self.comment),
            Rule::new(&self.of_mac).drop().comment(&self.comment),
        ])
    }

    fn delete_leads<'a>(&self, nft: &Nft, batch: Batch<'a>) -> Result<Batch<'a>, NetError> {
        let own = nft.rules_with_comment(&self.all, |comment| comment == self.comment)?;
        Ok(own.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    }

    fn remove(&self, nft: &Nft) -> Result<(), NetError> {
        nft.transaction(|batch| {
            let present: Vec<_> = [&self.of_port, &self.of_mac]
                .into_iter()
                .map(|chain| Ok(nft.find_chain(chain)?.is_some().then_some(chain)))
                .collect::<Result<_, NetError>>()?;
            // Rules that lead to a chain keep it there, so without one there are none.
            if present.iter().all(Option::is_none) {
                return Ok(batch);
            }
            let batch = self.delete_leads(nft, batch)?;
            Ok(present.into_iter().flatten().fold(batch, |batch, chain| batch.delete_chain(chain)))
        })
    }
}
