//! ADDs that are killed at any moment, with all that they have started: one DEL, or GC, and nothing is left.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::net::{Link, Net};
use cni_testing::types::Command;
use cni_testing::{Binary, Call, Snapshot, TestNetns, json, workspace_plugin};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Hosts on which this goes on at the same time: most of it is waiting for the kernel.
const HOSTS: u64 = 8;
/// ADDs on each.
const ADDS: u64 = 125;
/// How many ADDs that nobody disturbs tell how long one takes.
const UNDISTURBED: u32 = 5;
/// How long the kernel may take to throw away a namespace.
const DEADLINE: Duration = Duration::from_secs(30);

const PROGRAM: &str = env!("CARGO_BIN_EXE_bridge");
/// The folder with the IPAM plugin.
static PLUGINS: LazyLock<PathBuf> =
    LazyLock::new(|| workspace_plugin("host-local").parent().unwrap().to_owned());

/// Numbers that look random. The seed is part of every failure.
struct Random(u64);

impl Random {
    /// One of 0 to `below` - 1.
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A host with a network that has been used before.
struct World {
    state: TempDir,
    container: TestNetns,
}

impl World {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), container: TestNetns::new() }
    }

    fn config(&self) -> Value {
        json!({
            "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
            "ipMasq": true,
            "ipam": {
                "type": "host-local", "dataDir": self.state.path(),
                "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
            },
        })
    }

    fn call(&self, command: Command, container_id: &str) -> Call<'_, Binary> {
        let call = Call::new(command, Binary::at(PROGRAM)).config(self.config()).plugin_path(&*PLUGINS);
        match command {
            Command::Add | Command::Del => call.container_id(container_id).netns(&self.container),
            _ => call,
        }
    }

    /// Starts an ADD, and kills it after a while with all that it has started: whether it was still there.
    fn kill_add(&self, container_id: &str, pause: Duration) -> bool {
        let env = [
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", container_id),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", self.container.path().to_str().unwrap()),
            ("CNI_PATH", PLUGINS.to_str().unwrap()),
        ];
        let mut command = Process::new(PROGRAM);
        command.env_clear().envs(env).process_group(0);
        let mut add =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = self.config().to_string();
        add.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        thread::sleep(pause);
        let has_ended = add.try_wait().unwrap().is_some();
        if !has_ended {
            killpg(Pid::from_raw(i32::try_from(add.id()).unwrap()), Signal::SIGKILL).unwrap();
        }
        add.wait().unwrap();
        !has_ended
    }

    /// What is on this thread's host, but for what was handed out last.
    fn look(&self) -> Vec<String> {
        let host = Snapshot::of(&Net::open().unwrap()).unwrap();
        let host = host.with_folder(self.state.path()).unwrap();
        let container = Snapshot::of(&self.container.net().unwrap()).unwrap();
        let output = Process::new("nft").args(["list", "ruleset"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rules = String::from_utf8(output.stdout).unwrap();
        let lines = host.lines().filter(|line| !line.contains("/last_reserved_ip.")).chain(container.lines());
        lines.chain(rules.lines()).map(str::to_owned).collect()
    }

    /// Uses the network, so that what belongs to it is there. Gives back how long an ADD takes.
    fn warm_up(&self) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..UNDISTURBED {
            let started = Instant::now();
            let _ = self.call(Command::Add, "first").run().success();
            took += started.elapsed();
            let _ = self.call(Command::Del, "first").run().silent_success();
        }
        took / UNDISTURBED
    }
}

/// Does this on a number of hosts at once, and adds up what comes out.
fn on_hosts(step: impl Fn(u64) -> u64 + Sync) -> u64 {
    let _ = &*PLUGINS;
    let hosts: Vec<_> = (0..HOSTS).map(|_| TestNetns::new()).collect();
    thread::scope(|scope| {
        let step = &step;
        let runs: Vec<_> =
            (0..).zip(&hosts).map(|(n, host)| scope.spawn(move || host.run(|| step(n)).unwrap())).collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    })
}

#[track_caller]
fn assert_same(now: &[String], before: &[String], about: &str) {
    let more: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
    let missing: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
    assert!(now == before, "{about}\nthere is more: {more:#?}\nthere is no more: {missing:#?}");
}

fn seed() -> u64 {
    RandomState::new().hash_one("seed")
}

#[test]
fn a_thousand_adds_are_killed_at_any_moment_and_a_del_leaves_nothing_of_them() {
    let seed = seed();
    let killed = on_hosts(|host| {
        let mut random = Random(seed.wrapping_add(host));
        let world = World::new();
        let usual = world.warm_up();
        let before = world.look();
        let mut killed = 0;
        for n in 0..ADDS {
            let micros = u64::try_from(usual.as_micros()).unwrap().max(1);
            let pause = Duration::from_micros(random.next(micros + micros / 4));
            let id = format!("c{n}");
            killed += u64::from(world.kill_add(&id, pause));
            let del = world.call(Command::Del, &id);
            // An engine may not know the namespace any more.
            let del = if random.next(2) == 0 { del } else { del.without_env("CNI_NETNS") };
            let _ = del.run().silent_success();
            let about = format!("seed {seed}, host {host}, ADD {n}, killed after {pause:?} of {usual:?}");
            assert_same(&world.look(), &before, &about);
        }
        // The last is not hindered by those before.
        let _ = world.call(Command::Add, "last").run().success();
        killed
    });
    assert!(killed > HOSTS * ADDS / 10, "seed {seed}: {killed} ADDs only were killed before they had ended");
}

#[test]
fn what_nobody_deletes_after_it_was_killed_is_collected() {
    let seed = seed();
    on_hosts(|host| {
        let mut random = Random(seed.wrapping_add(host));
        let mut world = World::new();
        let usual = world.warm_up();
        let before = world.look();
        for round in 0..2 {
            for n in 0..10 {
                let pause =
                    Duration::from_micros(random.next(u64::try_from(usual.as_micros()).unwrap().max(1)));
                let _ = world.kill_add(&format!("c{round}-{n}"), pause);
                // The container ends, and its interface with it.
                world.container = TestNetns::new();
            }
            let mut config = world.config();
            config["cni.dev/valid-attachments"] = json!([]);
            let _ = world.call(Command::Gc, "").config(config).run().silent_success();
            // The kernel throws namespaces away when it has time.
            let until = Instant::now() + DEADLINE;
            while world.look() != before && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
            assert_same(&world.look(), &before, &format!("seed {seed}, host {host}, round {round}"));
        }
        0
    });
}

#[test]
fn an_end_that_was_killed_before_it_had_its_alias_is_deleted_without_the_namespace() {
    let host = TestNetns::new();
    let world = World::new();
    let _ = host.run(|| world.call(Command::Add, "c1").run().success()).unwrap();
    let is_veth = |link: &Link| link.kind.as_deref() == Some("veth");
    let end = || host.net().unwrap().links().unwrap().into_iter().find(is_veth);
    let name = end().unwrap().name;
    let changed = host.run(|| Process::new("ip").args(["link", "set", &name, "alias", ""]).status().unwrap());
    assert!(changed.unwrap().success());
    assert_eq!(end().unwrap().alias, None);
    let del = || world.call(Command::Del, "c1").without_env("CNI_NETNS").run();
    let _ = host.run(|| del().silent_success()).unwrap();
    assert!(end().is_none());
}
