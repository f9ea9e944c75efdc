//! The same calls to this plugin and to the reference one, which must leave the same state and answer the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Call, Node, OURS, config, reference, tree};

/// Two range sets, IPv4 and IPv6. The first one has the fewer addresses, so that it is the first to be exhausted.
fn dual_stack(data_dir: &Path) -> Value {
    let mut config = config(
        data_dir,
        json!([
            [{ "subnet": "10.1.2.0/29" }, { "subnet": "10.1.9.0/24", "rangeStart": "10.1.9.7", "rangeEnd": "10.1.9.9",
               "gateway": "10.1.9.8" }],
            [{ "subnet": "2001:DB8:0:0:1::/112", "gateway": "2001:db8:0:0:1::ffff" }],
        ]),
    );
    config["ipam"]["routes"] =
        json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0", "gw": "2001:db8:0:0:1::ffff" }]);
    config
}

#[track_caller]
fn assert_same_state(ours: &Path, theirs: &Path, after: &str) {
    let (ours, theirs) = (tree(ours), tree(theirs));
    let names = |tree: &std::collections::BTreeMap<_, _>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "after {after}");
    for (name, node) in &ours {
        let reference = &theirs[name];
        assert_eq!(node.contents, reference.contents, "{} after {after}", name.display());
        let is_lock = name.ends_with("lock");
        if node.contents.is_none() || is_lock {
            assert_eq!(node.mode, reference.mode, "{} after {after}", name.display());
        } else {
            // DIFFERENCE: the reference made these files readable for all until its version 1.4, which Debian
            // does not have yet.
            assert_eq!(node.mode, 0o600, "{} after {after}", name.display());
            assert!([0o600, 0o644].contains(&reference.mode), "{} after {after}", name.display());
        }
    }
}

#[track_caller]
fn assert_same_answer(ours: &Answer, theirs: &Answer) {
    assert_eq!(ours.success, theirs.success, "{ours:#?}\n{theirs:#?}");
    if ours.success {
        let strip = |json: &Value| {
            let mut json = json.clone();
            // Old versions of the reference print an empty object where there is nothing to say.
            if json.get("dns") == Some(&json!({})) {
                json.as_object_mut().expect("a result is an object").remove("dns");
            }
            json
        };
        assert_eq!(strip(&ours.json), strip(&theirs.json), "{}", ours.call);
    }
}

/// Makes the same calls on two directories, and compares answers and state after each.
struct Differential {
    ours: tempfile::TempDir,
    theirs: tempfile::TempDir,
}

impl Differential {
    fn new() -> Self {
        Self { ours: tempfile::tempdir().unwrap(), theirs: tempfile::tempdir().unwrap() }
    }

    #[track_caller]
    fn step(&self, call: impl Fn(&Path) -> Call<'static>) -> Answer {
        let ours = call(self.ours.path()).run(OURS);
        let theirs = call(self.theirs.path()).run(reference());
        assert_same_answer(&ours, &theirs);
        assert_same_state(self.ours.path(), self.theirs.path(), &ours.call);
        ours
    }
}

#[test]
fn the_same_calls_leave_the_same_state() {
    let both = Differential::new();
    let add = |id: &'static str| both.step(|dir| Call::new("ADD", id, &dual_stack(dir)));
    let del = |id: &'static str| both.step(|dir| Call::new("DEL", id, &dual_stack(dir)));
    assert_eq!(add("a").addresses(), ["10.1.2.2/29", "2001:db8::1:0:0:1/112"]);
    add("b").ok();
    both.step(|dir| Call::new("ADD", "a", &dual_stack(dir)).ifname("eth1")).ok();
    // Twice the same attachment is refused.
    add("b").failed(999, &["failed to allocate for range 0: 10.1.2.3 has been allocated to b, duplicate"]);
    del("a").ok();
    del("a").ok();
    del("nobody").ok();
    // Around the end of the first range, over the second one's gateway, and back to what was released.
    for (id, address) in
        [("c", "10.1.2.5"), ("d", "10.1.2.6"), ("e", "10.1.9.7"), ("f", "10.1.9.9"), ("g", "10.1.2.2")]
    {
        assert!(add(id).addresses()[0].starts_with(address), "{id}");
    }
    add("h")
        .failed(11, &["failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-"]);
    del("e").ok();
    assert!(add("h").addresses()[0].starts_with("10.1.9.7"));
    let result =
        both.step(|dir| Call::new("CHECK", "x", &dual_stack(dir)).with("prevResult", json!({ "ips": [] })));
    assert!(!result.success);
}

