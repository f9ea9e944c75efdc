//! A container on a bridge, with an address from host-local. The bridge exists, as it does for all containers of a network except
//! the first.

use super::attach::{NETWORK, Row, bridge_config};
use super::plugin::Attachment;
use super::{Bench, PAUSE};
use crate::contest::{Contestant, Step, hold};
use crate::failure::Failure;
use crate::node::Node;
use crate::process::{Call, Runner};
use crate::results::{Backend, Job, Kind, Operation, Results};
use crate::subject::Subject;

const KINDS: [Kind; 4] =
    [Kind::Alone, Kind::Gateway, Kind::Masquerade(Backend::Iptables), Kind::Masquerade(Backend::Nftables)];
/// The address that the floor reserves.
const FREE: &str = "10.88.200.1";

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    for kind in KINDS {
        // Each program has its own node, because it would find the bridge of another.
        let subjects = bench.programs.subjects().into_iter().map(|subject| Ok((subject, Node::new()?)));
        let subjects: Vec<(Subject, Node)> = subjects.collect::<Result<_, _>>()?;
        let contestants = subjects.iter().filter_map(|(subject, node)| match subject {
            Subject::Floor(_) => floor(bench, *subject, node, kind).transpose(),
            _ => Some(Ok(plugin(bench, *subject, node, kind))),
        });
        let contestants = contestants.collect::<Result<_, _>>()?;
        hold(bench.options, (Job::Bridge(kind), 0), PAUSE, contestants, results);
        subjects.into_iter().try_for_each(|(_, node)| node.end())?;
    }
    Ok(())
}

fn plugin<'a>(bench: &'a Bench<'a>, subject: Subject, node: &'a Node, kind: Kind) -> Contestant<'a> {
    let plugins = vec![("bridge", bridge_config(node, kind))];
    let row = Row { subject, plugins, attachment: Attachment::measured(node.container.path()) };
    Contestant { subject, round: Box::new(move |runner| come_and_go(bench, node, &row, runner)) }
}

/// Attaches one container with all plugins of a chain, and detaches it.
pub(super) fn come_and_go(
    bench: &Bench<'_>,
    node: &Node,
    row: &Row<'_>,
    runner: Runner,
) -> Result<Vec<Step>, Failure> {
    node.enter()?;
    let added = row.add(bench, runner)?;
    node.expect_attached(true)?;
    let Some(last) = added.last() else { return Ok(Vec::new()) };
    let deleted = row.del(bench, runner, last)?;
    node.expect_attached(false)?;
    Ok(vec![Step::new(Operation::Add, &added), Step::new(Operation::Del, &deleted)])
}

fn floor<'a>(
    bench: &'a Bench<'a>,
    subject: Subject,
    node: &'a Node,
    kind: Kind,
) -> Result<Option<Contestant<'a>>, Failure> {
    let word = match kind {
        Kind::Alone => "alone",
        Kind::Gateway => "gateway",
        Kind::Masquerade(Backend::Nftables) => "masquerade",
        Kind::Masquerade(Backend::Iptables) => return Ok(None),
    };
    let Some(program) = bench.programs.find(subject, "floor") else { return Ok(None) };
    node.add_bridge()?;
    node.add_masquerading()?;
    node.add_folder(NETWORK)?;
    let (netns, folder) = (node.container.path().as_os_str(), node.folder(NETWORK).into_os_string());
    let (mut add, mut del) = (Call::new(&program), Call::new(&program));
    add.arguments =
        vec!["bridge-add".into(), netns.into(), folder.clone(), FREE.into(), "measured".into(), word.into()];
    del.arguments = vec!["bridge-del".into(), folder, FREE.into(), "measured".into(), word.into()];
    let round = move |runner: Runner| {
        node.enter()?;
        let added = runner(&add)?;
        node.expect_attached(true)?;
        let deleted = runner(&del)?;
        node.expect_attached(false)?;
        Ok(vec![Step::new(Operation::Add, &[added]), Step::new(Operation::Del, &[deleted])])
    };
    Ok(Some(Contestant { subject, round: Box::new(round) }))
}
