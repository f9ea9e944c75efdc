//! A failed ADD leaves nothing behind, whichever step it fails at.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command as Process, Stdio};

use bridge::Bridge;
use cni_skel::net::Address;
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{Call, DelegateReply, Snapshot, TestNetns, json};

use crate::world::{World, inside};

/// What the world was like before a call, and must be like after it.
struct Before {
    host: Snapshot,
    container: Snapshot,
}

impl Before {
    #[track_caller]
    fn of(world: &World, container: &TestNetns) -> Self {
        Self { host: world.snapshot(), container: inside(container) }
    }

    #[track_caller]
    fn assert_nothing_left(&self, world: &World, container: &TestNetns) {
        world.snapshot().assert_same_as(&self.host);
        inside(container).assert_same_as(&self.container);
    }

    /// As above, after host-local has handed out an address and got it back: it remembers which one it was.
    #[track_caller]
    fn assert_nothing_left_but_a_memory(&self, world: &World, container: &TestNetns) {
        let left = world.snapshot();
        let added: Vec<_> = left.added_since(&self.host).collect();
        let is_memory =
            |line: &str| line.starts_with("file lan/last_reserved_ip.") || is_of_the_network(line);
        assert!(added.iter().all(|line| is_memory(line)), "{added:?}");
        inside(container).assert_same_as(&self.container);
    }
}

/// The folder of a network's addresses, and its lock.
fn is_of_the_network(line: &str) -> bool {
    matches!(line, "folder lan" | "file lan/lock: \"\"")
}

const IP: &str = r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]}"#;

fn ip() -> serde_json::Value {
    serde_json::from_str(IP).unwrap()
}

#[test]
fn an_ipam_plugin_that_is_missing() {
    for world in [World::new(), World::used(World::config)] {
        let container = TestNetns::new();
        let before = Before::of(&world, &container);
        let config = world.config_with(json!({"ipam": {"type": "nowhere"}}));
        let error =
            world.call(Command::Add, "c1", &container, &config).run().error_with(ErrorCode::IO_FAILURE);
        assert!(error.msg.contains("failed to find plugin \"nowhere\" in path"), "{}", error.msg);
        before.assert_nothing_left(&world, &container);
    }
}

#[test]
fn an_ipam_plugin_that_fails_keeps_its_code_and_gets_a_del() {
    let world = World::new();
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let fails = DelegateReply::add(json!({})).failing(ErrorCode::new(123), "no address for you");
    let outcome = world.scripted(Command::Add, &container, [fails, DelegateReply::del()]).run();
    assert_eq!(outcome.error_with(ErrorCode::new(123)).msg, "no address for you");
    before.assert_nothing_left(&world, &container);
}

