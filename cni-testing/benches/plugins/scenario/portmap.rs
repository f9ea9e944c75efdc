//! A port of a container, when other containers have ports too.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::attach::portmap_config;
use super::chain::with_portmap;
use super::plugin::Attachment;
use super::{Bench, PAUSE};
use crate::contest::{Contestant, Step, hold};
use crate::failure::Failure;
use crate::node::{IFNAME, Node};
use crate::process::{Call, Runner, timed};
use crate::results::{Backend, Job, Operation, Results};
use crate::subject::Subject;

/// The numbers of other containers with a port.
const OTHERS: [usize; 3] = [0, 100, 1_000];
/// The first port of the other containers.
pub(super) const FIRST_PORT: usize = 10_000;

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    for backend in Backend::ALL {
        let nodes = with_portmap(bench).into_iter().map(|subject| {
            let node = Node::new()?;
            // The plugin looks up the route to the container's address.
            node.add_bridge()?;
            Ok((subject, node))
        });
        let nodes: Vec<(Subject, Node)> = nodes.collect::<Result<_, Failure>>()?;
        let mut before = 0;
        for others in OTHERS {
            for (subject, node) in &nodes {
                node.enter()?;
                fill(bench, *subject, node, backend, before..others)?;
            }
            before = others;
            let contestants = nodes.iter().map(|(subject, node)| contestant(bench, *subject, node, backend));
            let contestants = contestants.collect::<Result<_, _>>()?;
            hold(bench.options, (Job::Portmap(backend), others), PAUSE, contestants, results);
        }
        nodes.into_iter().try_for_each(|(_, node)| node.end())?;
    }
    Ok(())
}

fn contestant<'a>(
    bench: &Bench<'_>,
    subject: Subject,
    node: &'a Node,
    backend: Backend,
) -> Result<Contestant<'a>, Failure> {
    let attachment = Attachment::measured(node.container.path());
    let address = Ipv4Addr::new(10, 88, 250, 1);
    let call = |command| call(bench, subject, command, (&attachment, address), (backend, 8080));
    let (add, del) = (call("ADD")?, call("DEL")?);
    let round = move |runner: Runner| {
        node.enter()?;
        let (added, deleted) = (runner(&add)?, runner(&del)?);
        Ok(vec![Step::new(Operation::Add, &[added]), Step::new(Operation::Del, &[deleted])])
    };
    Ok(Contestant { subject, round: Box::new(round) })
}

fn call(
    bench: &Bench<'_>,
    subject: Subject,
    command: &str,
    (attachment, address): (&Attachment<'_>, Ipv4Addr),
    (backend, port): (Backend, usize),
) -> Result<Call, Failure> {
    let mut config = portmap_config(backend, port);
    config["prevResult"] = prev_result(attachment.netns, address);
    bench.call_for((subject, "portmap"), command, attachment, &config)
}

fn prev_result(netns: &Path, address: Ipv4Addr) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "cni0"}, {"name": "veth0"}, {"name": IFNAME, "sandbox": netns}],
        "ips": [{"address": format!("{address}/16"), "gateway": "10.88.0.1", "interface": 2}],
    })
}

/// Adds a port for each of the other containers.
fn fill(
    bench: &Bench<'_>,
    subject: Subject,
    node: &Node,
    backend: Backend,
    others: std::ops::Range<usize>,
) -> Result<(), Failure> {
    if subject == Subject::Go {
        return copies::fill(bench, node, others);
    }
    for n in others {
        let attachment =
            Attachment { id: format!("other-{n}"), ..Attachment::measured(node.container.path()) };
        timed(&call(bench, subject, "ADD", (&attachment, address(n)), (backend, FIRST_PORT + n))?)?;
    }
    Ok(())
}

fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 88, 1, 0).to_bits() + u32::try_from(n).unwrap_or_default())
}

/// Adds the ports of other containers for the Go plugin. It would need minutes for a thousand ADDs, so the rules of one ADD are
/// copied.
mod copies {
    use std::net::Ipv4Addr;
    use std::ops::Range;

    use super::super::plugin::PATH;
    use super::{Attachment, Backend, Bench, FIRST_PORT, Node, Subject, address, call};
    use crate::failure::Failure;
    use crate::process::{Call, timed};

