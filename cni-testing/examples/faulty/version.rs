//! VERSION.

use std::io::Read;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::environment::variable;
use crate::has;
use crate::reply::{Reply, deliver};

pub(crate) const SUPPORTED: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

pub(crate) fn answer() -> ExitCode {
    if has("version/bare-environment") && variable("CNI_PATH").is_none() {
        return Reply::new(4, "CNI_PATH is missing").deliver();
    }
    if has("version/dummy-environment") && variable("CNI_CONTAINERID").is_some() {
        return Reply::new(4, "CNI_CONTAINERID is not valid").deliver();
    }
    if has("version/changes-nothing") {
        crate::leave("version");
    }
    let patience =
        if has("version/open-stdin") { Duration::from_secs(3600) } else { Duration::from_millis(200) };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut text);
        let _ = sender.send(text);
    });
    let text = receiver.recv_timeout(patience).ok();
    let config: Option<Value> = text.as_ref().and_then(|text| serde_json::from_slice(text).ok());
    if has("version/any-input") && text.is_some() && config.is_none() {
        return Reply::new(6, "stdin is not JSON").deliver();
    }
    let asked = config.and_then(|config| Some(config.get("cniVersion")?.as_str()?.to_owned()));
    let mut supported = SUPPORTED.to_vec();
    if has("version/list") {
        supported.push("1.1.0");
    }
    let version = asked.filter(|_| !has("version/echo")).unwrap_or_else(|| "1.1.0".to_owned());
    let answer = json!({"cniVersion": version, "supportedVersions": supported});
    let behind = if has("version/answers") { "\nok" } else { "" };
    deliver(&format!("{answer}{behind}"), 0)
}
