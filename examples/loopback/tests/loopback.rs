//! In process, against real namespaces.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::types::ErrorCode;
use cni_testing::{Binary, Call, FakeNetwork, TestNetns, faults, json};
use loopback::Loopback;

fn lo_is_up(container: &TestNetns) -> bool {
    container.net().unwrap().link("lo").unwrap().flags.is_up()
}

#[test]
fn add_sets_lo_up_and_tells_its_addresses_and_del_sets_it_down() {
    let container = TestNetns::new();
    let result = Call::add(&Loopback).netns(&container).run().result();
    assert!(lo_is_up(&container));
    assert_eq!(result.interfaces[0].name, "lo");
    assert_eq!(result.interfaces[0].sandbox.as_deref(), container.path().to_str());
    let ips: Vec<_> = result.ips.iter().map(|ip| (ip.address.to_string(), ip.interface)).collect();
    assert_eq!(ips, [("127.0.0.1/8".to_owned(), Some(0)), ("::1/128".to_owned(), Some(0))]);

    Call::check(&Loopback).netns(&container).run().silent_success();
    Call::del(&Loopback).netns(&container).run().silent_success();
    assert!(!lo_is_up(&container));
    Call::check(&Loopback).netns(&container).run().error_with(ErrorCode::INTERNAL);
    Call::del(&Loopback).netns(&container).run().silent_success();
}

#[test]
fn each_version_gets_the_result_in_its_own_shape() {
    let container = TestNetns::new();
    let of = |version: &str| {
        let config = json!({"cniVersion": version});
        let json = Call::add(&Loopback).netns(&container).config(config).run().json();
        assert_eq!(json["cniVersion"], version);
        json
    };
    assert_eq!(of("0.2.0")["ip4"]["ip"], "127.0.0.1/8");
    assert_eq!(of("0.4.0")["ips"][0]["version"], "4");
    assert_eq!(of("1.0.0")["ips"][0]["version"], json!(null));
}

#[test]
fn in_a_chain_the_previous_result_comes_back_out() {
    let container = TestNetns::new();
    let config = json!({"prevResult": {"ips": [{"address": "10.1.0.2/16"}]}});
    let result = Call::add(&Loopback).netns(&container).config(config).run().result();
    assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/16");
    assert!(result.interfaces.is_empty() && lo_is_up(&container));
}

#[test]
fn a_foreign_address_on_lo_fails_add_and_leaves_lo_as_it_was() {
    let container = TestNetns::new();
    let net = container.net().unwrap();
    let lo = net.link("lo").unwrap().index;
    net.add_address(&cni_skel::net::Address::new(lo, "10.9.9.9/32".parse().unwrap())).unwrap();
    let error = Call::add(&Loopback).netns(&container).run().error_with(ErrorCode::INTERNAL);
    assert!(error.msg.contains("10.9.9.9/32"), "{}", error.msg);
    assert!(!lo_is_up(&container));
}

#[test]
fn the_plugins_own_namespace_is_refused_on_add_and_left_alone_on_del() {
    let host = TestNetns::new();
    let loopback = || Binary::at(env!("CARGO_BIN_EXE_loopback"));
    Call::add(loopback()).host(&host).netns(&host).run().error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert!(!lo_is_up(&host));
    host.net().unwrap().set_up(host.net().unwrap().link("lo").unwrap().index).unwrap();
    let outcome = Call::del(loopback()).host(&host).netns(&host).run().silent_success();
    assert!(outcome.stderr().contains("own network namespace"));
    assert!(lo_is_up(&host));
}

#[test]
fn del_succeeds_without_a_namespace() {
    Call::del(&Loopback).without_env("CNI_NETNS").run().silent_success();
    Call::del(&Loopback).env("CNI_NETNS", "/nonexistent/netns").run().silent_success();
}

#[test]
fn whatever_fails_lo_is_as_it_was() {
    // The kernel gives lo its address when it comes up, and leaves it there when it goes down.
    let is_the_kernels = |line: &str| line == "container: address 127.0.0.1/8 on lo";
    let report = faults::assert_clean_failure_but(is_the_kernels, FakeNetwork::new, |network, command| {
        Call::new(command, &Loopback).network(network)
    });
    assert!(report.injected > 20, "{report}");
    let real = || (TestNetns::new(), TestNetns::new());
    let report = faults::assert_clean_failure_but(is_the_kernels, real, |(host, container), command| {
        Call::new(command, &Loopback).host(host).netns(container)
    });
    assert!(report.injected > 20, "{report}");
}
