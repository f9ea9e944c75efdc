//! A call of a plugin, with made-up input.

mod fake_host;
mod outcome;
mod subject;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cni_skel::Netns;
use cni_skel::seam::{Watch, World};
use cni_skel::types::{AddResult, Command, PluginConfig, SpecVersion};
use cni_skel::{Env, Host, Plugin};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::delegate::ScriptedPrograms;
use crate::process::Answer;
use crate::{DelegateReply, FakeNetwork, Iptables, Rival, Snapshot, TestNetns};
use fake_host::{FakeHost, in_process};
pub use outcome::Outcome;
pub use subject::{Binary, Subject};

/// The path of the container's namespace in a call that was not given one. It exists in the test only.
const FAKE_NETNS: &str = "/fake/netns";

/// A call of a plugin, in process or as a binary.
///
/// A new call is valid: container `c1`, interface `eth0`, a namespace in memory, network `test`, version 1.1.0. A test
/// changes what it is about. [`run`](Self::run) calls the plugin as a runtime does.
///
/// ```
/// use cni_skel::types::AddResult;
/// use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
/// use cni_testing::{Call, DelegateReply, json};
///
/// struct Delegating;
///
/// impl Plugin for Delegating {
///     type Config = NoConfig;
///     fn add(&self, req: &AddRequest) -> Result<AddResult> { req.ipam()?.add() }
///     fn del(&self, req: &DelRequest) -> Result<()> { req.ipam()?.del() }
///     fn check(&self, req: &CheckRequest) -> Result<()> { req.ipam()?.check() }
/// }
///
/// let outcome = Call::add(&Delegating)
///     .config(json!({"type": "delegating", "ipam": {"type": "host-local"}}))
///     .delegate("host-local", DelegateReply::add(json!({"ips": [{"address": "10.1.0.2/16"}]})))
///     .run();
/// assert_eq!(outcome.result().ips[0].address.to_string(), "10.1.0.2/16");
/// ```
#[derive(Debug)]
#[must_use = "a call does nothing until it is run"]
pub struct Call<'a, S> {
    subject: S,
    env: Env,
    stdin: Vec<u8>,
    netns: Option<&'a TestNetns>,
    network: Option<&'a FakeNetwork>,
    state: Vec<PathBuf>,
    watch: Option<Arc<dyn Watch>>,
    host_netns: Option<&'a TestNetns>,
    fake: FakeHost,
}

impl<'a, S: Subject + Sync> Call<'a, S> {
    /// Makes a call of any command.
    pub fn new(command: Command, subject: S) -> Self {
        let mut env = Env::new().with("CNI_COMMAND", command.as_str()).with("CNI_PATH", "/fake/cni/bin");
        if matches!(command, Command::Add | Command::Del | Command::Check) {
            env = env.with("CNI_CONTAINERID", "c1").with("CNI_IFNAME", "eth0").with("CNI_NETNS", FAKE_NETNS);
        }
        let fake =
            FakeHost { fake_netns: Some(FakeNetwork::lone_container(FAKE_NETNS)), ..FakeHost::default() };
        let call = Self {
            subject,
            env,
            stdin: Vec::new(),
            netns: None,
            network: None,
            state: Vec::new(),
            watch: None,
            host_netns: None,
            fake,
        };
        call.config(serde_json::json!({"type": "plugin"}))
    }

    /// Makes a call of ADD.
    pub fn add(subject: S) -> Self {
        Self::new(Command::Add, subject)
    }

    /// Makes a call of DEL.
    pub fn del(subject: S) -> Self {
        Self::new(Command::Del, subject)
    }

    /// Makes a call of CHECK.
    pub fn check(subject: S) -> Self {
        Self::new(Command::Check, subject)
    }

    /// Makes a call of GC.
    pub fn gc(subject: S) -> Self {
        Self::new(Command::Gc, subject)
    }

    /// Makes a call of STATUS.
    pub fn status(subject: S) -> Self {
        Self::new(Command::Status, subject)
    }

    /// Makes a call of VERSION.
    pub fn version(subject: S) -> Self {
        Self::new(Command::Version, subject)
    }

    /// Sets the network configuration. Where they are missing, `cniVersion` becomes 1.1.0 and `name` becomes `test`. To
    /// test a configuration without them, use [`stdin`](Self::stdin).
    pub fn config(self, config: impl Serialize) -> Self {
        let mut config = serde_json::to_value(config).expect("a configuration in a test is JSON");
        if let Some(object) = config.as_object_mut() {
            for (key, value) in [("cniVersion", "1.1.0"), ("name", "test")] {
                object.entry(key).or_insert_with(|| value.into());
            }
        }
        self.stdin(config.to_string())
    }