#[test]
fn requested_addresses_leave_the_same_state() {
    let both = Differential::new();
    let from_args = |id, args| both.step(move |dir| Call::new("ADD", id, &dual_stack(dir)).args(args));
    assert_eq!(from_args("a", "IP=10.1.2.4").addresses(), ["10.1.2.4/29", "2001:db8::1:0:0:1/112"]);
    assert_eq!(from_args("b", "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.9.9").addresses()[0], "10.1.9.9/24");
    // The next one comes after the one that was requested last.
    assert_eq!(from_args("c", "").addresses()[0], "10.1.2.2/29");
    from_args("d", "IP=10.1.2.4")
        .failed(11, &["requested IP address 10.1.2.4 is not available in range set 10.1.2.1-"]);
    from_args("d", "IP=10.1.2.1").failed(7, &["requested ip 10.1.2.1 is subnet's gateway"]);
    both.step(|dir| {
        Call::new("ADD", "e", &dual_stack(dir))
            .with("args", json!({ "cni": { "ips": ["10.1.2.6"] } }))
            .with("runtimeConfig", json!({ "ips": ["2001:db8::1:0:0:77/112"] }))
    })
    .ok();
    both.step(|dir| {
        Call::new("ADD", "f", &dual_stack(dir))
            .args("IP=10.1.9.7")
            .with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.7.0.0/24" }]] }))
    })
    .ok();
}

#[test]
fn other_configurations_leave_the_same_state() {
    let both = Differential::new();
    let base = |dir: &Path| config(dir, json!([]));
    // The old form of one range, keys in another case, the old versions of the specification.
    for (id, version) in [("a", "1.0.0"), ("b", "0.2.0"), ("c", "0.3.1"), ("d", "0.4.0")] {
        both.step(|dir| {
            let ipam = json!({ "type": "host-local", "DataDir": dir, "SUBNET": "10.5.0.0/24", "rangestart": "10.5.0.9" });
            Call::new("ADD", id, &base(dir)).with("cniVersion", json!(version)).with("ipam", ipam)
        })
        .ok();
    }
    // A range at the upper end of the address space. DIFFERENCE: at the lower end the reference finds no address.
    for (name, subnet) in
        [("high4", "255.255.255.252/30"), ("high6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126")]
    {
        let call = |command, id| {
            move |dir: &Path| {
                Call::new(command, id, &config(dir, json!([[{ "subnet": subnet }]])))
                    .with("name", json!(name))
            }
        };
        for id in ["a", "b", "c", "d"] {
            both.step(call("ADD", id));
        }
        both.step(call("DEL", "a")).ok();
        both.step(call("ADD", "e")).ok();
    }
}

#[test]
fn the_resolver_file_reads_the_same() {
    let both = Differential::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let contents = "# x\nnameserver 192.0.2.1\n nameserver 2001:db8::53 # y\nsearch a b\nsearch c\ndomain d\noptions e f\nfoo\n";
    fs::write(file.path(), contents).unwrap();
    let result = both.step(|dir| {
        let mut config = dual_stack(dir);
        config["ipam"]["resolvConf"] = json!(file.path());
        Call::new("ADD", "a", &config)
    });
    assert_eq!(result.ok()["dns"]["search"], json!(["a", "b", "c"]));
}

