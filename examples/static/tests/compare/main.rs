//! The same inputs to this plugin and to the reference one. `cargo test` alone does not run it; it needs Debian's package
//! containernetworking-plugins.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod differential;

use std::path::Path;

use cni_testing::json;
use differential::{Input, Side, compare, everybodys_inputs, reference};
use serde_json::Value;

const OURS: &str = env!("CARGO_BIN_EXE_static");

fn config(version: &str, ipam: Value) -> Value {
    json!({"cniVersion": version, "name": "lan", "type": "bridge", "ipam": ipam})
}

fn ipam() -> Value {
    json!({
        "type": "static",
        "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "2001:db8::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.3.1.2/16", "gw": "10.1.0.9"}],
        "dns": {"nameservers": ["10.1.0.1"], "domain": "lan", "search": ["a.lan"], "options": ["ndots:2"]},
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut config = config("1.0.0", ipam());
    config[key] = value;
    config
}

fn with_addresses(addresses: Value) -> Value {
    config("1.0.0", json!({"type": "static", "addresses": addresses}))
}

#[track_caller]
fn compare_all(inputs: Vec<Input>) {
    let theirs = reference("static");
    for input in inputs {
        let sides = [Path::new(OURS), theirs.as_path()];
        compare(&input, sides.map(|program| Side { program, netns: None, folder: None }));
    }
}

#[test]
fn what_everybody_gets_is_answered_as_by_the_reference_but_for_the_listed_differences() {
    compare_all(everybodys_inputs(&config("1.0.0", ipam())));
    compare_all(vec![
        Input::new("no namespace", "ADD", &config("1.0.0", ipam()))
            .env("CNI_NETNS", "/nonexistent")
            .difference("CNI_NETNS must be a namespace before a handler is called; the reference never looks"),
        Input::new("a file as namespace", "ADD", &config("1.0.0", ipam()))
            .env("CNI_NETNS", "/etc/passwd")
            .difference("as above"),
        Input::new("DEL without namespace", "DEL", &config("1.0.0", ipam())).env("CNI_NETNS", "/nonexistent"),
        Input::new("the own namespace", "ADD", &config("1.0.0", ipam()))
            .without("CNI_NETNS_OVERRIDE")
            .difference("the plugin's own namespace is refused before a handler is called; this reference never looks"),
    ]);
}

#[test]
fn every_version_gets_the_same_result() {
    let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", ""];
    compare_all(versions.map(|version| Input::new(version, "ADD", &config(version, ipam()))).into());
    let two = json!({"addresses": [{"address": "10.1.0.5/16"}, {"address": "10.1.0.6/16"}]});
    compare_all(
        versions
            .map(|version| Input::new(format!("two, {version}"), "ADD", &config(version, two.clone())))
            .into(),
    );
    compare_all(
        versions
            .map(|version| Input::new(format!("none, {version}"), "ADD", &config(version, json!({}))))
            .into(),
    );
}

#[test]
fn addresses_come_from_the_same_places() {
    let asked = |key: &str, ips: Value| match key {
        "args" => with("args", json!({"cni": {"ips": ips}})),
        _ => with("runtimeConfig", json!({"ips": ips})),
    };
    let mut inputs = Vec::new();
    for args in [
        "IP=10.2.0.5/16,10.3.0.5/24;GATEWAY=10.2.0.1,10.3.0.1",
        "IP=10.2.0.5/16;GATEWAY=10.2.0.1,10.2.0.2",
        "IP=10.2.0.5/16, 2001:db8:1::5/64;GATEWAY=10.9.0.1",
        "IP= 10.2.0.5/016 ,\t2001:db8:1::5/64 ;GATEWAY= 10.2.0.1 , 10.3.0.1 ",
        "IgnoreUnknown=tRUE; K8S_POD_NAME=x;IP=10.2.0.7/16;IP=10.2.0.8/16",
        "GATEWAY=2001:db8::9",
        "GATEWAY=",
        "IP=",
        "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.2.0.7/16",
        // All of these are refused.
        "IP=10.2.0.5",
        "IP=bogus",
        "IP=10.2.0.5/16,,10.2.0.6/16",
        "GATEWAY=bogus",
        "GATEWAY=10.2.0.1/16",
        "IP",
        ";",
    ] {
        inputs.push(Input::new(args, "ADD", &config("1.0.0", ipam())).env("CNI_ARGS", args));
        inputs.push(
            Input::new(format!("{args} on DEL"), "DEL", &config("1.0.0", ipam())).env("CNI_ARGS", args),
        );
    }
    inputs.push(
        Input::new("unknown argument", "ADD", &config("1.0.0", ipam()))
            .env("CNI_ARGS", "K8S_POD_NAME=x")
            .difference("unknown keys are for other plugins of the chain; the reference wants IgnoreUnknown"),
    );
    inputs.push(
        Input::new("empty pair", "ADD", &config("1.0.0", ipam()))
            .env("CNI_ARGS", "IP=10.2.0.5/16;A=b=c;IgnoreUnknown=1")
            .difference("a value may hold `=`; the reference refuses it"),
    );
    for key in ["args", "runtimeConfig"] {
        for ips in [
            json!(["10.7.0.1/16", "2001:db8:7::1/64"]),
            json!([]),
            json!(null),
            json!(["10.7.0.1"]),
            json!("10.7.0.1/16"),
        ] {
            let what = format!("{key} {ips}");
            inputs.push(Input::new(what.clone(), "ADD", &asked(key, ips.clone())));
            inputs.push(
                Input::new(what, "ADD", &asked(key, ips)).env("CNI_ARGS", "IP=10.2.0.5/16;GATEWAY=10.7.0.2"),
            );
        }
    }
    let mut both = asked("args", json!(["10.7.0.1/16"]));
    both["runtimeConfig"] = json!({"ips": ["10.8.0.1/16"]});
    inputs.push(Input::new("both", "ADD", &both));
    compare_all(inputs);
}

#[test]
fn the_same_configurations_are_refused() {
    let mut inputs = vec![
        Input::new("no ipam", "ADD", &json!({"cniVersion": "1.0.0", "name": "lan"})),
        Input::new("ipam null", "ADD", &config("1.0.0", json!(null))),
        Input::new("ipam of another type", "ADD", &config("1.0.0", json!(7))),
        Input::new("DEL without ipam", "DEL", &json!({"cniVersion": "1.0.0", "name": "lan"})),
        Input::new("DEL with ipam of another type", "DEL", &config("1.0.0", json!(7))),
        Input::new("route without destination", "ADD", &config("1.0.0", json!({"routes": [{}]})))
            .difference("a route must have a destination; the reference prints \"<nil>\""),
        Input::new("bad route", "ADD", &config("1.0.0", json!({"routes": [{"dst": "10.0.0.0"}]}))),
        Input::new("bad dns", "ADD", &config("1.0.0", json!({"dns": {"nameservers": "10.1.0.1"}}))),
        Input::new(
            "keys in another case",
            "ADD",
            &config("1.0.0", json!({"Addresses": [{"ADDRESS": "10.1.0.5/16"}]})),
        ),
        Input::new("mapped address", "ADD", &with_addresses(json!([{"address": "::ffff:10.1.0.5/112"}])))
            .difference(
                "an address is handed out as it is written; the reference turns this one into 10.1.0.5/16",
            ),
    ];
    for addresses in [
        json!(null),
        json!("10.1.0.5/16"),
        json!(["10.1.0.5/16"]),
        json!([{}]),
        json!([{"address": ""}]),
        json!([{"address": "10.1.0.5"}]),
        json!([{"address": "10.1.0.5/33"}]),
        json!([{"address": "010.1.0.5/16"}]),
        json!([{"address": "fe80::1%eth0/64"}]),
        json!([{"address": 7}]),
        json!([{"address": "10.1.0.5/16", "gateway": "bogus"}]),
        json!([{"address": "10.1.0.5/16", "gateway": ""}]),
        json!([{"address": "10.1.0.5/16", "gateway": "10.9.0.1"}]),
        json!([{"address": "10.1.0.5/16", "gateway": "fe80::1"}]),
        json!([{"address": "10.1.0.5/16"}, {"address": "10.1.0.5/16"}]),
    ] {
        inputs.push(Input::new(format!("addresses {addresses}"), "ADD", &with_addresses(addresses)));
    }
    compare_all(inputs);
}

#[test]
fn check_finds_the_same_but_for_what_the_reference_does_not_look_at() {
    let check = |what: &str, prev_result: Value| Input::new(what, "CHECK", &with("prevResult", prev_result));
    let v6 = json!({"address": "2001:db8::5/64"});
    compare_all(vec![
        Input::new("no previous result", "CHECK", &config("1.0.0", ipam())),
        check("as ADD answered", json!({"ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, v6]})),
        check("another gateway", json!({"ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.2"}, v6]})),
        check("no gateway", json!({"ips": [{"address": "10.1.0.5/16"}, v6]})),
        check("a gateway where none was asked for", json!({"ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"},
            {"address": "2001:db8::5/64", "gateway": "2001:db8::1"}]})),
        check("no addresses", json!({"ips": []}))
            .difference("an address that ADD gave and that is gone is an error; the reference looks at no more than gateways"),
        check("another address", json!({"ips": [{"address": "10.9.0.5/16"}]})).difference("as above"),
        check("another prefix", json!({"ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, v6]}))
            .difference("as above"),
        check("no result", json!([])),
        check("another version", json!({"cniVersion": "0.4.0", "ips": [
            {"version": "4", "address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"version": "6", "address": "2001:db8::5/64"}]}))
            .difference("a previous result is converted from its own version; the reference refuses it"),
    ]);
}

#[test]
fn a_life_is_answered_alike_in_every_version() {
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let mut v4 = json!({"address": "10.1.0.5/16", "gateway": "10.1.0.1"});
        let mut v6 = json!({"address": "2001:db8::5/64"});
        if version == "0.4.0" {
            (v4["version"], v6["version"]) = (json!("4"), json!("6"));
        }
        let mut config = config(version, ipam());
        config["prevResult"] = json!({"ips": [v4, v6]});
        let commands = ["DEL", "ADD", "ADD", "CHECK", "DEL", "DEL"];
        compare_all(commands.map(|command| Input::new(format!("{version:?}"), command, &config)).into());
    }
}

#[test]
fn addresses_and_routes_of_either_family_are_answered_alike() {
    let only = |addresses: Value, routes: Value| {
        config("1.0.0", json!({"type": "static", "addresses": addresses, "routes": routes}))
    };
    let v6 = json!([{"address": "2001:DB8:0::5/64", "gateway": "2001:DB8::1"}]);
    let mut inputs = vec![
        Input::new("IPv6", "ADD", &only(v6.clone(), json!([{"dst": "::/0"}]))),
        Input::new("IPv6 with routes of IPv4", "ADD", &only(v6.clone(), json!([{"dst": "0.0.0.0/0"}]))),
        Input::new("IPv6 in 0.2.0", "ADD", &{
            let mut old = only(v6, json!([{"dst": "::/0", "gw": "fe80::1"}]));
            old["cniVersion"] = json!("0.2.0");
            old
        }),
    ];
    for address in [
        "::/0",
        "::1/128",
        "2001:db8::5/129",
        "2001:db8:::5/64",
        "ff02::1/16",
        "0.0.0.0/0",
        "10.1.0.0/16",
        "255.255.255.255/32",
        "10.1.0.5/+16",
        " 10.1.0.5/16",
        "10.1.0.5/16 ",
    ] {
        inputs.push(Input::new(address, "ADD", &only(json!([{"address": address}]), json!(null))));
    }
    for routes in [
        json!([{"dst": "2001:db8::/32", "gw": "2001:db8::1"}]),
        json!([{"dst": "10.9.1.2/16", "gw": "::1"}]),
        json!([{"dst": "10.9.0.0/16", "gw": ""}]),
        json!([{"dst": "10.9.0.0/16", "gw": "x"}]),
        json!([{"dst": "10.9.0.0/33"}]),
        json!([{"dst": 7}]),
        json!({"dst": "10.9.0.0/16"}),
        json!([]),
    ] {
        inputs.push(Input::new(
            format!("{routes}"),
            "ADD",
            &only(json!([{"address": "10.1.0.5/16"}]), routes),
        ));
    }
    compare_all(inputs);
}