    /// Sets `prevResult` in the configuration, which must have been set before. The result is encoded for the version of the
    /// configuration.
    ///
    /// ```
    /// # use cni_skel::types::AddResult;
    /// # use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
    /// # use cni_testing::{Call, json};
    /// # struct Passthrough;
    /// # impl Plugin for Passthrough {
    /// #     type Config = NoConfig;
    /// #     fn add(&self, req: &AddRequest) -> Result<AddResult> { Ok(req.prev_result()?.cloned().unwrap_or_default()) }
    /// #     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
    /// #     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
    /// # }
    /// let config = json!({"type": "passthrough"});
    /// let result = Call::add(&Passthrough).config(&config).run().result();
    /// Call::check(&Passthrough).config(&config).prev_result(&result).run().silent_success();
    /// ```
    ///
    /// # Panics
    /// If stdin is not a JSON object with a known `cniVersion`, or that version cannot express the result.
    #[track_caller]
    pub fn prev_result(self, result: &AddResult) -> Self {
        let version = PluginConfig::version_of(&self.stdin).unwrap_or_default();
        let version: SpecVersion =
            version.parse().unwrap_or_else(|cause| panic!("cniVersion of the configuration: {cause}"));
        let result = result
            .encode(version)
            .unwrap_or_else(|cause| panic!("the result cannot be encoded for version {version}: {cause}"));
        self.key("prevResult", result)
    }

