//! A network in memory: a host and containers that answer netlink requests as Linux does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cni_skel::Netns;
use cni_skel::net::{Net, NetError};
use cni_skel::seam::Kernel;

use message::{Refusal, Reply, Request, flag};
use numbers::{
    EOPNOTSUPP, NLM_F_DUMP, RTM_DELADDR, RTM_DELLINK, RTM_DELNEIGH, RTM_DELROUTE, RTM_GETADDR, RTM_GETLINK,
    RTM_GETNEIGH, RTM_GETROUTE, RTM_GETRULE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE,
    RTM_SETLINK,
};
use state::{Namespace, State};

mod addresses;
mod links;
mod message;
mod neighbours;
mod new_links;
mod numbers;
mod routes;
mod rules;
mod state;
mod sysctls;

/// The ID of the host's namespace. Those of containers follow. As file descriptors they are negative, so that the real kernel,
/// should it ever get one, does not take it for a descriptor that is open.
const HOST: u32 = 1 << 31;
/// The folder in the paths of the containers' namespaces.
const FOLDER: &str = "/fake/netns";

/// A host and its containers in memory. A plugin in process uses it in place of the kernel, on any machine and without
/// privileges.
///
/// It has links (veth pairs across namespaces, bridges and their ports, loopback), addresses with their routes, other
/// routes, neighbours and sysctls. It reads the same bytes that the plugin would send to the kernel, and returns the
/// same errors and messages.
///
/// It has no link-local addresses and no duplicate address detection, because the kernel does those at its own time.
/// Packets do not flow. It refuses unknown kinds of links and unknown messages with `EOPNOTSUPP`.
///
/// ```
/// use cni_skel::net::{Bridge, Veth};
/// use cni_testing::FakeNetwork;
///
/// let network = FakeNetwork::new();
/// let host = network.net()?;
/// let bridge = host.add_bridge(&Bridge::new("br0"))?;
/// host.add_veth(&Veth::new("veth0", "eth0").master(bridge.index), &network.container("c1"))?;
/// assert!(host.add_bridge(&Bridge::new("br0")).unwrap_err().is_exists());
/// assert_eq!(network.container("c1").net()?.link("eth0")?.kind.as_deref(), Some("veth"));
/// # Ok::<(), cni_skel::net::NetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FakeNetwork {
    state: Arc<Mutex<State>>,
}

