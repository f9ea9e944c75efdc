//! What a check works with: the plugin, its configuration, a host, containers, and a record of all calls.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cni_skel::Host;
use cni_skel::types::Command;
use serde_json::{Value, json};

use super::aftermath::{self, Aftermath};
use super::ending::{Ending, Outcome, not_run, unanswered, unchanged};
use super::exchange::Exchange;
use super::ipam::Ipam;
use super::profile::Profile;
use super::request::Request;
use super::setup::Setup;
use super::world::{Container, World, difference};
use crate::call::Subject;
use crate::process::Pipes;
use crate::scene::describe;
use crate::{Binary, TestNetns};

/// A path at which there is no namespace.
pub(super) const NO_NETNS: &str = "/run/netns/no-such-namespace";

/// A container, and the result of its ADD.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) container: Container,
    pub(super) result: Value,
}

pub(super) struct Bench<'a> {
    pub(super) subject: &'a (dyn Subject + Sync),
    pub(super) setup: &'a Setup,
    pub(super) profile: &'a Profile,
    pub(super) host: Arc<dyn Host>,
    pub(super) world: Option<World>,
    pub(super) ipam: Option<Ipam>,
    trail: RefCell<Vec<Exchange>>,
    containers: Cell<usize>,
    /// Keeps the namespaces of all containers until the check ends, so that no link disappears during a comparison.
    kept: RefCell<Vec<Arc<TestNetns>>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        subject: &'a (dyn Subject + Sync),
        setup: &'a Setup,
        profile: &'a Profile,
        host: Arc<dyn Host>,
        world: Option<World>,
        ipam: Option<Ipam>,
    ) -> Self {
        let trail = RefCell::default();
        let (containers, kept) = (Cell::new(0), RefCell::default());
        Self { subject, setup, profile, host, world, ipam, trail, containers, kept }
    }

    pub(super) fn into_trail(self) -> Vec<Exchange> {
        self.trail.into_inner()
    }

    /// The program, in checks that need one.
    pub(super) fn program(&self) -> Result<&Path, Ending> {
        self.subject.program().map_or_else(|| not_run("the plugin is not a program"), Ok)
    }

    pub(super) fn world(&self) -> Result<&World, Ending> {
        self.world.as_ref().map_or_else(|| not_run("there are no namespaces"), Ok)
    }

    pub(super) fn ipam(&self) -> Result<&Ipam, Ending> {
        self.ipam.as_ref().map_or_else(|| not_run("there is no IPAM plugin to play"), Ok)
    }

    /// A call without a container.
    pub(super) fn request(&self, command: Command) -> Request {
        let path = self.ipam.iter().map(Ipam::folder).chain(self.setup.path.iter().map(PathBuf::as_path));
        let path = std::env::join_paths(path).unwrap_or_else(|_| OsString::new());
        Request::new(command, &path, self.setup.config.clone())
    }

    /// A call that is valid, but its namespace does not exist: for checks where the plugin must fail before it uses the
    /// namespace.
    pub(super) fn unreal(&self, command: Command) -> Request {
        let request = self.request(command).env("CNI_CONTAINERID", "c1").env("CNI_NETNS", NO_NETNS);
        request.env("CNI_IFNAME", &self.setup.ifname)
    }

    pub(super) fn about(&self, command: Command, container: &Container) -> Request {
        let request = self.request(command).env("CNI_CONTAINERID", &container.id);
        request.env("CNI_NETNS", container.netns.path()).env("CNI_IFNAME", &container.ifname)
    }

    /// A call about an attached container, with its result as `prevResult`.
    pub(super) fn after(&self, command: Command, attached: &Attached) -> Request {
        self.about(command, &attached.container).set("prevResult", attached.result.clone())
    }

    /// Calls the plugin.
    pub(super) fn call(&self, request: Request) -> Result<Exchange, Ending> {
        if let Some(ipam) = &self.ipam {
            ipam.answer_in(request.version());
        }
        let started = Instant::now();
        let called = match (request.pipes, self.subject.program()) {
            (Pipes::Ordinary, _) => self.subject.call(&request.env, &request.bytes(), &self.host),
            (_, Some(program)) => {
                request.start(program).and_then(|process| process.finish_group(self.setup.timeout))
            }
            (_, None) => return not_run("the plugin is not a program"),
        };
        self.answered(request, started, called)
    }

    /// Calls the plugin, and finds what it leaves running.
    pub(super) fn call_and_look(&self, request: Request) -> Result<(Exchange, Aftermath), Ending> {
        let program = self.program()?;
        if let Some(ipam) = &self.ipam {
            ipam.answer_in(request.version());
        }
        let started = Instant::now();
        let called = aftermath::call(program, &request, self.setup.timeout);
        let (answer, aftermath) = called
            .map(|(answer, aftermath)| (Ok(answer), aftermath))
            .unwrap_or_else(|why| (Err(why), Aftermath::default()));
        Ok((self.answered(request, started, answer)?, aftermath))
    }

    /// Records a call, and ends the check if there is no answer.
    fn answered(
        &self,
        request: Request,
        started: Instant,
        called: io::Result<crate::Answer>,
    ) -> Result<Exchange, Ending> {
        let took = started.elapsed();
        let (answer, failure) = match called {
            Ok(answer) => (answer, None),
            Err(why) => (crate::Answer::default(), Some(why)),
        };
        let crate::Answer { exit_code, stdout, stderr, .. } = answer;
        let exchange = self.note(Exchange { request, exit_code, stdout, stderr, took });
        match failure {
            None => Ok(exchange),
            Some(why) => unanswered("", &why),
        }
    }

    /// Records a call that was made in another way.
    pub(super) fn note(&self, exchange: Exchange) -> Exchange {
        self.trail.borrow_mut().push(exchange.clone());
        exchange
    }

    /// Makes a container.
    pub(super) fn container(&self) -> Result<Container, Ending> {
        self.containers.set(self.containers.get() + 1);
        let netns = Arc::new(TestNetns::try_new().map_err(|why| Ending::NotRun(why.to_string()))?);
        self.kept.borrow_mut().push(Arc::clone(&netns));
        let id = format!("c{}", self.containers.get());
        Ok(Container { id, ifname: self.setup.ifname.clone(), netns })
    }

    /// Ends the namespace of a container, as if the container died.
    pub(super) fn end(&self, container: Container) {
        self.kept.borrow_mut().retain(|netns| !Arc::ptr_eq(netns, &container.netns));
    }

    /// Calls ADD of the plugins before this one, and returns their result.
    pub(super) fn prepare(&self, container: &Container) -> Result<Option<Value>, Ending> {
        let mut result =
            self.profile.needs_base(self.setup).then(|| self.make_base(container)).transpose()?;
        for (program, config) in &self.setup.before {
            let mut config = config.clone();
            if let Some(result) = &result {
                config.insert("prevResult".to_owned(), result.clone());
            }
            let request = Request { config, ..self.about(Command::Add, container) };
            let called = Binary::at(program).execute(&request.env, &request.bytes());
            let answer = called.map_err(|why| Ending::NotRun(why.to_string()))?;
            result = Some(
                serde_json::from_str(&answer.stdout)
                    .ok()
                    .filter(|_| answer.exit_code == Some(0))
                    .ok_or_else(|| {
                        Ending::NotRun(format!(
                            "the plugin before it, {}, failed: {}",
                            program.display(),
                            answer.stdout
                        ))
                    })?,
            );
        }
        Ok(result)
    }

    /// Calls DEL of the plugins before this one.
    pub(super) fn unprepare(&self, container: &Container, prev: Option<&Value>) {
        for (program, config) in self.setup.before.iter().rev() {
            let mut config = config.clone();
            if let Some(prev) = prev {
                config.insert("prevResult".to_owned(), prev.clone());
            }
            let request = Request { config, ..self.about(Command::Del, container) };
            // This plugin is not under test.
            let _ = Binary::at(program).execute(&request.env, &request.bytes());
        }
    }

    /// The ADD for a container, with the result of the plugins before.
    pub(super) fn add_request(&self, container: &Container) -> Result<Request, Ending> {
        let request = self.about(Command::Add, container);
        Ok(match self.prepare(container)? {
            Some(prev) => request.set("prevResult", prev),
            None => request,
        })
    }

    /// Calls ADD for a new container. It may fail.
    pub(super) fn add(&self) -> Result<Exchange, Ending> {
        let container = self.container()?;
        self.call(self.add_request(&container)?)
    }

    /// Attaches a new container.
    pub(super) fn attach(&self) -> Result<Attached, Ending> {
        let container = self.container()?;
        let request = self.add_request(&container)?;
        let result = self.call(request)?.result()?;
        Ok(Attached { container, result })
    }

    /// Detaches a container, from the plugins before this one too.
    pub(super) fn detach(&self, attached: &Attached) -> Result<Exchange, Ending> {
        let exchange = self.call(self.after(Command::Del, attached))?;
        self.unprepare(&attached.container, Some(&attached.result));
        Ok(exchange)
    }

    /// Attaches a new container, and makes a call about it with the result as `prevResult`.
    pub(super) fn attach_then(&self, command: Command) -> Result<Exchange, Ending> {
        let attached = self.attach()?;
        self.call(self.after(command, &attached))
    }

    /// Takes these steps. Then the host and these containers must be as before, once the kernel has removed links in the
    /// background.
    pub(super) fn leaves_nothing<T>(
        &self,
        containers: &[&Container],
        steps: impl FnOnce() -> Result<T, Ending>,
    ) -> Outcome {
        let world = self.world()?;
        let before = world.look(containers)?;
        steps()?;
        unchanged(&world.changes_since(&before, containers)?)
    }

    /// Makes a call, which may fail but must not change anything.
    pub(super) fn changes_nothing(&self, containers: &[&Container], request: Request) -> Outcome {
        let world = self.world()?;
        let before = world.look(containers)?;
        self.call(request)?;
        unchanged(&difference(&before, &world.look(containers)?))
    }

    /// Attaches and detaches a first container. What exists afterwards belongs to the network.
    pub(super) fn warm_up(&self) -> Result<(), Ending> {
        let first = self.attach()?;
        self.detach(&first)?.succeeded()
    }

    /// Makes what plugins before this one would have made: a veth pair and an address.
    fn make_base(&self, container: &Container) -> Result<Value, Ending> {
        use cni_skel::net::{Address, Veth};
        use cni_skel::types::{AddResult, Interface, IpConfig};

        let broken =
            |why: String| Ending::NotRun(format!("cannot make an interface for a chained plugin: {why}"));
        let host = &self.world()?.net;
        let number = self.containers.get();
        let address = format!("10.98.{}.{}/24", number / 250, number % 250 + 2).parse();
        let address: ipnet::IpNet = address.map_err(|why| broken(format!("{why}")))?;
        let name = format!("{}{number}", super::world::BASE);
        let made = (|| {
            let pair = host.add_veth(&Veth::new(&name, &container.ifname).up(), container.netns.netns())?;
            let inner = container.netns.net()?;
            let link = inner.link(&container.ifname)?;
            inner.add_address(&Address::new(link.index, address))?;
            inner.set_up(link.index)?;
            let host_link = host.link(&name)?;
            drop(pair);
            Ok((host_link, inner.link(&container.ifname)?))
        })();
        let (outer, inner) = made.map_err(|why| broken(describe(&why)))?;
        let mut result = AddResult::default();
        let mac = |link: &cni_skel::net::Link| link.mac.as_ref().map(ToString::to_string).unwrap_or_default();
        result.push_interface(Interface::new(&name).mac(mac(&outer)));
        let sandbox = container.netns.path().display().to_string();
        let inside =
            result.push_interface(Interface::new(&container.ifname).mac(mac(&inner)).sandbox(sandbox));
        result.ips.push(IpConfig::new(address).interface(inside));
        let text = result.encode(self.setup.version()).map_err(|why| broken(why.to_string()))?;
        serde_json::from_str(&text).map_err(|why| broken(why.to_string()))
    }
}

/// The input of VERSION.
pub(super) fn version_config(version: &str) -> String {
    json!({"cniVersion": version}).to_string()
}
