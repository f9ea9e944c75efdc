//! The variables of a call.

use crate::has;
use crate::input::Call;
use crate::reply::Reply;

/// Returns the value of a variable, or `None` if it is empty or not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    if value.is_empty() && !(has("env/empty-is-missing") && name != "CNI_ARGS") { None } else { Some(value) }
}

/// Reads the variables that a command requires.
pub(crate) fn read(command: &str) -> Result<Call, Reply> {
    let required: &[&str] = match command {
        "ADD" | "CHECK" => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
        "DEL" => &["CNI_CONTAINERID", "CNI_IFNAME"],
        "GC" | "STATUS" => &[],
        _ => return Err(unknown(command)),
    };
    let missing: Vec<_> = required.iter().copied().filter(|name| variable(name).is_none()).collect();
    if !missing.is_empty() {
        let code = if has("env/missing-variable") { 100 } else { 4 };
        let named = match () {
            () if has("env/missing-variable-named") => "a variable".to_owned(),
            () if has("env/missing-all-named") => missing[0].to_owned(),
            () => missing.join(", "),
        };
        return Err(Reply::new(code, format!("{named} missing")));
    }
    let call = Call {
        command: command.to_owned(),
        id: variable("CNI_CONTAINERID").unwrap_or_default(),
        netns: variable("CNI_NETNS"),
        ifname: variable("CNI_IFNAME").unwrap_or_default(),
        ..Call::default()
    };
    if !required.is_empty() {
        check_id(&call.id)?;
        check_ifname(&call.ifname)?;
    }
    if has("env/noise") && std::env::var_os("TRACEPARENT").is_some() {
        return Err(Reply::new(4, "TRACEPARENT is malformed"));
    }
    if has("env/no-cni-path") && command == "ADD" && variable("CNI_PATH").is_none() {
        return Err(Reply::new(4, "CNI_PATH missing"));
    }
    if has("env/bare") && std::env::var_os("PATH").is_none() {
        return Err(Reply::new(100, "PATH is missing"));
    }
    let args = variable("CNI_ARGS").unwrap_or_default();
    if has("env/args-ignore-unknown") && args.contains("K8S_") {
        return Err(Reply::new(4, "CNI_ARGS has an unknown key"));
    }
    if has("env/args-malformed") {
        args.split(';')
            .filter(|pair| !pair.is_empty())
            .for_each(|pair| assert_eq!(pair.matches('=').count(), 1));
    }
    if has("status/without-result") && command == "STATUS" && std::env::var_os("CNI_CONTAINERID").is_none() {
        return Err(Reply::new(50, "no container"));
    }
    Ok(call)
}

fn unknown(command: &str) -> Reply {
    if has("env/unknown-command-without-input") {
        use std::io::Read;
        let mut text = String::new();
        let _ = std::io::stdin().read_to_string(&mut text);
        if text.is_empty() {
            return Reply::raw("", 0);
        }
    }
    let code = match () {
        () if has("env/unknown-command") => 100,
        () if has("error/known-codes") => 42,
        () => 4,
    };
    Reply::new(code, format!("unknown CNI_COMMAND: {command}"))
}

fn is_name(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric();
    text.starts_with(plain) && text.chars().all(|letter| plain(letter) || "_.-".contains(letter))
}

pub(crate) fn check_name(name: &str) -> Result<(), Reply> {
    if is_name(name) {
        return Ok(());
    }
    let code = if has("input/bad-name") { 100 } else { 7 };
    let shown = if has("input/bad-name-shown") { "" } else { name };
    Err(Reply::new(code, format!("bad network name {shown}")))
}

fn check_id(id: &str) -> Result<(), Reply> {
    if is_name(id) && !(has("env/good-container-ids") && id.len() > 32) {
        return Ok(());
    }
    let code = if has("env/bad-container-id") { 100 } else { 4 };
    let named = if has("env/bad-container-id-named") { "the id" } else { "CNI_CONTAINERID" };
    Err(Reply::new(code, format!("{named} is not valid")))
}

fn check_ifname(ifname: &str) -> Result<(), Reply> {
    let longest = if has("env/longest-ifname") { 14 } else { 15 };
    let is_bad = |letter: char| letter == '/' || letter == ':' || letter.is_whitespace();
    if !(ifname.is_empty()
        || ifname.len() > longest
        || ifname == "."
        || ifname == ".."
        || ifname.contains(is_bad))
    {
        return Ok(());
    }
    let code = if has("env/bad-ifname") { 100 } else { 4 };
    let named = if has("env/bad-ifname-named") { "the name" } else { "CNI_IFNAME" };
    Err(Reply::new(code, format!("{named} is not valid")))
}
