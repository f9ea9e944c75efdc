//! Plugins that leave something behind, and networks that do not carry what they should.

use crate::program::{Folder, LAN, leaked, network};

#[test]
fn a_file_that_stays_for_each_container_is_a_leak() {
    let folder = network(
        "[ $CNI_COMMAND != ADD ] || { mkdir -p /var/lib/cni/x /run/cni/y && \
         touch /var/lib/cni/x/$CNI_CONTAINERID /run/cni/y/same; }",
    );
    assert_eq!(leaked(&folder), ["file /var/lib/cni/x/c1", "file /var/lib/cni/x/c2"]);
    let kept = folder.run(&["--json"]).events_of("left")[0]["kept"].clone();
    assert_eq!(kept, serde_json::json!(["file /run/cni/y/same", "file /var/lib/cni/x/c0"]));
}

#[test]
fn what_is_no_name_of_a_device_and_hardware_are_not_made() {
    let notes = |folder: &Folder, options: &[&str]| -> Vec<String> {
        let ran = folder.run(&[&["--json"], options].concat()).with(0);
        let notes = ran.events_of("note").into_iter();
        notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
    };
    let nothing = "echo '{}'";
    let conflist = |key: &str| {
        format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "plugins": [{{"type": "first", {key}}}]}}"#)
    };
    let folder = Folder::new(&conflist(r#""device": "a/b""#)).plugin("first", nothing);
    assert!(notes(&folder, &[]).iter().all(|note| !note.contains("a/b")));
    let told = "the host has no device 0000:04:00.5: hardware cannot be simulated, and the machine's is not visible here";
    let folder = Folder::new(&conflist(r#""pciBusID": "0000:04:00.5""#)).plugin("first", nothing);
    assert_eq!(notes(&folder, &[])[0], told);
    let folder = Folder::new(&conflist(r#""capabilities": {"deviceID": true}"#)).plugin("first", nothing);
    assert_eq!(notes(&folder, &["--capability", r#"deviceID="0000:04:00.5""#])[0], told);
}

#[test]
fn gc_that_takes_away_what_is_in_use_is_a_failure() {
    let folder = network(
        "case $CNI_COMMAND in ADD) mkdir -p /run/cni; touch /run/cni/$CNI_CONTAINERID;; \
         DEL) rm -f /run/cni/$CNI_CONTAINERID;; GC) rm -f /run/cni/c1;; esac",
    );
    let ran = folder.run(&["--json"]).with(1);
    assert_eq!(ran.events_of("failure")[0]["text"], "GC removed file /run/cni/c1");
}

#[test]
fn addresses_that_carry_nothing_are_a_failure() {
    let folder = Folder::new(LAN).plugin(
        "first",
        r#"[ $CNI_COMMAND != ADD ] || echo '{"ips": [{"address": "10.9.0.'${CNI_CONTAINERID#c}'/24"}]}'"#,
    );
    let ran = folder.run(&[]).with(1);
    assert!(ran.stdout.contains("TCP     c1 10.9.0.1 -> c2 10.9.0.2  FAILED"), "{}", ran.stdout);
}

#[test]
fn two_containers_with_the_same_address_are_a_failure() {
    let result = r#"[ $CNI_COMMAND != ADD ] || echo '{"ips": [{"address": "10.9.0.1/24"}]}'"#;
    let ran = Folder::new(LAN).plugin("first", result).run(&[]).with(1);
    assert!(ran.stdout.contains("FAILED both have the same address"), "{}", ran.stdout);
}

#[test]
fn a_plugin_gets_args_capabilities_and_interface_of_the_command_line() {
    let conflist = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [
        {"type": "first", "capabilities": {"mac": true}}
    ]}"#;
    let shell = "echo $CNI_COMMAND $CNI_IFNAME $CNI_ARGS >>log; cat >>log; echo >>log; echo '{}'";
    let folder = Folder::new(conflist).plugin("first", shell);
    let options = ["--args", "A=b", "--ifname", "net0", "--capability", r#"mac="0a:58:0a:01:00:02""#];
    folder.run(&options).with(0);
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    assert!(log.contains("ADD net0 A=b\n"), "{log}");
    assert!(log.contains(r#""runtimeConfig":{"mac":"0a:58:0a:01:00:02"}"#), "{log}");
}

#[test]
fn a_folder_of_state_that_the_configuration_names_is_an_empty_one() {
    let state = Folder::new("");
    let folder = Folder::new(&format!(
        r#"{{"cniVersion": "1.1.0", "name": "lan", "plugins": [{{"type": "first", "ipam": {{"dataDir": "{0}"}}}}]}}"#,
        state.path("").display()
    ));
    let shell =
        format!("touch {0}/made; [ ! -e {0}/lan.conflist ] || exit 1; echo '{{}}'", state.path("").display());
    folder.plugin("first", &shell).run(&[]).with(0);
    assert!(state.path("lan.conflist").exists() && !state.path("made").exists());
}

#[test]
fn plugins_beside_the_folders_of_state_stay_where_they_are() {
    // The folder of state is not there: the one above it is replaced, and the plugins lie in that.
    let folder = Folder::new("");
    let conflist = format!(
        r#"{{"cniVersion": "1.1.0", "name": "lan", "plugins": [{{"type": "first", "dataDir": "{}/a/b"}}]}}"#,
        folder.path("").display()
    );
    std::fs::write(folder.path("lan.conflist"), conflist).unwrap();
    std::os::unix::fs::symlink("lan.conflist", folder.path("link")).unwrap();
    let folder = folder.plugin("first", "touch a/b/made && [ -f link ] || exit 1; echo '{}'");
    folder.run(&[]).with(0);
    assert!(!folder.path("a").exists());
}

/// A plugin that passes each call on to `second`, the way plugins call their IPAM plugin.
fn delegating(second: &str) -> Folder {
    let conflist = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [
        {"type": "first", "ipam": {"type": "second"}}
    ]}"#;
    let find = r#"IFS=:; for f in $CNI_PATH; do [ ! -f "$f/second" ] || exec "$f/second"; done; exit 99"#;
    Folder::new(conflist).plugin("first", find).plugin("second", second)
}

#[test]
fn a_delegate_is_shown_below_its_plugin_and_gets_and_gives_all_unchanged() {
    let folder = delegating(
        r#"cat >stdin; env >env; echo from stderr >&2; printf '{"ips": [ {"address": "10.1.0.2/16"} ]}\n\n'"#,
    );
    let ran = folder.run(&["--json", "--containers", "1"]).with(0);
    let added = ran.events_of("call").into_iter().rfind(|call| call["command"] == "ADD").unwrap();
    assert_eq!(added["delegates"][0]["plugin"], "second");
    assert_eq!(added["delegates"][0]["result"], added["result"]);
    assert_eq!(added["stderr"], "from stderr\n");
    let stdin = std::fs::read_to_string(folder.path("stdin")).unwrap();
    assert!(stdin.contains(r#""ipam":{"type": "second"}"#), "{stdin}");
    let env = std::fs::read_to_string(folder.path("env")).unwrap();
    let path = format!("CNI_PATH={}", folder.path("").display());
    assert!(env.lines().any(|line| line == path.trim_end_matches('/')), "{env}");
    assert!(env.contains("CNI_IFNAME=eth0\n"), "{env}");
}

#[test]
fn the_failure_of_a_delegate_is_shown_and_passed_on() {
    let folder = delegating(r#"echo '{"code": 11, "msg": "no addresses left"}'; exit 7"#);
    let ran = folder.run(&["--json"]).with(1);
    let call = &ran.events_of("call")[0];
    assert_eq!((&call["exitCode"], &call["delegates"][0]["exitCode"]), (&7.into(), &7.into()));
    assert_eq!(call["error"], "code 11, no addresses left");
    assert_eq!(call["delegates"][0]["error"], "code 11, no addresses left");
}
