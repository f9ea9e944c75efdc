//! The inputs that every plugin gets, whatever it does.

use serde_json::{Value, json};

use super::Input;

/// The inputs that every plugin gets, whatever it does: `valid` is a configuration of it.
pub(crate) fn everybodys_inputs(valid: &Value) -> Vec<Input> {
    let mut inputs = Vec::new();
    variables(valid, &mut inputs);
    commands(valid, &mut inputs);
    stdins(valid, &mut inputs);
    keys(valid, &mut inputs);
    versions(valid, &mut inputs);
    inputs
}

fn variables(valid: &Value, inputs: &mut Vec<Input>) {
    let with = |key: &str, value: Value| {
        let mut config = valid.clone();
        config[key] = value;
        config
    };
    // CHECK gets what ADD would have answered; that of an empty result fails in a handler alike.
    let checked = with("prevResult", json!({}));
    for command in ["ADD", "DEL"] {
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
            inputs.push(Input::new(format!("{command} without {name}"), command, valid).without(name));
            inputs.push(Input::new(format!("{command} with {name} empty"), command, valid).env(name, ""));
        }
    }
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        inputs.push(Input::new(format!("CHECK without {name}"), "CHECK", &checked).without(name));
    }
    let none =
        Input::new("ADD without any variable", "ADD", valid).without("CNI_CONTAINERID").without("CNI_NETNS");
    inputs.push(none.without("CNI_IFNAME").without("CNI_PATH"));
    inputs.push(Input::new("ADD without CNI_PATH", "ADD", valid).without("CNI_PATH").difference(
        "the specification calls CNI_PATH optional; the reference requires it of who delegates to nobody",
    ));
    for id in ["-a", "_a", ".a", "a b", "a/b", "../a", "a\n", "é"] {
        inputs.push(Input::new(format!("container id {id:?}"), "ADD", valid).env("CNI_CONTAINERID", id));
        inputs
            .push(Input::new(format!("container id {id:?} on DEL"), "DEL", valid).env("CNI_CONTAINERID", id));
    }
    for (name, value) in
        [("CNI_CONTAINERID", "a/b"), ("CNI_IFNAME", "a/b"), ("CNI_IFNAME", "sixteen-bytes-16")]
    {
        inputs.push(Input::new(format!("CHECK with {name}={value}"), "CHECK", &checked).env(name, value));
    }
    let both = Input::new("two invalid variables", "ADD", valid).env("CNI_CONTAINERID", "a/b");
    inputs.push(both.env("CNI_IFNAME", "a/b"));
    let both = Input::new("one missing and one invalid", "DEL", valid).without("CNI_CONTAINERID");
    inputs.push(both.env("CNI_IFNAME", "a/b"));
    for id in ["a", "A1", "a_b", "a.b", "a-b", &"0123456789abcdef".repeat(4)] {
        inputs.push(Input::new(format!("container id {id:?}"), "ADD", valid).env("CNI_CONTAINERID", id));
    }
    inputs.push(Input::new("interface of 15 bytes", "ADD", valid).env("CNI_IFNAME", "fifteen-bytes15"));
    for ifname in ["sixteen-bytes-16", ".", "..", "a/b", "a:b", "a b", "a\t", "a\u{a0}b"] {
        inputs.push(Input::new(format!("interface {ifname:?}"), "ADD", valid).env("CNI_IFNAME", ifname));
    }
    for command in ["ADD", "DEL"] {
        let noise = Input::new("noise in the environment", command, valid).env("CNI_FOO", "x");
        inputs.push(noise.env("TRACEPARENT", "garbage").env("CNI_VERSION", "0.2.0"));
    }
}

fn commands(valid: &Value, inputs: &mut Vec<Input>) {
    inputs.push(Input::new("no command", "", valid).without("CNI_COMMAND"));
    inputs.push(Input::new("empty command", "", valid));
    for command in ["NOPE", "add", " ADD", "ADD\n"] {
        inputs.push(Input::new(format!("command {command:?}"), command, valid));
    }
    inputs.push(
        Input::new("unknown command without stdin", "NOPE", valid)
            .stdin("")
            .difference("code 4 names the command; the reference reads stdin first and answers 6"),
    );
    for command in ["STATUS", "GC"] {
        let mut config = valid.clone();
        config["cniVersion"] = json!("1.1.0");
        if command == "GC" {
            config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
        }
        inputs.push(
            Input::new(command, command, &config)
                .difference("the reference of Debian is older than STATUS and GC, of 1.1.0"),
        );
    }
    for stdin in ["", "garbage", r#"{"cniVersion": "0.4.0"}"#] {
        inputs.push(
            Input::new(format!("VERSION with {stdin:?}"), "VERSION", valid)
                .stdin(stdin)
                .env("CNI_CONTAINERID", "")
                .env("CNI_NETNS", "dummy")
                .env("CNI_IFNAME", "dummy")
                .difference("ours speaks 1.1.0 too, and names the version that it was asked in"),
        );
    }
}

