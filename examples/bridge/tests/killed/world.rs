//! A host with a network, containers whose ADDs are killed, and what there is to be seen.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::Netns;
use cni_testing::types::Command;
use cni_testing::{Binary, Call, Iptables, IptablesKind, Snapshot, TestNetns, json, workspace_plugin};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// How many ADDs that nobody disturbs tell how long one takes.
const UNDISTURBED: u32 = 5;
/// How long what has been killed may take to end.
const DEADLINE: Duration = Duration::from_secs(30);

/// The folder with the plugins that are not this package's.
static PLUGINS: LazyLock<PathBuf> = LazyLock::new(|| {
    let _ = workspace_plugin("portmap");
    workspace_plugin("host-local").parent().unwrap().to_owned()
});

/// Builds what the tests need, before anything is measured.
pub(crate) fn build() {
    let _ = &*PLUGINS;
}

/// What makes the rules of a chain.
#[allow(dead_code, reason = "each test target uses its part")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// iptables that is nftables underneath, without a program.
    Iptables,
    /// The older one, by its program.
    OlderIptables,
    Nftables,
    Maps,
}

impl Way {
    fn keys_of_bridge(self) -> Value {
        match self {
            Self::Iptables | Self::OlderIptables => json!({"ipMasqBackend": "iptables"}),
            Self::Nftables | Self::Maps => json!({"ipMasqBackend": "nftables"}),
        }
    }

    fn keys_of_portmap(self) -> Value {
        match self {
            Self::Iptables | Self::OlderIptables => json!({"backend": "iptables"}),
            Self::Nftables => json!({"backend": "nftables"}),
            Self::Maps => json!({"layout": "maps"}),
        }
    }
}

/// The plugins of the chain, in the order of ADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    Bridge,
    Portmap,
}

/// A host with a network that has been used before.
pub(crate) struct World {
    pub(crate) container: TestNetns,
    way: Way,
    state: TempDir,
    programs: Iptables,
}

impl World {
    pub(crate) fn new(way: Way) -> Self {
        let programs = match way {
            Way::OlderIptables => Iptables::new(IptablesKind::Legacy),
            _ => Iptables::without_programs(),
        };
        Self { container: TestNetns::new(), way, state: tempfile::tempdir().unwrap(), programs }
    }

    pub(crate) fn config(&self, plugin: Plugin) -> Value {
        let (mut config, keys) = match plugin {
            Plugin::Bridge => (
                json!({
                    "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "br0",
                    "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
                    "ipam": {
                        "type": "host-local", "dataDir": self.state.path(),
                        "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
                    },
                }),
                self.way.keys_of_bridge(),
            ),
            Plugin::Portmap => (
                json!({
                    "cniVersion": "1.1.0", "name": "lan", "type": "portmap",
                    "runtimeConfig": {"portMappings": [
                        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                        {"hostPort": 5353, "containerPort": 53, "protocol": "udp"},
                    ]},
                }),
                self.way.keys_of_portmap(),
            ),
        };
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }

