//! The trace of a call: parsed for the handler, and left as it is for delegates.

use cni_testing::{Call, DelegateReply, json};

use crate::plugin::Witness;

const VARIABLES: [&str; 5] = ["TRACEPARENT", "TRACESTATE", "BAGGAGE", "CNI_LOG", "CNI_LOG_FILE"];

#[test]
fn delegates_get_trace_and_settings_of_the_log_to_the_byte() {
    for values in [
        [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "rojo=00f067aa0ba902b7 , congo=t61",
            "pod=web%20server;ttl=3",
            "off",
            "/var/log/cni.log",
        ],
        ["malformed", "=", "%zz", "loud", "relative"],
    ] {
        let witness = Witness::new();
        let mut call = Call::add(&witness).config(json!({"ipam": {"type": "pool"}, "logLevel": "off"}));
        for (name, value) in VARIABLES.into_iter().zip(values) {
            call = call.env(name, value);
        }
        let ip = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/16"}]});
        let outcome = call.delegate("pool", DelegateReply::add(ip)).run().success();
        let delegate = &outcome.delegate_calls()[0];
        for (name, value) in VARIABLES.into_iter().zip(values) {
            assert_eq!(delegate.env.get(name).unwrap(), value, "{name}");
        }
        assert!(delegate.stdin.contains("logLevel"));
    }
}

#[test]
fn the_log_tells_of_each_delegate_how_long_it_took_and_how_it_ended() {
    let witness = Witness::new();
    let outcome = Call::add(&witness)
        .config(json!({"ipam": {"type": "pool"}, "logLevel": "debug"}))
        .env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .delegate(
            "pool",
            DelegateReply::add(json!({})).failing(cni_testing::types::ErrorCode::new(123), "no address"),
        )
        .delegate("pool", DelegateReply::del())
        .run();
    let lines: Vec<_> =
        outcome.stderr().lines().filter(|line| line.contains(r#"of plugin \"pool\" took "#)).collect();
    let [add, del] = lines[..] else { panic!("{outcome}") };
    assert!(
        add.contains(r#" msg="ADD of plugin "#) && add.ends_with(r#": failed with code 123: no address""#),
        "{add}"
    );
    assert!(del.contains(r#" msg="DEL of plugin "#) && del.ends_with(r#": done""#), "{del}");
    for line in lines {
        assert!(line.contains(" trace=0af7651916cd43dd8448eb211c80319c "), "{line}");
    }
}
