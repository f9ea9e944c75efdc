//! ADDs of a chain that are killed at any moment, with all that they have started: one DEL of each plugin, or GC, and
//! nothing is left.

mod world;

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use cni_testing::types::Command;
use cni_testing::{TestNetns, json};

pub(crate) use world::{Plugin, Way, World, build};

use crate::KILLED_ON;

/// ADDs on each host.
const ADDS: u64 = 125;
/// How long the kernel may take to throw away a namespace.
const DEADLINE: Duration = Duration::from_secs(30);

/// Numbers that look random. The seed is part of every failure.
struct Random(u64);

impl Random {
    /// One of 0 to `below` - 1.
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A part of a time.
    fn part_of(&mut self, time: Duration) -> Duration {
        Duration::from_micros(self.next(u64::try_from(time.as_micros()).unwrap().max(1)))
    }
}

/// Does this on all hosts at once, and adds up what comes out.
fn on_hosts(step: impl Fn(u64, Way) -> u64 + Sync) -> u64 {
    build();
    let hosts: Vec<_> = KILLED_ON.iter().map(|way| (*way, TestNetns::new())).collect();
    thread::scope(|scope| {
        let step = &step;
        let run = |(n, (way, host)): (u64, &(Way, TestNetns))| host.run(|| step(n, *way)).unwrap();
        let runs: Vec<_> = (0..).zip(&hosts).map(|host| scope.spawn(move || run(host))).collect();
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
fn adds_are_killed_at_any_moment_and_a_del_leaves_nothing_of_them() {
    let seed = seed();
    let killed = on_hosts(|host, way| {
        let mut random = Random(seed.wrapping_add(host));
        let world = World::new(way);
        let usual = world.warm_up();
        let before = world.look();
        let mut killed = 0;
        for n in 0..ADDS {
            let pause = random.part_of(usual + usual / 4);
            let id = format!("c{n}");
            killed += u64::from(world.kill_add(&id, pause));
            // An engine may not know the namespace any more.
            world.del(&id, random.next(2) == 0);
            let about =
                format!("seed {seed}, host {host}, {way:?}, ADD {n}, killed after {pause:?} of {usual:?}");
            assert_same(&world.look(), &before, &about);
        }
        // The last is not hindered by those before.
        world.add("last");
        killed
    });
    let all = KILLED_ON.len() as u64 * ADDS;
    assert!(killed > all / 10, "seed {seed}: {killed} ADDs only were killed before they had ended");
}

#[test]
fn what_nobody_deletes_after_it_was_killed_is_collected() {
    let seed = seed();
    on_hosts(|host, way| {
        let mut random = Random(seed.wrapping_add(host));
        let mut world = World::new(way);
        let usual = world.warm_up();
        let before = world.look();
        for round in 0..2 {
            for n in 0..10 {
                world.kill_add(&format!("c{round}-{n}"), random.part_of(usual));
                // The container ends, and its interface with it.
                world.container = TestNetns::new();
            }
            for plugin in [Plugin::Bridge, Plugin::Portmap] {
                let mut config = world.config(plugin);
                config["cni.dev/valid-attachments"] = json!([]);
                world.call(Command::Gc, plugin, "").config(config).run().silent_success();
            }
            // The kernel throws namespaces away when it has time.
            let until = Instant::now() + DEADLINE;
            while world.look() != before && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
            assert_same(&world.look(), &before, &format!("seed {seed}, host {host}, {way:?}, round {round}"));
        }
        0
    });
}
