//! A node for one program: a host and a container, which are namespaces, and a folder for state.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::net::{Address, Bridge, Net, NetError, Veth};
use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Rule, Table};
use cni_testing::TestNetns;
use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::failure::Failure;

/// The bridge of all networks, and its address.
pub(crate) const BRIDGE: &str = "cni0";
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The name of the interface in each container.
pub(crate) const IFNAME: &str = "eth0";
/// The timeout for the kernel's clean-up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host, a container, and no state.
pub(crate) struct Node {
    host: TestNetns,
    pub(crate) container: TestNetns,
    state: TempDir,
}

impl Node {
    pub(crate) fn new() -> Result<Self, Failure> {
        let namespace = || TestNetns::try_new().map_err(Failure::from("cannot make a network namespace"));
        let state = TempDir::new().map_err(Failure::from("cannot make a folder for state"))?;
        Ok(Self { host: namespace()?, container: namespace()?, state })
    }

    /// Moves the calling thread to the host. The processes that it starts are there too.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        enter(&self.host)
    }

    /// Returns the folder for host-local's state: key `dataDir`.
    pub(crate) fn data_dir(&self) -> &Path {
        self.state.path()
    }

    /// Returns the folder of one network's state.
    pub(crate) fn folder(&self, network: &str) -> PathBuf {
        self.state.path().join(network)
    }

    /// Creates the bridge with the gateway's address, as the first container of a network does.
    pub(crate) fn add_bridge(&self) -> Result<(), Failure> {
        let make = |net: Net| {
            let bridge = net.add_bridge(&Bridge::new(BRIDGE))?;
            let gateway = ipnet::IpNet::new_assert(GATEWAY.into(), 16);
            net.batch().add_address(&Address::new(bridge.index, gateway)).set_up(bridge.index).send()
        };
        self.host.net().and_then(make).map_err(Failure::from("cannot make a bridge"))
    }

    /// Creates the table for masquerading, its chain, and the jump to it.
    pub(crate) fn add_masquerading(&self) -> Result<(), Failure> {
        let make = |nft: Nft| {
            let table = Table::new(Family::Inet, "cni_plugins_masquerade");
            let checks = Chain::new(&table, "masq_checks");
            let postrouting = Chain::base(
                &table,
                "postrouting",
                Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT),
            );
            let lead = Rule::new(&postrouting).goto(&checks);
            nft.batch().add_table(&table).add_chain(&checks).add_chain(&postrouting).add_rule(&lead).send()
        };
        let made = Nft::open_in(self.host.netns()).and_then(make);
        made.map_err(Failure::from("cannot make a table for masquerading"))
    }

    /// Creates the folder of one network's state.
    pub(crate) fn add_folder(&self, network: &str) -> Result<(), Failure> {
        let folder = self.folder(network);
        fs::create_dir_all(&folder).map_err(Failure::from(folder.display()))
    }

    /// Checks that the container has its interface after ADD, or does not have it after DEL.
    pub(crate) fn expect_attached(&self, wanted: bool) -> Result<(), Failure> {
        let link = self.container.net().and_then(|net| net.find_link(IFNAME));
        let is = link.map_err(Failure::from("cannot look into the container"))?.is_some();
        let which = |is| if is { "an" } else { "no" };
        if is == wanted { Ok(()) } else { Err(Failure(format!("the container has {} interface", which(is)))) }
    }

    /// Removes the node, and waits until the kernel has cleaned up, because that would slow down the next measurement.
    pub(crate) fn end(self) -> Result<(), Failure> {
        let watch = TestNetns::try_new().map_err(Failure::from("cannot make a network namespace"))?;
        let failed = |cause: NetError| Failure(format!("cannot wait for the end of a namespace: {cause}"));
        let last = Veth::new("last", "last");
        self.host.net().and_then(|host| host.add_veth(&last, watch.netns()).map(drop)).map_err(failed)?;
        // A namespace exists as long as a thread is in it.
        enter(&watch)?;
        drop(self);
        let (net, deadline) = (watch.net().map_err(failed)?, Instant::now() + PATIENCE);
        while net.find_link("last").map_err(failed)?.is_some() {
            if Instant::now() > deadline {
                return Err(Failure(format!(
                    "the kernel has not cleaned up a namespace within {PATIENCE:?}"
                )));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn enter(netns: &TestNetns) -> Result<(), Failure> {
    let fd = netns.netns().as_fd().map_err(Failure::from("a namespace has gone"))?;
    setns(fd, CloneFlags::CLONE_NEWNET).map_err(Failure::from("cannot enter a namespace"))
}
