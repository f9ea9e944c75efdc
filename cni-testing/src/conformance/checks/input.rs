//! The input on stdin.

use cni_skel::types::{Command, ErrorCode};
use serde_json::{Value, json};

use super::section::{ARGS, CONFIG, DERIVED, ERROR, OBJECTS};
use crate::conformance::bench::Bench;
use crate::conformance::check::Check;
use crate::conformance::ending::{Outcome, fail};
use crate::conformance::level::Level::{Manners, Must, Should};
use crate::process::Pipes;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        Must,
        "input/empty",
        ERROR,
        "ADD with an empty stdin is an error with code 6.",
        "stdin must be the configuration.",
        |bench| refused(bench, b"", &[6, 7, 5]),
    ),
    Check::new(
        Must,
        "input/not-json",
        ERROR,
        "ADD with a stdin that is not a JSON object is an error with code 6.",
        "Code 6 means that content, such as the configuration, cannot be decoded.",
        |bench| {
            let documents: [&[u8]; 6] = [b"{", b"[]", b"\"text\"", b"5", b"name=lan", b"{\"name\": }"];
            documents.iter().try_for_each(|document| refused(bench, document, &[6]))
        },
    ),
    Check::new(
        Must,
        "input/null",
        ERROR,
        "ADD with `null` on stdin is an error with code 6 or 7.",
        "It is JSON, but not a configuration.",
        |bench| refused(bench, b"null", &[6, 7]),
    ),
    Check::new(
        Should,
        "input/trailing",
        ERROR,
        "Data after the configuration is an error with code 6.",
        "The caller has made a mistake.",
        |bench| {
            let config = String::from_utf8_lossy(&bench.unreal(Command::Add).bytes()).into_owned();
            refused(bench, format!("{config} x").as_bytes(), &[6])?;
            refused(bench, format!("{config}{config}").as_bytes(), &[6])
        },
    ),
    Check::new(
        Manners,
        "input/duplicate-keys",
        CONFIG,
        "A duplicate key is an error with code 6 or 7, or its last value counts.",
        "The runtime, the plugin and its delegates must read the same configuration from the same text. The common Go \
         library uses the last value.",
        |bench| {
            // Whichever value counts, the call is refused: for the first version, or the last name.
            let first = json!({"cniVersion": "9.9.9", "name": "lan"}).to_string();
            let last = bench.unreal(Command::Add).set("name", "bad/name").bytes();
            let text = format!("{},{}", first.trim_end_matches('}'), String::from_utf8_lossy(&last[1..]));
            let codes = [ErrorCode::DECODING_FAILURE, ErrorCode::INVALID_NETWORK_CONFIG];
            bench.call(bench.unreal(Command::Add).stdin(text))?.failed_with(&codes).map(drop)
        },
    ),
    Check::new(
        Must,
        "input/no-name",
        CONFIG,
        "A configuration without `name`, or with an empty one, is an error with code 7.",
        "`name` is required. It separates the state of two networks.",
        |bench| {
            let codes = [ErrorCode::INVALID_NETWORK_CONFIG, ErrorCode::DECODING_FAILURE];
            let absent = bench.unreal(Command::Add).unset("name");
            let empty = bench.unreal(Command::Add).set("name", "");
            let null = bench.unreal(Command::Add).set("name", Value::Null);
            [absent, empty, null]
                .into_iter()
                .try_for_each(|request| bench.call(request)?.failed_with(&codes).map(drop))
        },
    ),
    Check::new(
        Must,
        "input/name-of-another-type",
        ERROR,
        "A `name` that is not a string is an error with code 6 or 7.",
        "Code 6 means that it cannot be decoded, code 7 that the configuration is invalid.",
        |bench| {
            let codes = [ErrorCode::DECODING_FAILURE, ErrorCode::INVALID_NETWORK_CONFIG];
            [json!(5), json!(["lan"]), json!({})].into_iter().try_for_each(|name| {
                bench.call(bench.unreal(Command::Add).set("name", name))?.failed_with(&codes).map(drop)
            })
        },
    ),
    Check::new(
        Must,
        "input/bad-name",
        CONFIG,
        "A `name` that does not consist of letters, digits, `_`, `.` and `-`, or does not start with a letter or \
         digit, is an error with code 7.",
        "Network names become names of folders, which `../../etc` must not.",
        |bench| {
            ["-x", ".x", "a/b", "../x", "x\n", "a b"].into_iter().try_for_each(|name| {
                let exchange = bench.call(bench.unreal(Command::Add).set("name", name))?;
                exchange.failed_with(&[ErrorCode::INVALID_NETWORK_CONFIG]).map(drop)
            })
        },
    ),
    Check::new(
        Manners,
        "input/bad-name-shown",
        ERROR,
        "The error about an invalid `name` contains it.",
        "It says which of many configurations is invalid.",
        |bench| {
            let complaint = bench.call(bench.unreal(Command::Add).set("name", "bad/name"))?.failed()?;
            if complaint.mentions("bad/name") {
                Ok(())
            } else {
                fail("neither msg nor details contain bad/name")
            }
        },
    ),
    Check::new(
        Must,
        "input/slow",
        CONFIG,
        "A configuration that arrives in small pieces is read to the end.",
        "One read from a pipe may return only a part.",
        |bench| {
            // No plugin supports this version. The answer shows that the plugin has read it, and nothing is changed.
            let request = bench.unreal(Command::Add).set("cniVersion", "9.9.9").pipes(Pipes::Slow);
            bench.call(request)?.failed_with(&[ErrorCode::INCOMPATIBLE_VERSION]).map(drop)
        },
    )
    .as_process(),
    Check::new(
        Manners,
        "input/closed-stdin",
        ERROR,
        "ADD with a closed stdin is an error with code 5 or 6.",
        "A crash would not help to find such a bug in a runtime.",
        |bench| {
            let codes = [ErrorCode::IO_FAILURE, ErrorCode::DECODING_FAILURE];
            bench.call(bench.unreal(Command::Add).pipes(Pipes::NoStdin))?.failed_with(&codes).map(drop)
        },
    )
    .as_process(),
    Check::new(
        Should,
        "input/hostile",
        ERROR,
        "Broken text, a hundred thousand brackets and very long numbers are an error, never a crash.",
        "Users of a cluster control parts of the configuration.",
        hostile,
    ),
    Check::new(
        Must,
        "input/large",
        CONFIG,
        "A configuration of a megabyte is accepted.",
        "A prevResult or a list of addresses can be longer than a pipe's buffer of 64 KiB.",
        |bench| {
            // The plugin refuses the version, which is at the end of the input.
            let filling = "x".repeat(1 << 20);
            let text = json!({"aaa": filling, "name": "lan", "cniVersion": "9.9.9", "type": "p"}).to_string();
            let text = text.replacen(",\"cniVersion\":\"9.9.9\"", "", 1);
            let text = format!("{},\"cniVersion\":\"9.9.9\"}}", text.trim_end_matches('}'));
            let exchange = bench.call(bench.unreal(Command::Add).stdin(text))?;
            exchange.failed_with(&[ErrorCode::INCOMPATIBLE_VERSION]).map(drop)
        },
    ),
    Check::new(
        Should,
        "input/args-ignored",
        ARGS,
        "Unknown content of `args` is not an error.",
        "`args` is arbitrary data since 0.2.0. Plugins ignore what they do not know.",
        |bench| {
            let container = bench.container()?;
            let args = json!({"cni": {"x-unknown": {"a": [1]}}, "org.example": {"b": null}});
            bench.call(bench.add_request(&container)?.set("args", args))?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Should,
        "input/capabilities-ignored",
        OBJECTS,
        "`capabilities` and an empty `runtimeConfig` are not an error.",
        "Runtimes should remove `capabilities`, but the common Go library does not.",
        |bench| {
            let container = bench.container()?;
            let request = bench.add_request(&container)?.set("capabilities", json!({"x-unknown": true}));
            let request = if request.config.contains_key("runtimeConfig") {
                request
            } else {
                request.set("runtimeConfig", json!({}))
            };
            bench.call(request)?.succeeded()
        },
    )
    .in_namespace(),
    Check::new(
        Should,
        "input/reserved-keys",
        DERIVED,
        "Keys that begin with `cni.dev/` are not an error.",
        "The specification reserves them, and may add new ones.",
        |bench| {
            let container = bench.container()?;
            bench.call(bench.add_request(&container)?.set("cni.dev/x-unknown", json!([1])))?.succeeded()
        },
    )
    .in_namespace(),
];

fn refused(bench: &Bench<'_>, stdin: &[u8], codes: &[u32]) -> Outcome {
    let exchange = bench.call(bench.unreal(Command::Add).stdin(stdin))?;
    let codes: Vec<_> = codes.iter().map(|code| ErrorCode::new(*code)).collect();
    exchange.failed_with(&codes).map(drop)
}

fn hostile(bench: &Bench<'_>) -> Outcome {
    let around = |value: &[u8]| {
        let start: &[u8] = b"{\"cniVersion\": \"9.9.9\", \"name\": \"lan\", \"type\": \"p\", \"x\": ";
        [start, value, b"}"].concat()
    };
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let documents = [
        around(b"\"\xff\xfe\""),
        around(deep.as_bytes()),
        around(format!("1{}", "0".repeat(10_000)).as_bytes()),
        around(b"\"\\ud800\""),
        [b"\xef\xbb\xbf".to_vec(), around(b"1")].concat(),
        vec![0; 4096],
    ];
    documents
        .into_iter()
        .try_for_each(|document| bench.call(bench.unreal(Command::Add).stdin(document))?.failed().map(drop))
}
