//! Plugins that leave something behind, and networks that do not carry what they should.

use crate::program::Folder;

const LAN: &str = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#;

/// A network whose plugin does this, and answers ADD with nothing.
fn network(shell: &str) -> Folder {
    Folder::new(LAN).plugin("first", &format!("{shell}\n[ $CNI_COMMAND != ADD ] || echo '{{}}'"))
}

#[track_caller]
fn leaked(folder: &Folder) -> Vec<String> {
    let ran = folder.run(&["--json"]).with(1);
    let leaked = ran.events_of("left")[0]["leaked"].as_array().unwrap().clone();
    leaked.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_link_that_stays_for_each_container_is_a_leak() {
    let folder = network("[ $CNI_COMMAND != ADD ] || ip link add left-$CNI_CONTAINERID type bridge");
    assert_eq!(leaked(&folder), ["bridge left-c1 (down, mtu 1500)", "bridge left-c2 (down, mtu 1500)"]);
}

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
fn what_stays_inside_a_container_is_a_leak_even_of_the_first() {
    let folder = network("[ $CNI_COMMAND != ADD ] || nsenter --net=$CNI_NETNS ip link add left type bridge");
    let item = |id| format!("{id}: bridge left (down, mtu 1500)");
    assert_eq!(leaked(&folder), [item("c0"), item("c1"), item("c2")]);
}

#[test]
fn what_a_plugin_takes_from_the_host_is_missed() {
    let folder = network("ip link set lo down");
    let ran = folder.run(&["--json"]).with(1);
    let missing = ran.events_of("left")[0]["missing"].clone();
    assert_eq!(missing, serde_json::json!(["link lo (up, mtu 65536, mac 00:00:00:00:00:00)"]));
}

/// A network whose plugin takes a device into the container, and does this when it is to give it back.
fn taking(device: &str, give_back: &str) -> Folder {
    let conflist = format!(
        r#"{{"cniVersion": "1.1.0", "name": "lan", "plugins": [{{"type": "first", "device": "{device}"}}]}}"#
    );
    let shell = format!(
        "inside() {{ nsenter --net=$CNI_NETNS ip link \"$@\"; }}
         case $CNI_COMMAND in
         ADD) mkdir -p /run/netns; touch /run/netns/host; mount --bind /proc/self/ns/net /run/netns/host
              ip link set dev0 netns $CNI_NETNS name eth0 && inside set eth0 up && echo '{{}}';;
         DEL) ! inside show eth0 >/dev/null 2>&1 || {{ {give_back}; }}
              ! umount /run/netns/host 2>/dev/null || rm /run/netns/host;;
         esac"
    );
    Folder::new(&conflist).plugin("first", &shell)
}

const GIVEN_BACK: &str = "inside set eth0 down && inside set eth0 netns host name dev0";

#[test]
fn a_device_can_be_taken_by_one_container_at_a_time_and_is_all_there_again_in_the_end() {
    let folder = taking("dev0", GIVEN_BACK);
    let ran = folder.run(&["--json"]).with(0);
    let order =
        ["ADD first c0", "DEL first c0", "ADD first c1", "CHECK first c1", "DEL first c1", "DEL first c1"];
    let calls: Vec<_> = ran.calls().into_iter().filter(|call| call.contains(" c")).collect();
    assert_eq!(calls, order);
    assert_eq!(ran.events_of("left")[0]["kept"], serde_json::json!([]));
    // Whoever wants two gets what two get.
    let ran = folder.run(&["--json", "--containers", "2"]).with(1);
    assert!(ran.events_of("call").iter().any(|call| call["container"] == "c2" && call["error"].is_string()));
}

#[test]
fn a_device_that_is_not_given_back_is_missed() {
    let ran = taking("dev0", "inside del eth0").run(&["--json"]).with(1);
    let missing = ran.events_of("left")[0]["missing"].clone();
    assert!(missing[0].as_str().unwrap().starts_with("veth dev0 (down, "), "{missing}");
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
