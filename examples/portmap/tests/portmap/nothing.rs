//! With nothing to map nothing is done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cni_skel::seam::{Operation, Watch};
use cni_testing::types::Command;
use cni_testing::{Call, TestNetns, json};
use portmap::Portmap;

use crate::world::{config, tcp, without};

/// Counts what the plugin asks of the kernel and of programs.
#[derive(Debug, Default)]
struct Counter(AtomicUsize);

impl Watch for Counter {
    fn before(&self, _: &Operation<'_>) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

impl Counter {
    /// How many there were since the last time.
    fn count(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn the_result_passes_and_nobody_is_asked() {
    let (host, container) = (TestNetns::new(), TestNetns::new());
    let counter = Arc::new(Counter::default());
    let call = |command, config: &serde_json::Value| {
        let call = Call::new(command, &Portmap).host(&host).netns(&container).config(config);
        let outcome = call.watched(counter.clone()).run();
        assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
        counter.count()
    };
    for backend in [json!("nftables"), json!("iptables"), json!(null)] {
        let empty = config(json!({"backend": backend}), json!([]));
        let absent = without(&empty, &["runtimeConfig"]);
        for command in [Command::Add, Command::Check, Command::Del] {
            assert_eq!(call(command, &empty), 0, "{command} {backend}");
        }
        for command in [Command::Add, Command::Check] {
            assert_eq!(call(command, &absent), 0, "{command} {backend}");
        }
        // Whether there is anything of this attachment the runtime does not say, and it is looked up.
        assert_ne!(call(Command::Del, &absent), 0);
        // The counter counts.
        assert_ne!(call(Command::Add, &config(json!({"backend": backend}), json!([tcp(8080, 80)]))), 0);
    }
}

#[test]
fn what_an_add_asks_does_not_depend_on_how_many_others_there_are() {
    for keys in [json!({}), json!({"layout": "maps"}), json!({"backend": "iptables"})] {
        let (host, container) = (TestNetns::new(), TestNetns::new());
        let counter = Arc::new(Counter::default());
        let add = |n: u16| {
            let mut config = config(keys.clone(), json!([tcp(8000 + n, 80)]));
            config["prevResult"]["ips"][0]["address"] = json!(format!("10.1.1.{n}/16"));
            config["prevResult"]["ips"][1]["address"] = json!(format!("fd00:1::{n}/64"));
            let call = Call::add(&Portmap).host(&host).netns(&container).config(config);
            call.container_id(&format!("c{n}")).watched(counter.clone()).run().result();
            counter.count()
        };
        let _first = add(1);
        let second = add(2);
        assert!((3..50).all(|n| add(n) == second), "{keys}");
    }
}