#[test]
fn both_refuse_the_same_configurations() {
    let both = Differential::new();
    for ranges in [
        json!([]),
        json!([[]]),
        json!([[{ "subnet": "10.1.2.1/24" }]]),
        json!([[{ "subnet": "10.1.2.0/31" }]]),
        json!([[{ "subnet": "2001:db8::/127" }]]),
        json!([[{ "subnet": "x" }]]),
        json!([[{ "subnet": "10.1.2.0" }]]),
        json!([[{ "rangeStart": "10.1.2.0" }]]),
        json!([[{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.0" }]]),
        json!([[{ "subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.0" }]]),
        json!([[{ "subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.4", "rangeStart": "10.1.2.5" }]]),
        json!([[{ "subnet": "10.1.2.0/24", "gateway": "bogus" }]]),
        json!([[{ "subnet": "10.1.2.0/24" }, { "subnet": "2001:db8::/64" }]]),
        json!([[{ "subnet": "10.1.2.0/24" }, { "subnet": "10.1.2.0/25" }]]),
        json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.0.0/16" }]]),
        json!("10.1.2.0/24"),
    ] {
        let answer = both.step(|dir| Call::new("ADD", "a", &config(dir, ranges.clone())));
        assert!(!answer.success, "{answer:#?}");
        let code = answer.json["code"].as_u64().unwrap();
        assert!([6, 7].contains(&code), "{answer:#?}");
    }
    assert!(tree(both.ours.path()).is_empty());
}

/// Numbers below a given one, always the same, that look random.
fn random() -> impl FnMut(u32) -> u32 {
    let mut state = 0x2545_f491_u32;
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    }
}

#[test]
fn a_node_can_be_switched_over_and_back_at_any_call() {
    let alone = tempfile::tempdir().unwrap();
    let shared = tempfile::tempdir().unwrap();
    // A fixed sequence of calls that looks random: adds more than it deletes, so that the pool runs full.
    let mut random = random();
    let mut full = 0;
    for step in 0..80 {
        let id = format!("c{}", random(12));
        let command = if random(3) == 0 { "DEL" } else { "ADD" };
        let program = if random(2) == 0 { OURS } else { reference() };
        let theirs = Call::new(command, &id, &dual_stack(alone.path())).run(reference());
        let mixed = Call::new(command, &id, &dual_stack(shared.path())).run(program);
        assert_eq!(mixed.success, theirs.success, "step {step} with {program}: {mixed:#?}\n{theirs:#?}");
        assert_eq!(mixed.json["ips"], theirs.json["ips"], "step {step} with {program}");
        full += u32::from(mixed.json["msg"].as_str().is_some_and(|msg| msg.contains("no IP addresses")));
        let contents = |root: &Path| {
            let nodes = tree(root).into_iter();
            nodes.map(|(name, Node { contents, .. })| (name, contents)).collect::<Vec<_>>()
        };
        assert_eq!(
            contents(shared.path()),
            contents(alone.path()),
            "step {step}: {command} {id} with {program}"
        );
    }
    assert!(full > 0, "the sequence was to exhaust the pool");
}

#[test]
fn with_an_index_a_node_can_be_switched_over_and_back_at_any_call_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/16" }], [{ "subnet": "2001:db8::/64" }]]));
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut random = random();
    for step in 0..400 {
        let program = if random(3) > 0 { OURS } else { reference() };
        // Grows to some 120 addresses, with both at it all the time.
        let id = format!("c{}", random(90));
        match holders.remove(&id) {
            Some(addresses) if random(3) == 0 => {
                Call::new("DEL", &id, &config).run(program).ok();
                let gone = |address: &String| !dir.path().join("net").join(address).exists();
                assert!(addresses.iter().all(gone), "step {step}: DEL {id} with {program}");
            }
            Some(addresses) => {
                let ips: Vec<_> =
                    addresses.iter().map(|address| json!({ "address": format!("{address}/16") })).collect();
                let check = Call::new("CHECK", &id, &config).with("prevResult", json!({ "ips": ips }));
                check.run(program).ok();
                Call::new("ADD", &id, &config).run(program).failed(999, &["duplicate"]);
                holders.insert(id, addresses);
            }
            None => {
                let with_prefix = Call::new("ADD", &id, &config).run(program).addresses();
                let addresses: Vec<_> =
                    with_prefix.iter().map(|text| text.split('/').next().unwrap().to_owned()).collect();
                let is_new = |address: &String| !holders.values().flatten().any(|taken| taken == address);
                assert!(
                    addresses.iter().all(is_new),
                    "step {step}: ADD {id} with {program} gives {addresses:?}"
                );
                holders.insert(id, addresses);
            }
        }
        let held = holders.values().flatten().cloned().collect::<BTreeSet<_>>();
        let mut files: BTreeSet<_> = tree(&dir.path().join("net")).into_keys().collect();
        files.retain(|name| name.to_str().unwrap().parse::<std::net::IpAddr>().is_ok());
        assert_eq!(files, held.into_iter().map(Into::into).collect(), "step {step} with {program}");
    }
    assert!(dir.path().join(".net.index").exists());
}

#[test]
fn hundreds_of_calls_of_both_at_once_never_give_an_address_twice() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/16" }], [{ "subnet": "2001:db8::/64" }]]));
    let held = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for worker in 0..8 {
            let (config, held) = (&config, &held);
            scope.spawn(move || {
                let id = |n: u32| format!("w{worker}c{n}");
                for n in 0..30 {
                    let programs =
                        if (worker + n) % 2 == 0 { [OURS, reference()] } else { [reference(), OURS] };
                    let got = Call::new("ADD", &id(n), config).run(programs[0]).addresses();
                    let is_new = |address: &String| held.lock().unwrap().insert(address.clone());
                    assert!(got.iter().all(is_new), "{got:?} twice");
                    // Every third goes again, by the other one's hand.
                    if n % 3 == 2 {
                        held.lock().unwrap().retain(|address| !got.contains(address));
                        Call::new("DEL", &id(n), config).run(programs[1]).ok();
                    }
                }
            });
        }
    });
    let names = tree(&dir.path().join("net")).into_keys();
    let files = names.filter(|name| name.to_str().unwrap().parse::<std::net::IpAddr>().is_ok()).count();
    assert_eq!(files, held.into_inner().unwrap().len());
    assert_eq!(files, 2 * 8 * 20);
}

#[test]
fn both_at_once_on_one_network_hand_out_different_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "2001:db8::/64" }]]));
    let ids: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let calls: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| Call::new("ADD", id, &config).start(if n % 2 == 0 { OURS } else { reference() }))
        .collect();
    let addresses: Vec<String> = calls.into_iter().flat_map(|call| call.wait().addresses()).collect();
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 100);
    // And each deletes what the other one added.
    let calls: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| Call::new("DEL", id, &config).start(if n % 2 == 1 { OURS } else { reference() }))
        .collect();
    for call in calls {
        call.wait().ok();
    }
    let left = tree(&dir.path().join("net"));
    let left: Vec<_> = left.keys().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(left, ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}