#[test]
fn an_ipam_plugin_that_prints_garbage_hangs_or_gives_no_address() {
    let add = || DelegateReply::add(json!({}));
    for (reply, code) in [
        (add().printing("garbage", 0), ErrorCode::DECODING_FAILURE),
        (add().printing("", 0), ErrorCode::DECODING_FAILURE),
        (add().printing("garbage", 1), ErrorCode::DECODING_FAILURE),
        (add().printing("", 1), ErrorCode::INTERNAL),
        (add().printing(r#"{"ips": [{"address": "10.1.0.2"}]}"#, 0), ErrorCode::INVALID_NETWORK_CONFIG),
        (add().hanging(), ErrorCode::TRY_AGAIN_LATER),
        (add(), ErrorCode::INTERNAL),
    ] {
        let world = World::new();
        let container = TestNetns::new();
        let before = Before::of(&world, &container);
        let outcome = world.scripted(Command::Add, &container, [reply, DelegateReply::del()]).run();
        outcome.error_with(code);
        before.assert_nothing_left(&world, &container);
    }
}

#[test]
fn a_del_that_fails_while_undoing_is_told_and_stops_nothing() {
    let world = World::new();
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let gives_a_bad_route =
        json!({"ips": [{"address": "10.1.0.2/24"}], "routes": [{"dst": "10.9.0.0/16", "gw": "1.2.3.4"}]});
    let replies = [
        DelegateReply::add(gives_a_bad_route),
        DelegateReply::del().failing(ErrorCode::new(200), "the database is gone"),
    ];
    let error = world.scripted(Command::Add, &container, replies).run().error_with(ErrorCode::INTERNAL);
    assert_eq!(error.msg, "cannot add route 10.9.0.0/16 via 1.2.3.4 on eth0");
    let details = error.details.unwrap();
    assert!(details.contains("Nexthop has invalid gateway"), "{details}");
    assert!(details.contains("the database is gone"), "{details}");
    before.assert_nothing_left(&world, &container);
}

#[test]
fn a_route_that_the_kernel_refuses() {
    let world = World::used(World::config);
    let container = TestNetns::new();
    let mut config = world.config();
    config["ipam"]["routes"] = json!([{"dst": "10.9.0.0/16", "gw": "1.2.3.4"}]);
    // What host-local remembers is part of what must be as it was.
    let before = Before::of(&world, &container);
    world.call(Command::Add, "c1", &container, &config).run().error_with(ErrorCode::INTERNAL);
    before.assert_nothing_left_but_a_memory(&world, &container);
}

#[test]
fn a_bridge_with_another_address() {
    let world = World::used(|world| world.config_with(json!({"ipam": {}, "isDefaultGateway": false})));
    let container = TestNetns::new();
    let net = world.net();
    let bridge = net.link("br0").unwrap().index;
    net.add_address(&Address::new(bridge, "192.168.9.1/24".parse().unwrap())).unwrap();
    let before = Before::of(&world, &container);
    let replies = [DelegateReply::add(ip()), DelegateReply::del()];
    let error =
        world.scripted(Command::Add, &container, replies).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    assert_eq!(error.msg, "\"br0\" already has an IP address different from 10.1.0.1/24");
    before.assert_nothing_left(&world, &container);
}

#[test]
fn an_interface_that_is_there_already_is_left_as_it_is() {
    let world = World::used(World::config);
    let container = TestNetns::new();
    world.add("c1", &container, &world.config());
    let before = Before::of(&world, &container);
    let outcome = world.call(Command::Add, "c2", &container, &world.config()).run();
    let error = outcome.error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert!(error.msg.starts_with("invalid CNI_IFNAME: interface eth0 already exists in "), "{}", error.msg);
    before.assert_nothing_left(&world, &container);
}

#[test]
fn an_mtu_that_the_kernel_refuses() {
    for world in [World::new(), World::used(World::config)] {
        let container = TestNetns::new();
        let before = Before::of(&world, &container);
        let config = world.config_with(json!({"mtu": 1_000_000}));
        world.call(Command::Add, "c1", &container, &config).run().error_with(ErrorCode::INTERNAL);
        before.assert_nothing_left_but_a_memory(&world, &container);
    }
}

#[test]
fn an_attachment_that_is_there_already_keeps_its_addresses() {
    let world = World::used(World::config);
    let container = TestNetns::new();
    world.add("c1", &container, &world.config());
    let before = Before::of(&world, &container);
    let again = || world.call(Command::Add, "c1", &container, &world.config()).run();
    let error = again().error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert!(error.msg.contains("interface eth0 already exists"), "{}", error.msg);
    before.assert_nothing_left(&world, &container);
    // Nor does it lose them where only the host's end tells that it is there.
    let inside = container.net().unwrap();
    inside.rename(inside.link("eth0").unwrap().index, "other").unwrap();
    let before = Before::of(&world, &container);
    let error = again().error_with(ErrorCode::INTERNAL);
    assert_eq!(error.msg, "the host's end of this attachment still exists, delete it with DEL first");
    before.assert_nothing_left(&world, &container);
}

#[test]
fn an_ipam_plugin_that_is_still_at_work_when_the_links_fail_has_ended_before_its_del() {
    let world = World::new();
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\ncat > /dev/null\n[ $CNI_COMMAND = DEL ] || sleep 0.2\n\
         echo $CNI_COMMAND >> {}\necho '{IP}'\n",
        log.display()
    );
    let program = folder.path().join("slow");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = world.config_with(json!({"ipam": {"type": "slow"}, "mtu": 1_000_000}));
    let call = world.call(Command::Add, "c1", &container, &config).plugin_path(folder.path());
    call.run().error_with(ErrorCode::INTERNAL);
    assert_eq!(fs::read_to_string(log).unwrap(), "ADD\nDEL\n");
    before.assert_nothing_left(&world, &container);
}

#[test]
fn a_result_that_the_version_cannot_say() {
    let world = World::new();
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let config = world.config_with(json!({"cniVersion": "0.2.0", "ipam": {}}));
    let outcome = world.call(Command::Add, "c1", &container, &config).run();
    outcome.error_with(ErrorCode::INCOMPATIBLE_VERSION);
    before.assert_nothing_left(&world, &container);
}

#[test]
fn a_result_that_nobody_could_read() {
    let world = World::new();
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let config = world.config_with(json!({"ipam": {}}));
    let status = world
        .host
        .run(|| {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let mut child = Process::new(env!("CARGO_BIN_EXE_bridge"))
                .env_clear()
                .envs([("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0")])
                .env("CNI_NETNS", container.path())
                .stdin(Stdio::piped())
                .stdout(full)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            serde_json::to_writer(child.stdin.take().unwrap(), &config).unwrap();
            child.wait().unwrap()
        })
        .unwrap();
    assert_eq!(status.code(), Some(1));
    before.assert_nothing_left(&world, &container);
}

#[test]
fn an_exhausted_pool_and_a_state_directory_that_cannot_be_written() {
    let world = World::new();
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let tiny = world.config_with(json!({"name": "tiny", "ipam": {
        "type": "host-local", "dataDir": world.state(), "ranges": [[{"subnet": "10.1.0.0/30"}]]}}));
    world.add("c1", &one, &tiny);
    let before = Before::of(&world, &two);
    world.call(Command::Add, "c2", &two, &tiny).run().error_with(ErrorCode::TRY_AGAIN_LATER);
    before.assert_nothing_left(&world, &two);

    let nowhere = world.config_with(json!({"name": "nowhere", "ipam": {
        "type": "host-local", "dataDir": "/sys/kernel/cni", "ranges": [[{"subnet": "10.1.0.0/30"}]]}}));
    let error = world.call(Command::Add, "c2", &two, &nowhere).run().error_with(ErrorCode::IO_FAILURE);
    assert!(format!("{error:?}").contains("/sys/kernel/cni"), "{error:?}");
    before.assert_nothing_left(&world, &two);
}

#[test]
fn a_bridge_that_others_are_on_by_then_stays() {
    let world = World::used(|world| world.config_with(json!({"ipam": {}, "isDefaultGateway": false})));
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let l2 = world.config_with(json!({"ipam": {}, "isDefaultGateway": false}));
    world.add("c1", &one, &l2);
    // The first ADD with a gateway fails after it has given the bridge its address; c1 is on the bridge.
    let replies = [
        DelegateReply::add(json!({"ips": [
            {"address": "10.1.0.2/24", "gateway": "10.1.0.1"}, {"address": "10.2.0.2/24", "gateway": "10.2.0.1"}]})),
        DelegateReply::del(),
    ];
    let call = world.scripted(Command::Add, &two, replies).container_id("c2");
    call.run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    let net = world.net();
    let bridge = net.link("br0").unwrap().index;
    assert_eq!(net.links().unwrap().iter().filter(|link| link.master == Some(bridge)).count(), 1);
}

#[test]
fn a_del_that_ipam_fails_removes_all_else_and_can_be_made_again() {
    for ipam in [
        DelegateReply::del().failing(ErrorCode::IO_FAILURE, "the disk is read-only"),
        DelegateReply::del().failing(ErrorCode::TRY_AGAIN_LATER, "somebody keeps the lock"),
    ] {
        let world = World::used(|world| world.config_with(json!({"ipMasq": true, "macspoofchk": true})));
        let container = TestNetns::new();
        let before = Before::of(&world, &container);
        let config = world.config_with(
            json!({"ipMasq": true, "macspoofchk": true, "isDefaultGateway": false, "ipam": {"type": "scripted"}}),
        );
        let rules = || Snapshot::of_netns(world.host.netns()).unwrap();
        let unused = rules();
        let call = |command, reply| {
            let call = Call::new(command, &Bridge).host(&world.host).netns(&container).config(&config);
            call.delegate("scripted", reply).run()
        };
        call(Command::Add, DelegateReply::add(ip())).success();
        assert!(rules().lines().any(|line| line.contains("10.1.0.2")), "nothing is masqueraded");
        let error = call(Command::Del, ipam.clone()).error();
        assert!(
            ["the disk is read-only", "somebody keeps the lock"].contains(&error.msg.as_str()),
            "{error:?}"
        );
        // Nobody can send from the address any more, though it is not free.
        before.assert_nothing_left(&world, &container);
        rules().assert_same_as(&unused);
        call(Command::Del, DelegateReply::del()).silent_success();
    }
}

#[test]
fn a_gc_that_ipam_fails_collects_all_else() {
    let world = World::used(|world| world.config_with(json!({"ipMasq": true})));
    let container = TestNetns::new();
    let before = Before::of(&world, &container);
    let unused = Snapshot::of_netns(world.host.netns()).unwrap();
    let mut config =
        world.config_with(json!({"ipMasq": true, "isDefaultGateway": false, "ipam": {"type": "scripted"}}));
    let call = |command, config: &serde_json::Value, reply| {
        let call = Call::new(command, &Bridge).host(&world.host).config(config);
        let call = if command == Command::Gc { call } else { call.netns(&container) };
        call.delegate("scripted", reply).run()
    };
    call(Command::Add, &config, DelegateReply::add(ip())).success();
    let rules = Snapshot::of_netns(world.host.netns()).unwrap();
    assert!(rules.lines().any(|line| line.contains("10.1.0.2")), "nothing is masqueraded");
    config["cni.dev/valid-attachments"] = json!([]);
    let fails = DelegateReply::gc().failing(ErrorCode::new(123), "the database is gone");
    let error = call(Command::Gc, &config, fails).error_with(ErrorCode::new(123));
    assert_eq!(error.msg, "the database is gone");
    before.assert_nothing_left(&world, &container);
    Snapshot::of_netns(world.host.netns()).unwrap().assert_same_as(&unused);
}