    pub(crate) fn call(&self, command: Command, plugin: Plugin, container_id: &str) -> Call<'_, Binary> {
        let call = Call::new(command, Binary::at(program(plugin))).config(self.config(plugin));
        let call = self.env().into_iter().fold(call, |call, (name, path)| call.env(name, path));
        match command {
            Command::Add | Command::Del => call.container_id(container_id).netns(&self.container),
            _ => call,
        }
    }

    fn env(&self) -> [(&'static str, PathBuf); 3] {
        let [path, lock] = self.programs.env();
        [("CNI_PATH", PLUGINS.clone()), path, lock]
    }

    /// Starts the ADDs of the chain, and kills whichever is at work after a while with all that it has started: whether
    /// there was one.
    pub(crate) fn kill_add(&self, container_id: &str, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut config = self.config(Plugin::Bridge);
        let Some(result) = self.add_or_kill(Plugin::Bridge, container_id, &config, until) else {
            return true;
        };
        config = self.config(Plugin::Portmap);
        config["prevResult"] = serde_json::from_slice(&result).unwrap();
        self.add_or_kill(Plugin::Portmap, container_id, &config, until).is_none()
    }

    /// What an ADD answers, if it does by then.
    fn add_or_kill(
        &self,
        plugin: Plugin,
        container_id: &str,
        config: &Value,
        until: Instant,
    ) -> Option<Vec<u8>> {
        let mut command = Process::new(program(plugin));
        command.env_clear().envs(self.env()).env("CNI_COMMAND", "ADD").env("CNI_CONTAINERID", container_id);
        command.env("CNI_IFNAME", "eth0").env("CNI_NETNS", self.container.path());
        let mut add =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(config.to_string().as_bytes()).unwrap();
        let answer = answer_of(&mut add, until);
        if answer.is_none() {
            kill_all(Pid::from_raw(i32::try_from(add.id()).unwrap()));
        }
        add.wait().unwrap();
        answer
    }

    #[track_caller]
    pub(crate) fn add(&self, container_id: &str) {
        assert!(!self.kill_add(container_id, Duration::from_secs(60)), "an ADD takes too long");
    }

    /// The DELs of the chain, as an engine makes them that knows of no result; with or without the namespace.
    #[track_caller]
    pub(crate) fn del(&self, container_id: &str, has_netns: bool) {
        for plugin in [Plugin::Portmap, Plugin::Bridge] {
            let del = self.call(Command::Del, plugin, container_id);
            let del = if has_netns { del } else { del.without_env("CNI_NETNS") };
            del.run().silent_success();
        }
    }

    /// What is on this thread's host, but for what was handed out last.
    pub(crate) fn look(&self) -> Vec<String> {
        let host = Snapshot::of_netns(&Netns::own().unwrap()).unwrap();
        let host = host.with_folder(self.state.path()).unwrap();
        let container = Snapshot::of(&self.container.net().unwrap()).unwrap();
        let lines = host.lines().filter(|line| !line.contains("/last_reserved_ip.")).chain(container.lines());
        lines.map(str::to_owned).collect()
    }

    /// Uses the network, so that what belongs to it is there. Gives back how long the ADDs of a chain take.
    pub(crate) fn warm_up(&self) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..UNDISTURBED {
            let started = Instant::now();
            self.add("first");
            took += started.elapsed();
            self.del("first", true);
        }
        took / UNDISTURBED
    }
}

fn program(plugin: Plugin) -> PathBuf {
    match plugin {
        Plugin::Bridge => env!("CARGO_BIN_EXE_bridge").into(),
        Plugin::Portmap => PLUGINS.join("portmap"),
    }
}

/// Kills a program that this process has started, and all that it has started, which are in process groups of their own;
/// and waits until nothing of them is in the kernel any more, where one may just make a last change.
fn kill_all(program: Pid) {
    let mut all = vec![program];
    let mut looked_at = 0;
    while let Some(pid) = all.get(looked_at).copied() {
        // Stopped, it starts nothing more.
        if kill(pid, Signal::SIGSTOP).is_ok() {
            wait_for(pid, "tTZX");
        }
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<_> = texts.flat_map(|text| pids(&text)).collect();
        all.extend(children.into_iter().filter(|child| !all.contains(child)).collect::<Vec<_>>());
        looked_at += 1;
    }
    for pid in all.iter().rev() {
        // It may have ended by itself.
        let _ = kill(*pid, Signal::SIGKILL);
    }
    all.iter().for_each(|pid| wait_for(*pid, "ZX"));
}

fn pids(text: &str) -> Vec<Pid> {
    text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// Waits until a process is in one of these states, or is gone.
fn wait_for(pid: Pid, states: &str) {
    let deadline = Instant::now() + DEADLINE;
    // The state stands behind the name, which may have anything in it.
    let state = || {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    };
    while state().is_some_and(|state| !states.contains(state)) {
        assert!(Instant::now() < deadline, "process {pid} goes on");
        thread::sleep(Duration::from_micros(500));
    }
}

/// What a program prints until it ends, if that is soon enough.
fn answer_of(child: &mut Child, until: Instant) -> Option<Vec<u8>> {
    let mut stdout = child.stdout.take().unwrap();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut answer = Vec::new();
        stdout.read_to_end(&mut answer).unwrap();
        // Nobody listens any more if it was too late.
        let _ = send.send(answer);
    });
    receive.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
}
