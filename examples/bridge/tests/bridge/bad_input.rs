//! Input that will not do: one error object with the right code, and nothing done.

use bridge::Bridge;
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{Call, TestNetns, json};

use crate::world::{World, inside};

#[test]
fn what_is_said_about_things_that_are_off_is_no_error() {
    let harmless = json!({"ipMasq": false, "ipMasqBackend": "pf", "vlan": 0, "vlanTrunk": [], "macspoofchk": false, "preserveDefaultVlan": true});
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config_with(harmless));
}

#[test]
fn what_contradicts_itself_or_is_of_the_wrong_kind_is_refused() {
    let ipam = json!({"type": "host-local"});
    for (keys, code, text) in [
        (json!({"promiscMode": true, "hairpinMode": true}), 7, "promiscMode: true and hairpinMode: true"),
        (
            json!({"disableContainerInterface": true, "ipam": ipam}),
            7,
            "disableContainerInterface: true and ipam.type: host-local",
        ),
        (
            json!({"ipMasq": true, "ipMasqBackend": "pf"}),
            7,
            "ipMasqBackend: \"pf\" is neither \"nftables\" nor \"iptables\"",
        ),
        (json!({"bridge": "a/b"}), 7, "bridge: invalid interface name \"a/b\""),
        (json!({"bridge": "lo"}), 7, "bridge: lo already exists but is not a bridge"),
        (json!({"bridge": 7}), 6, "bridge: invalid type: integer `7`"),
        (json!({"mtu": "1400"}), 6, "mtu: invalid type"),
        (json!({"mtu": -1}), 7, "mtu: invalid value"),
        (json!({"isGateway": "yes"}), 6, "isGateway: invalid type"),
        (json!({"vlan": 4095}), 7, "vlan: 4095 is not in the range 0 to 4094"),
        (json!({"vlan": -1}), 7, "vlan: invalid value"),
        (json!({"macspoofchk": 1}), 6, "macspoofchk: invalid type"),
        (json!({"enabledad": "true"}), 6, "enabledad: invalid type"),
        (json!({"vlan": "100"}), 6, "vlan: invalid type"),
        (json!({"vlanTrunk": {"id": 7}}), 6, "vlanTrunk: invalid type"),
        (
            json!({"vlanTrunk": [{"id": 7}, {"minID": 9, "maxID": 8}]}),
            7,
            "vlanTrunk[1].minID: 9 is greater than maxID 8",
        ),
        (json!({"VLANTrunk": [{"MinId": 9}]}), 7, "vlanTrunk[0]: minID and maxID are required together"),
        (json!({"vlan": 7, "vlanTrunk": [{"id": 7}]}), 7, "vlan: 7 is also in vlanTrunk"),
        (
            json!({"bridge": "verylongname", "vlan": 100}),
            7,
            "vlan: the name verylongname.100 of the gateway interface is too long",
        ),
        (json!({"ipam": {"type": "../evil"}}), 7, "ipam.type: invalid plugin name"),
        (
            json!({"runtimeConfig": {"mac": "nonsense"}}),
            7,
            "runtimeConfig.mac: invalid hardware address \"nonsense\"",
        ),
        (
            json!({"runtimeConfig": {"mac": "01:00:00:00:00:01"}}),
            7,
            "runtimeConfig.mac: 01:00:00:00:00:01 is not an Ethernet unicast address",
        ),
        (
            json!({"args": {"cni": {"mac": "02:00"}}}),
            7,
            "args.cni.mac: 02:00 is not an Ethernet unicast address",
        ),
    ] {
        let world = World::new();
        let container = TestNetns::new();
        let before = (world.snapshot(), inside(&container));
        let outcome = world.call(Command::Add, "c1", &container, &world.config_with(keys)).run();
        let error = outcome.error_with(ErrorCode::new(code));
        assert!(error.msg.starts_with(text), "{text}: {}", error.msg);
        world.snapshot().assert_same_as(&before.0);
        inside(&container).assert_same_as(&before.1);
    }
}

#[test]
fn a_hardware_address_in_cni_args_that_is_none_is_an_environment_error() {
    let world = World::new();
    let container = TestNetns::new();
    let call = world.call(Command::Add, "c1", &container, &world.config()).args("MAC=nonsense");
    assert!(call.run().error_with(ErrorCode::INVALID_ENVIRONMENT).msg.contains("CNI_ARGS"));
    let call = world.call(Command::Add, "c1", &container, &world.config()).args("MAC");
    assert!(call.run().error_with(ErrorCode::INVALID_ENVIRONMENT).msg.contains("CNI_ARGS"));
}

#[test]
fn a_container_namespace_that_is_none_is_refused() {
    let world = World::new();
    let container = TestNetns::new();
    let before = world.snapshot();
    for path in ["/nonexistent", "/etc/passwd", "/proc/self/ns/mnt", "/dev/null"] {
        let call = world.call(Command::Add, "c1", &container, &world.config()).env("CNI_NETNS", path);
        let error = call.run().error_with(ErrorCode::INVALID_ENVIRONMENT);
        assert!(error.msg.contains("CNI_NETNS") && error.msg.contains(path), "{}", error.msg);
    }
    let own = world.call(Command::Add, "c1", &world.host, &world.config());
    assert!(own.run().error_with(ErrorCode::INVALID_ENVIRONMENT).msg.contains("own network namespace"));
    world.snapshot().assert_same_as(&before);
}

#[test]
fn no_kernel_is_touched_before_the_configuration_is_known_to_be_good() {
    // There is no network in this test at all, and still the answer is about the configuration.
    let outcome = Call::add(&Bridge).config(json!({"vlan": 4095})).run();
    outcome.error_with(ErrorCode::INVALID_NETWORK_CONFIG);
}