    const TEMPLATE: &str = "template";
    const PORT: usize = 9_999;
    const AT_ONCE: usize = 50;
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 251, 251);

    pub(super) fn fill(bench: &Bench<'_>, node: &Node, others: Range<usize>) -> Result<(), Failure> {
        if others.is_empty() {
            return Ok(());
        }
        let attachment =
            Attachment { id: TEMPLATE.to_owned(), ..Attachment::measured(node.container.path()) };
        let run = |command| {
            timed(&call(bench, Subject::Go, command, (&attachment, ADDRESS), (Backend::Iptables, PORT))?)
        };
        run("ADD")?;
        let saved = timed(&program("iptables-save", &["-t", "nat"]))?;
        let saved = String::from_utf8_lossy(&saved.stdout).into_owned();
        let lines =
            template(&saved).ok_or_else(|| Failure("the Go plugin created no chain to copy".to_owned()))?;
        // No more at once than a pipe can hold.
        for first in others.clone().step_by(AT_ONCE) {
            let some = first..others.end.min(first + AT_ONCE);
            let rules: String = some.map(|n| lines.of(n)).collect();
            let mut restore = program("iptables-restore", &["--noflush"]);
            restore.stdin = format!("*nat\n{rules}COMMIT\n").into_bytes();
            timed(&restore)?;
        }
        run("DEL").map(drop)
    }

    fn program(name: &str, arguments: &[&str]) -> Call {
        let mut call = Call::new(name);
        call.arguments = arguments.iter().map(Into::into).collect();
        call.env = vec![("PATH", PATH.into())];
        call
    }

    /// The rules of one container.
    pub(super) struct Template {
        chain: String,
        lines: Vec<String>,
    }

    /// Finds the rules of the container in the output of iptables-save.
    pub(super) fn template(saved: &str) -> Option<Template> {
        let entry = saved.lines().find(|line| line.contains(&format!("id: \\\"{TEMPLATE}\\\"")))?;
        let chain = entry.split(' ').next_back()?.to_owned();
        let of_chain = saved.lines().filter(|line| line.split([' ', ':']).any(|word| word == chain));
        let lines: Vec<String> = of_chain.map(str::to_owned).collect();
        (chain.starts_with("CNI-DN-") && lines.len() > 2).then_some(Template { chain, lines })
    }

    impl Template {
        /// Returns the same rules for another container.
        pub(super) fn of(&self, n: usize) -> String {
            let digits = self.chain.len() - "CNI-DN-".len();
            let chain = format!("CNI-DN-{n:0digits$x}");
            let replace = |line: &String| {
                line.replace(&self.chain, &chain)
                    .replace(TEMPLATE, &format!("other-{n}"))
                    .replace(&ADDRESS.to_string(), &address(n).to_string())
                    .replace(&PORT.to_string(), &(FIRST_PORT + n).to_string())
                    + "\n"
            };
            self.lines.iter().map(replace).collect()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const SAVED: &str = r#"*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-DN-0123456789abcdef01234 - [0:0]
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"bench\" id: \"template\"" -m multiport --dports 9999 -j CNI-DN-0123456789abcdef01234
-A CNI-DN-0123456789abcdef01234 -s 10.88.0.0/16 -p tcp -m tcp --dport 9999 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-0123456789abcdef01234 -p tcp -m tcp --dport 9999 -j DNAT --to-destination 10.88.251.251:80
COMMIT
"#;

        #[test]
        fn a_container_s_rules_are_copied_with_another_s_names_and_numbers() {
            let copy = template(SAVED).unwrap().of(17);
            let lines: Vec<_> = copy.lines().collect();
            assert_eq!(lines[0], ":CNI-DN-000000000000000000011 - [0:0]");
            assert!(lines[1].contains("other-17") && lines[1].contains("--dports 10017"), "{copy}");
            assert!(lines[3].ends_with("--to-destination 10.88.1.17:80"), "{copy}");
            assert_eq!(lines.len(), 4);
        }

        #[test]
        fn a_table_without_the_container_has_nothing_to_copy() {
            assert!(template("*nat\nCOMMIT\n").is_none());
        }
    }
}
