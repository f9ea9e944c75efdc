//! An address from a pool in which more and more addresses are in use.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Bench;
use super::plugin::{Attachment, host_local, with_prev_result};
use crate::contest::{Contestant, Step, hold};
use crate::failure::Failure;
use crate::node::Node;
use crate::process::{Call, Runner};
use crate::results::{Job, Operation, Results};
use crate::subject::Subject;

/// The numbers of addresses in use, in ascending order, because the scenario only adds to the pool.
const TAKEN: [u32; 5] = [0, 1_000, 10_000, 50_000, 60_000];
const NETWORK: &str = "bench";
const SUBNET: &str = "10.0.0.0/8";
/// The first of the addresses in use.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The address that the floor reserves.
const FREE: &str = "10.255.0.1";

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    // Each subject has its own pool, because it must read a pool again that others changed.
    let (go, ours, floor) = (Node::new()?, Node::new()?, Node::new()?);
    let mut before = 0;
    for taken in TAKEN {
        for node in [&go, &ours, &floor] {
            node.add_folder(NETWORK)?;
            fill(&node.folder(NETWORK), before..taken)?;
        }
        before = taken;
        let contestants = bench.programs.subjects().into_iter().filter_map(|subject| {
            let node = match subject {
                Subject::Go => &go,
                Subject::Ours(_) => &ours,
                Subject::Floor(_) => &floor,
            };
            contestant(bench, subject, node).transpose()
        });
        let contestants = contestants.collect::<Result<_, _>>()?;
        hold(bench.options, (Job::HostLocal, taken as usize), Duration::ZERO, contestants, results);
    }
    [go, ours, floor].into_iter().try_for_each(Node::end)
}

fn contestant<'a>(
    bench: &Bench<'a>,
    subject: Subject,
    node: &'a Node,
) -> Result<Option<Contestant<'a>>, Failure> {
    let Some((add, del)) = calls(bench, subject, node)? else { return Ok(None) };
    let round = move |runner: Runner| {
        node.enter()?;
        let added = runner(&add)?;
        with_prev_result(&json!({}), &added)?;
        let deleted = runner(&del)?;
        Ok(vec![Step::new(Operation::Add, &[added]), Step::new(Operation::Del, &[deleted])])
    };
    Ok(Some(Contestant { subject, round: Box::new(round) }))
}

fn calls(bench: &Bench<'_>, subject: Subject, node: &Node) -> Result<Option<(Call, Call)>, Failure> {
    if let Subject::Floor(_) = subject {
        let Some(program) = bench.programs.find(subject, "floor") else { return Ok(None) };
        let folder = node.folder(NETWORK).into_os_string();
        let (mut add, mut del) = (Call::new(&program), Call::new(&program));
        add.arguments = vec!["host-local-add".into(), folder.clone(), FREE.into(), "measured".into()];
        del.arguments = vec!["host-local-del".into(), folder, FREE.into()];
        return Ok(Some((add, del)));
    }
    let config = json!({
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "type": "bridge",
        "ipam": host_local(node.data_dir(), SUBNET),
    });
    let attachment = Attachment::measured(node.container.path());
    let call = |command| bench.call_for((subject, "host-local"), command, &attachment, &config);
    Ok(Some((call("ADD")?, call("DEL")?)))
}

/// Reserves addresses for other containers, in ascending order.
fn fill(folder: &Path, others: std::ops::Range<u32>) -> Result<(), Failure> {
    let address = |n: u32| Ipv4Addr::from_bits(FIRST.to_bits() + n).to_string();
    let write = |name: &str, contents: &str| {
        let path = folder.join(name);
        fs::write(&path, contents).map_err(Failure::from(path.display()))
    };
    if others.is_empty() {
        return Ok(());
    }
    for n in others.clone() {
        write(&address(n), &format!("other-{n}\r\neth0"))?;
    }
    write("last_reserved_ip.0", &address(others.end - 1))
}