fn stdins(valid: &Value, inputs: &mut Vec<Input>) {
    let text = valid.to_string();
    let cases = [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        r#""text""#.to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        format!("{text}x"),
        format!("{text}{text}"),
        format!("\u{feff}{text}"),
        format!(" {text}\n\n"),
    ];
    for stdin in cases {
        let input = Input::new(format!("stdin {stdin:?}"), "ADD", valid).stdin(stdin.clone());
        inputs.push(match stdin.as_str() {
            "null" => {
                input.difference("null is no object, code 6; to the reference it is one without name, code 7")
            }
            _ => input,
        });
        if stdin.is_empty() {
            inputs.push(Input::new("empty stdin on DEL", "DEL", valid).stdin(stdin));
        }
    }
    // Neither DEL nor CHECK is more lenient.
    for command in ["DEL", "CHECK"] {
        for stdin in ["", "[]", "{", "{}", r#"{"cniVersion": "1.0.0", "name": "a/b"}"#] {
            inputs.push(Input::new(format!("{command} with {stdin:?}"), command, valid).stdin(stdin));
        }
    }
    let duplicate = format!("{{\"name\":\"a/b\",{}", &text[1..]);
    inputs.push(Input::new("the last of two names counts", "ADD", valid).stdin(duplicate));
    let duplicate = format!("{},\"name\":\"a/b\"}}", &text[..text.len() - 1]);
    inputs.push(Input::new("the last of two names counts, and will not do", "ADD", valid).stdin(duplicate));
    let mut latin = valid.to_string().into_bytes();
    latin.splice(1..1, *b"\"x\":\"\xe9\",");
    inputs.push(
        Input::new("Latin-1", "ADD", valid)
            .stdin(latin)
            .difference("text that is not UTF-8 is no JSON; the reference replaces what it cannot read"),
    );
    for (what, value) in [
        ("a configuration of a megabyte", format!("\"{}\"", "x".repeat(1 << 20))),
        ("a hundred lists, one in the other", format!("{}{}", "[".repeat(100), "]".repeat(100))),
        ("five thousand lists, one in the other", format!("{}{}", "[".repeat(5000), "]".repeat(5000))),
        ("an integer that no machine has", "9".repeat(400)),
    ] {
        let stdin = format!("{{\"example.com/x\":{value},{}", &text[1..]);
        inputs.push(Input::new(what, "ADD", valid).stdin(stdin));
    }
}

fn keys(valid: &Value, inputs: &mut Vec<Input>) {
    for (key, value) in [
        ("name", json!(null)),
        ("name", json!("")),
        ("name", json!("a/b")),
        ("name", json!("-a")),
        ("name", json!("a\n")),
        ("name", json!(7)),
        ("cniVersion", json!(7)),
        ("cniVersion", json!(null)),
        ("type", json!("other")),
        ("prevResult", json!(null)),
        ("dns", json!({})),
        ("runtimeConfig", json!(null)),
        ("args", json!(null)),
        ("cni.dev/valid-attachments", json!(null)),
        ("capabilities", json!({"mac": true})),
        ("example.com/unknown", json!({"deep": [[[1]]]})),
        ("args", json!({"other": 7})),
        ("runtimeConfig", json!({"other": 7})),
    ] {
        let mut config = valid.clone();
        config[key] = value.clone();
        inputs.push(Input::new(format!("{key}: {value}"), "ADD", &config));
    }
    let mut config = valid.clone();
    config.as_object_mut().map(|object| object.remove("name"));
    inputs.push(Input::new("no name", "ADD", &config));
    config["NAME"] = json!("lan");
    inputs.push(Input::new("name in another case", "ADD", &config));
}

fn versions(valid: &Value, inputs: &mut Vec<Input>) {
    for version in ["9.9.9", "1.0", "v1.0.0", "01.0.0", " 1.0.0", "1.0.0-rc1", "1.1.0"] {
        for command in ["ADD", "DEL"] {
            let mut config = valid.clone();
            config["cniVersion"] = json!(version);
            let input = Input::new(format!("{command} in version {version:?}"), command, &config);
            inputs.push(match version {
                "1.1.0" => input.difference("the reference of Debian is older than 1.1.0"),
                _ => input,
            });
        }
    }
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let mut config = valid.clone();
        config["cniVersion"] = json!(version);
        inputs.push(Input::new(format!("DEL in version {version:?}"), "DEL", &config));
        if !["0.4.0", "1.0.0"].contains(&version) {
            config["prevResult"] = json!({});
            inputs.push(Input::new(format!("CHECK in version {version:?}"), "CHECK", &config));
        }
    }
    for version in ["9.9.9", "1.0", "v1.0.0"] {
        let mut config = valid.clone();
        config["cniVersion"] = json!(version);
        config["prevResult"] = json!({});
        let input = Input::new(format!("CHECK in version {version:?}"), "CHECK", &config);
        inputs.push(match version {
            "v1.0.0" => {
                input.difference("code 1, as for ADD; the reference orders the versions first and answers 6")
            }
            _ => input,
        });
    }
    // DEL needs none, so that any will do.
    for prev_result in [json!(null), json!([]), json!(7), json!({"ips": 7}), json!({"cniVersion": "9.9.9"})] {
        let mut config = valid.clone();
        config["prevResult"] = prev_result.clone();
        inputs.push(Input::new(format!("DEL with the result {prev_result}"), "DEL", &config));
    }
}
