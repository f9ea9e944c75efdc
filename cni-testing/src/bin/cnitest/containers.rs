//! The containers: namespaces with an ID, attached and detached.

use std::net::IpAddr;
use std::time::Instant;

use cni_testing::types::{AddResult, Attachment, ContainerId, IfName};
use cni_testing::{Chain, TestNetns};

use crate::Impossible;
use crate::event::{Event, Exchange};
use crate::report::Report;
use crate::traffic::{End, TCP_BYTES, UDP_BYTES, over_tcp, over_udp};

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) attachment: Attachment,
    pub(crate) netns: TestNetns,
    /// The result of ADD, while the container is attached.
    result: Option<AddResult>,
}

impl Container {
    pub(crate) fn new(number: usize, ifname: &IfName) -> Result<Self, Impossible> {
        let impossible = |why: String| Impossible(format!("cannot make container c{number}: {why}"));
        let id = ContainerId::try_from(format!("c{number}")).map_err(|why| impossible(why.to_string()))?;
        let netns = TestNetns::try_new().map_err(|why| impossible(why.to_string()))?;
        Ok(Self { attachment: Attachment::new(id, ifname.clone()), netns, result: None })
    }

    pub(crate) fn id(&self) -> &str {
        self.attachment.container_id.as_str()
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.result.is_some()
    }

    /// Attaches the container. Returns whether that succeeded. The chain's observer reports a failure of a plugin.
    pub(crate) fn attach(&mut self, chain: &Chain<'_>, report: &Report) -> bool {
        match chain.add_or_undo(&self.attachment, self.netns.path()) {
            Ok(result) => self.result = Some(result),
            Err(error) if error.plugin.is_none() => report.failure(error.to_string()),
            Err(_) => {}
        }
        self.is_attached()
    }

    pub(crate) fn check(&self, chain: &Chain<'_>, report: &Report) {
        tell(chain.check(&self.attachment, self.netns.path()).err(), report);
    }

    /// Detaches the container. It counts as detached even after a failure, because a second attempt would fail too.
    pub(crate) fn detach(&mut self, chain: &Chain<'_>, report: &Report) {
        self.result = None;
        tell(chain.del(&self.attachment, Some(self.netns.path())).err(), report);
    }

    /// The addresses at which other containers can reach it.
    fn addresses(&self) -> Vec<IpAddr> {
        let Some(result) = &self.result else { return Vec::new() };
        let is_inside = |index: usize| {
            let interface = result.interfaces.get(index);
            interface.is_some_and(|interface| interface.sandbox.as_ref().is_some_and(|path| !path.is_empty()))
        };
        let inside = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_inside));
        let addresses = inside.map(|ip| ip.address.addr());
        addresses.filter(|address| !address.is_loopback() && !is_link_local(*address)).collect()
    }
}

/// Reports an error that is not the failure of a plugin.
fn tell(error: Option<cni_testing::ChainError>, report: &Report) {
    if let Some(error) = error.filter(|error| error.plugin.is_none()) {
        report.failure(error.to_string());
    }
}

/// Sends traffic between all containers, over each pair of addresses of one family.
pub(crate) fn exchange(containers: &[Container], report: &Report) {
    let mut count = 0;
    for from in containers {
        for to in containers.iter().filter(|to| to.id() != from.id()) {
            for from_address in from.addresses() {
                for to_address in to.addresses() {
                    if from_address.is_ipv4() == to_address.is_ipv4() {
                        exchange_between((from, from_address), (to, to_address), report);
                        count += 1;
                    }
                }
            }
        }
    }
    if count == 0 {
        report.note(match containers {
            [_] => "no traffic: there is only one container",
            _ => "no traffic: the network gives the containers no addresses",
        });
    }
}

fn exchange_between(from: (&Container, IpAddr), to: (&Container, IpAddr), report: &Report) {
    let end =
        |(container, address): (&'_ Container, IpAddr)| (container.id().to_owned(), address.to_string());
    let ends = (End { netns: &from.0.netns, address: from.1 }, End { netns: &to.0.netns, address: to.1 });
    for (protocol, bytes) in [("tcp", TCP_BYTES), ("udp", UDP_BYTES)] {
        let started = Instant::now();
        let done = match protocol {
            _ if from.1 == to.1 => Err(std::io::Error::other("both have the same address")),
            "tcp" => over_tcp(ends.0, ends.1),
            _ => over_udp(ends.0, ends.1),
        };
        let (from, from_address) = end(from);
        let (to, to_address) = end(to);
        report.tell(&Event::Exchange(Exchange {
            protocol,
            from,
            from_address,
            to,
            to_address,
            bytes,
            duration: started.elapsed(),
            error: done.err().map(|why| why.to_string()),
        }));
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
