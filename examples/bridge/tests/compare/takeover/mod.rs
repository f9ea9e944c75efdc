//! A node is switched over from the reference plugins to these and back, at any moment in a container's life: the world
//! is then as if one of them had been alone.

mod mixed;
mod world;

use cni_testing::types::Command;
use cni_testing::{Binary, Call, Snapshot, TestNetns, json};
use serde_json::Value;

use world::{Case, Ours, Side, Theirs, World, assert_same, each_case};

#[test]
fn add_leaves_the_same_world_whoever_makes_it() {
    each_case(|case| {
        let [ours, theirs] = [Ours, Theirs].map(|side| {
            let world = World::new(case);
            let result = world.add(side);
            (result, world.look())
        });
        assert_same(&ours.1, &theirs.1, case.name);
        let is_masqueraded = ours.1.iter().any(|line| line.contains("-j MASQUERADE"));
        assert_eq!(is_masqueraded, case.name == "ipMasq", "{}", case.name);
        let is_checked = ours.1.iter().any(|line| line.contains("ether saddr 02:00:00:00:00:77 return"));
        assert_eq!(is_checked, case.name == "macspoofchk", "{}", case.name);
        for key in ["ips", "routes"] {
            assert_eq!(ours.0[key], theirs.0[key], "{}: {key} of the result", case.name);
        }
        // Where there is nothing to say the older reference says so.
        let dns = |result: &Value| result["dns"].as_object().cloned().unwrap_or_default();
        assert_eq!(dns(&ours.0), dns(&theirs.0), "{}: dns of the result", case.name);
        assert_eq!(interfaces(&ours.0), interfaces(&theirs.0), "{}: interfaces of the result", case.name);
    });
}

#[test]
fn each_deletes_what_the_other_has_added() {
    each_case(|case| {
        let after = |add: Side, del: Side| {
            let world = World::new(case);
            let result = world.add(add);
            world.call(Command::Del, del, del, Some(&result)).silent_success();
            let once = world.look();
            world.call(Command::Del, add, add, Some(&result)).silent_success();
            assert_same(&world.look(), &once, &format!("{}: {add:?} DEL once more", case.name));
            once
        };
        let alone = after(Theirs, Theirs);
        for (add, del) in [(Ours, Ours), (Ours, Theirs), (Theirs, Ours)] {
            let about = format!("{}: {add:?} ADD, {del:?} DEL", case.name);
            assert_same(&after(add, del), &alone, &about);
        }
    });
}

#[test]
fn each_finds_what_the_other_has_added_to_be_right() {
    each_case(|case| {
        for (add, check) in [(Ours, Theirs), (Theirs, Ours)] {
            // DIFFERENCE: without an IPAM plugin the reference's CHECK always fails.
            let has_ipam = case.name != "ipam";
            if check == Theirs && !has_ipam {
                continue;
            }
            let world = World::new(case);
            let result = world.add(add);
            let before = world.look();
            world.call(Command::Check, check, check, Some(&result)).silent_success();
            assert_same(&world.look(), &before, &format!("{}: CHECK changed something", case.name));
            // And it would notice: the address has gone, or the interface.
            let net = world.container.net().unwrap();
            if has_ipam {
                let address =
                    net.addresses(None).unwrap().into_iter().find(|a| a.address.to_string() == "10.1.0.2/24");
                net.delete_address(&address.unwrap()).unwrap();
            } else {
                net.delete_link(net.link("eth0").unwrap().index).unwrap();
            }
            let outcome = world.call(Command::Check, check, check, Some(&result));
            assert_eq!(outcome.exit_code(), Some(1), "{}: {outcome}", case.name);
        }
    });
}

#[test]
fn bridge_and_ipam_plugin_are_switched_over_one_by_one() {
    let case = Case::new("isDefaultGateway", json!({"isDefaultGateway": true}));
    let sides = [Ours, Theirs];
    let pairs: Vec<_> = sides.into_iter().flat_map(|bridge| sides.map(|ipam| (bridge, ipam))).collect();
    let mut worlds = Vec::new();
    for add in &pairs {
        for del in &pairs {
            let world = World::new(&case);
            let result = world.call(Command::Add, add.0, add.1, None).success().json();
            let added = world.look();
            world.call(Command::Check, del.0, del.1, Some(&result)).silent_success();
            // Half of them by an engine that has forgotten the result.
            let known = (add.0 == del.0).then_some(&result);
            world.call(Command::Del, del.0, del.1, known).silent_success();
            worlds.push((format!("ADD {add:?}, DEL {del:?}"), (added, world.look())));
        }
    }
    for (who, (added, deleted)) in &worlds {
        assert_same(added, &worlds[0].1.0, who);
        assert_same(deleted, &worlds[0].1.1, who);
    }
}

#[test]
fn containers_of_both_share_a_bridge_and_its_addresses() {
    let case = Case::new("isDefaultGateway", json!({"isDefaultGateway": true}));
    let world = World::new(&case);
    let containers: Vec<_> = (0..6).map(|_| TestNetns::new()).collect();
    let call = |command, n: usize, side: Side| {
        let call = Call::new(command, Binary::at(side.program("bridge"))).config(world.config());
        let call = call.host(&world.host).netns(&containers[n]).container_id(&format!("c{n}"));
        call.plugin_path(side.folder()).run()
    };
    let side = |n: usize| if n.is_multiple_of(2) { Ours } else { Theirs };
    let mut addresses = Vec::new();
    for n in 0..containers.len() {
        addresses.push(call(Command::Add, n, side(n)).result().ips[0].address.to_string());
    }
    let wanted: Vec<_> = (2..8).map(|n| format!("10.1.0.{n}/24")).collect();
    assert_eq!(addresses, wanted);
    for n in 0..containers.len() {
        call(Command::Del, n, side(n + 1)).silent_success();
    }
    let left = world.look();
    assert!(!left.iter().any(|line| line.contains("the port") || line.contains("c0")), "{left:?}");
}

#[test]
fn loopback_is_taken_over_in_every_direction() {
    let call = |command, side: Side, container: &TestNetns, prev_result: Option<Value>| {
        let mut config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"});
        if let Some(prev_result) = prev_result {
            config["prevResult"] = prev_result;
        }
        let call = Call::new(command, Binary::at(side.program("loopback"))).config(config);
        call.ifname("lo").netns(container).run()
    };
    let look = |container: &TestNetns| Snapshot::of(&container.net().unwrap()).unwrap();
    let mut worlds = Vec::new();
    for add in [Ours, Theirs] {
        for del in [Ours, Theirs] {
            let container = TestNetns::new();
            let result = call(Command::Add, add, &container, None).success().json();
            let added = look(&container);
            call(Command::Check, del, &container, Some(result.clone())).silent_success();
            call(Command::Del, del, &container, Some(result)).silent_success();
            worlds.push((added, look(&container)));
        }
    }
    assert!(worlds.iter().all(|world| *world == worlds[0]), "{worlds:#?}");
    assert_ne!(worlds[0].0, worlds[0].1, "lo was never up");
}

/// The interfaces of a result: name, whether there is a hardware address, and whether it is in the container. The port's
/// name is by chance.
fn interfaces(result: &Value) -> Vec<(String, bool, bool)> {
    let interfaces = result["interfaces"].as_array().unwrap().iter();
    interfaces
        .map(|interface| {
            let name = interface["name"].as_str().unwrap();
            let name = if name.starts_with("veth") { "the port" } else { name };
            (name.to_owned(), interface["mac"].is_string(), interface["sandbox"].is_string())
        })
        .collect()
}