    /// Sets a key of the configuration to this JSON.
    ///
    /// # Panics
    /// If stdin is not a JSON object, or the value is not JSON.
    #[track_caller]
    pub(crate) fn key(mut self, key: &str, json: impl Into<String>) -> Self {
        let mut config: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&self.stdin).expect("stdin is a JSON object");
        config.insert(key.to_owned(), RawValue::from_string(json.into()).expect("the value is JSON"));
        self.stdin = serde_json::to_vec(&config).expect("a map of JSON values is JSON");
        self
    }

    /// Sets the bytes of stdin, which need not be valid.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable. The plugin gets the variables of the call and no others: in process, it finds a
    /// program such as `iptables` only if `PATH` is set here.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.env = self.env.with(name, value.as_ref());
        self
    }

    /// Removes an environment variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.env = self.env.without(name);
        self
    }

    /// Sets the ID of the container.
    pub fn container_id(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// Sets the name of the interface inside the container.
    pub fn ifname(self, ifname: &str) -> Self {
        self.env("CNI_IFNAME", ifname)
    }

    /// Sets `CNI_ARGS`.
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// Sets the container's namespace to a real one.
    pub fn netns(mut self, netns: &'a TestNetns) -> Self {
        self.netns = Some(netns);
        self.env("CNI_NETNS", netns.path())
    }

    /// Makes the container's namespace the plugin's own, which the plugin must refuse.
    pub fn own_netns(mut self) -> Self {
        self.fake.netns_is_own = true;
        self
    }

    /// Runs the plugin inside this namespace, which the plugin takes for the host.
    pub fn host(mut self, netns: &'a TestNetns) -> Self {
        self.host_netns = Some(netns);
        self.fake.has_network = true;
        self
    }

    /// Runs the plugin on the host of a network in memory. It must be a plugin in this process. Unless `CNI_NETNS` is
    /// set, the container's namespace is the one of this network that has the container's ID as its name. ADD makes it
    /// if it does not exist.
    pub fn network(mut self, network: &'a FakeNetwork) -> Self {
        self.network = Some(network);
        self.fake.has_network = true;
        self
    }

    /// Adds a folder with the plugin's state, for [`faults`](crate::faults) to compare.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state.push(folder.into());
        self
    }

    /// Adds a call that another plugin must get, and its reply.
    pub fn delegate(self, plugin: &str, reply: DelegateReply) -> Self {
        self.fake.script.with(|played| played.replies.entry(plugin.to_owned()).or_default().push(reply));
        self
    }

    /// Puts a plugin in this process behind a name. It may be called any number of times. The plugin under test must be
    /// in this process too.
    pub fn delegate_plugin(mut self, name: &str, plugin: impl Plugin + Send + Sync + 'static) -> Self {
        self.fake.plugins.insert(name.to_owned(), in_process(plugin));
        self
    }

    /// Sets `CNI_PATH`, the folder in which other plugins are found. Scripted ones come first.
    pub fn plugin_path(self, folder: impl AsRef<Path>) -> Self {
        self.env("CNI_PATH", folder.as_ref())
    }

    /// Sets `PATH` so that the plugin finds these programs and no others.
    pub fn iptables(self, iptables: &Iptables) -> Self {
        iptables.env().into_iter().fold(self, |call, (name, path)| call.env(name, path))
    }

    /// Tells `watch` about each operation of the plugin and of its delegates in process. The watch can make an operation
    /// fail. The plugin must be in this process.
    ///
    /// # Panics
    /// If the plugin is a program, or the call already has a watch.
    #[track_caller]
    pub fn watched(mut self, watch: Arc<dyn Watch>) -> Self {
        assert!(
            !self.subject.needs_programs(),
            "the operations of a program cannot be watched: test the plugin in process"
        );
        assert!(
            self.watch.is_none(),
            "the call already has a watch: a rival, faults or one of the test's own"
        );
        self.watch = Some(watch);
        self
    }

    /// Lets another program change something in the middle of the call.
    ///
    /// # Panics
    /// See [`watched`](Self::watched).
    #[track_caller]
    pub fn rival(self, rival: &Rival) -> Self {
        self.watched(rival.in_one_call())
    }

    /// Calls the plugin.
    ///
    /// # Panics
    /// If the plugin cannot be called. If a delegate got a call that the test does not expect, or did not get one that
    /// it does.
    #[must_use = "the outcome may be a failure"]
    #[track_caller]
    pub fn run(self) -> Outcome {
        let outcome = self.try_run();
        let complaints = outcome.complaints.join("\n");
        assert!(complaints.is_empty(), "{complaints}\n{outcome}");
        outcome
    }

    /// Takes a snapshot of the namespaces and folders of this call.
    ///
    /// # Panics
    /// If one of them cannot be read.
    #[track_caller]
    pub(crate) fn snapshot(&self) -> Snapshot {
        let of = |netns: &Netns| Snapshot::of_netns_in_haste(netns).expect("the network can be read");
        let mut snapshot = Snapshot::default();
        if let Some(network) = self.network {
            snapshot = snapshot.and("host", of(&network.host()));
            snapshot = snapshot.and("container", of(&network.container(&self.container_name())));
        }
        if let Some(host) = self.host_netns {
            snapshot = snapshot.and("host", of(host.netns()));
        }
        if let Some(container) = self.netns {
            snapshot = snapshot.and("container", of(container.netns()));
        }
        self.state
            .iter()
            .fold(snapshot, |snapshot, folder| snapshot.with_folder(folder).expect("the state can be read"))
    }

    fn container_name(&self) -> String {
        self.env.get("CNI_CONTAINERID").unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Makes the container's namespace one of the fake network, if the call has such a network.
    #[track_caller]
    fn enter_network(&mut self) {
        let Some(network) = self.network else { return };
        assert!(
            !self.subject.needs_programs(),
            "a program cannot use a network in memory: use Call::host and Call::netns"
        );
        if self.env.get("CNI_NETNS") == Some(OsStr::new(FAKE_NETNS)) {
            let is_add = self.env.get("CNI_COMMAND") == Some(OsStr::new("ADD"));
            let path = network.path_of(&self.container_name(), is_add);
            self.env = std::mem::take(&mut self.env).with("CNI_NETNS", path);
        }
    }

    #[track_caller]
    pub(crate) fn try_run(mut self) -> Outcome {
        self.enter_network();
        let programs = self.subject.needs_programs().then(|| {
            let programs = self.fake.script.with(|played| ScriptedPrograms::install(&played.replies));
            programs.unwrap_or_else(|cause| panic!("cannot make the scripted delegates: {cause}"))
        });
        if let Some(programs) = &programs {
            self.env = programs.on_path(&self.env);
        }
        let called = self.call();
        if let Some(programs) = &programs {
            self.fake.script.with(|played| programs.collect(played));
        }
        let answer =
            called.unwrap_or_else(|cause| panic!("cannot call the plugin: {cause}\n{}", self.input()));
        self.fake.script.with(|played| Outcome {
            complaints: played.complaints(),
            calls: std::mem::take(&mut played.calls),
            input: self.input(),
            exit_code: answer.exit_code,
            stdout: answer.stdout,
            stderr: answer.stderr,
        })
    }

    fn call(&self) -> io::Result<Answer> {
        let mut world = World::new();
        world.kernel = self.network.map(FakeNetwork::kernel);
        world.watch.clone_from(&self.watch);
        let host: Arc<dyn Host> = Arc::new(FakeHost { world: world.clone(), ..self.fake.clone() });
        let call = || world.run(|| self.subject.call(&self.env, &self.stdin, &host));
        match self.host_netns {
            Some(netns) => netns.run(call)?,
            None => call(),
        }
    }

    /// The input of the call, to print above a failure.
    fn input(&self) -> String {
        let mut text = String::from("environment:\n");
        for (name, value) in self.env.iter() {
            let _ = writeln!(text, "  {}={}", name.to_string_lossy(), value.to_string_lossy());
        }
        let _ = writeln!(text, "stdin: {}", String::from_utf8_lossy(&self.stdin));
        text
    }
}