impl FakeNetwork {
    /// Makes a host with a loopback interface only.
    #[expect(clippy::new_without_default, reason = "a host is no default of anything")]
    pub fn new() -> Self {
        let mut state = State::default();
        state.namespaces.insert(HOST, Namespace::new(PathBuf::from("/fake/host")));
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Returns the host's namespace.
    pub fn host(&self) -> Netns {
        self.made_up(HOST, PathBuf::from("/fake/host"))
    }

    /// Opens a handle of the host's network.
    ///
    /// # Errors
    /// A fake network returns none.
    pub fn net(&self) -> Result<Net, NetError> {
        self.host().net()
    }

    /// Returns the namespace of a container, and makes it if it does not exist. Its path is `/fake/netns/<name>`.
    pub fn container(&self, name: &str) -> Netns {
        self.namespace(Path::new(FOLDER).join(name))
    }

    /// Makes the namespace of a single container, without others.
    pub(crate) fn lone_container(path: &str) -> Netns {
        Self::new().namespace(PathBuf::from(path))
    }

    fn namespace(&self, path: PathBuf) -> Netns {
        let mut state = self.lock();
        let number = find(&state, &path).unwrap_or_else(|| {
            let number = state.namespaces.keys().max().unwrap_or(&HOST) + 1;
            state.namespaces.insert(number, Namespace::new(path.clone()));
            number
        });
        drop(state);
        self.made_up(number, path)
    }

    /// The path of a container's namespace, which is made if `is_made` is set.
    pub(crate) fn path_of(&self, name: &str, is_made: bool) -> PathBuf {
        if is_made { self.container(name).path().to_owned() } else { Path::new(FOLDER).join(name) }
    }

    /// Removes the namespace of a container, and its links with their peers. Its path is invalid from then on.
    pub fn remove_container(&self, name: &str) {
        let mut state = self.lock();
        if let Some(number) = find(&state, &Path::new(FOLDER).join(name)) {
            state.remove(number);
        }
    }

    fn made_up(&self, number: u32, path: PathBuf) -> Netns {
        Netns::made_up(path, Arc::new(FakeKernel { network: self.clone(), number }))
    }

    pub(crate) fn kernel(&self) -> Arc<dyn Kernel> {
        Arc::new(FakeKernel { network: self.clone(), number: HOST })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(state: &State, path: &Path) -> Option<u32> {
    state.namespaces.iter().find(|(_, namespace)| namespace.path == path).map(|(number, _)| *number)
}

/// The kernel, as seen from one namespace.
#[derive(Clone, Debug)]
struct FakeKernel {
    network: FakeNetwork,
    number: u32,
}

impl Kernel for FakeKernel {
    fn netns_id(&self) -> u32 {
        self.number
    }

    fn open_netns(&self, path: &Path) -> io::Result<Arc<dyn Kernel>> {
        let number = find(&self.network.lock(), path).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no fake namespace at {}", path.display()))
        })?;
        Ok(Arc::new(Self { network: self.network.clone(), number }))
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let Some(request) = Request::parse(request) else { return Vec::new() };
        let is_dump = request.flags & flag(NLM_F_DUMP) == flag(NLM_F_DUMP);
        let mut state = self.network.lock();
        let outcome = state.carry_out(self.number, &request, is_dump);
        request.answer(is_dump, outcome)
    }

    fn read_sysctl(&self, path: &Path) -> io::Result<String> {
        self.network.lock().read_sysctl(self.number, path)
    }

    fn write_sysctl(&self, path: &Path, value: &str) -> io::Result<()> {
        self.network.lock().write_sysctl(self.number, path, value)
    }
}

impl State {
    fn carry_out(&mut self, netns: u32, request: &Request<'_>, is_dump: bool) -> Result<Vec<Reply>, Refusal> {
        if !self.namespaces.contains_key(&netns) {
            return Err(Refusal::errno(EOPNOTSUPP));
        }
        let done = |changed: Result<(), Refusal>| changed.map(|()| Vec::new());
        match request.kind {
            RTM_GETLINK if is_dump => Ok(self.dump_links(netns)),
            RTM_GETLINK => self.get_link(netns, request),
            RTM_NEWLINK => done(self.new_link(netns, request)),
            RTM_SETLINK => done(self.set_link(netns, request)),
            RTM_DELLINK => done(self.delete_link(netns, request)),
            RTM_GETADDR if is_dump => self.dump_addresses(netns, request),
            RTM_NEWADDR => done(self.add_address(netns, request)),
            RTM_DELADDR => done(self.delete_address(netns, request)),
            RTM_GETROUTE if is_dump => self.dump_routes(netns, request),
            RTM_NEWROUTE => done(self.add_route(netns, request)),
            RTM_DELROUTE => done(self.delete_route(netns, request)),
            RTM_GETNEIGH if is_dump => Ok(self.dump_neighbours(netns)),
            RTM_NEWNEIGH => done(self.add_neighbour(netns, request)),
            RTM_DELNEIGH => done(self.delete_neighbour(netns, request)),
            RTM_GETRULE if is_dump => Ok(rules::dump(request)),
            _ => Err(Refusal::errno(EOPNOTSUPP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use cni_skel::net::{Address, Bridge, Veth};

    use super::*;

    /// Pseudorandom numbers, the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, limit: usize) -> usize {
            usize::try_from(self.next() % limit as u64).unwrap()
        }
    }

    fn busy() -> FakeNetwork {
        let network = FakeNetwork::new();
        let host = network.net().unwrap();
        let bridge = host.add_bridge(&Bridge::new("br0")).unwrap().index;
        host.add_veth(&Veth::new("veth0", "eth0").master(bridge).up(), &network.container("c1")).unwrap();
        host.set_up(bridge).unwrap();
        host.add_address(&Address::new(bridge, "10.1.0.1/24".parse().unwrap())).unwrap();
        network
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_it_from_answering() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut network = busy();
        for round in 0..20_000 {
            if round % 500 == 0 {
                network = busy();
            }
            let length = 16 + 4 * numbers.below(24);
            let mut message: Vec<u8> = (0..length).map(|_| numbers.next().to_ne_bytes()[0]).collect();
            message[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
            message[4..6].copy_from_slice(&u16::try_from(16 + numbers.below(20)).unwrap().to_ne_bytes());
            let flags = [0x5_u16, 0x305, 0x605][numbers.below(3)];
            message[6..8].copy_from_slice(&flags.to_ne_bytes());
            // Small numbers are more often valid: families, links, lengths and types of attributes.
            for byte in &mut message[16..] {
                *byte = if numbers.below(3) == 0 { *byte } else { *byte % 13 };
            }
            let answer = network.kernel().answer(&message);
            assert!(answer.len() >= 20 && answer.len().is_multiple_of(4), "{message:?}");
        }
        for length in 0..16 {
            assert!(network.kernel().answer(&[0xff; 16][..length]).is_empty());
        }
    }

    #[test]
    fn networks_have_nothing_in_common() {
        let (one, two) = (busy(), FakeNetwork::new());
        assert_eq!(two.net().unwrap().links().unwrap().len(), 1);
        one.remove_container("c1");
        assert_eq!(one.net().unwrap().links().unwrap().len(), 2);
    }
}
