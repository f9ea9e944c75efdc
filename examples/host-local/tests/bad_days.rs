//! File systems that are full, read-only or not ours: what is held stays held, and what can be done is done.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{OURS, config};

/// Plugin calls and whatever else a shell does, on a file system of its own that goes with it. `$DIR` is where that is;
/// `call COMMAND CONTAINER` prints a line with the exit code and the answer, and so do `check CONTAINER ADDRESS` and
/// `gc CONTAINER`; `say` prints whatever it is given.
#[track_caller]
fn session(options: &str, script: &str) -> Vec<(String, Value)> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/16" }]]));
    config["cniVersion"] = json!("1.1.0");
    let prelude = r#"
        set -eu
        mount -t tmpfs -o "$OPTIONS" none "$DIR"
        call() {
            if answer=$(printf %s "$CONFIG" | CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_IFNAME=eth0 \
                CNI_NETNS=/proc/self/ns/net CNI_NETNS_OVERRIDE=1 CNI_PATH=/nonexistent $WRAP "$PLUGIN")
            then say "$1 $2: 0" "${answer:-null}"; else say "$1 $2: $?" "${answer:-null}"; fi
        }
        check() {
            whole=$CONFIG
            CONFIG=$(printf %s "$CONFIG" |
                sed 's/^{/{"prevResult":{"cniVersion":"1.1.0","ips":[{"address":"'"$2"'\/16"}]},/')
            call CHECK "$1"
            CONFIG=$whole
        }
        # With one valid attachment.
        gc() {
            whole=$CONFIG
            CONFIG=$(printf %s "$CONFIG" |
                sed 's/^{/{"cni.dev\/valid-attachments":[{"containerID":"'"$1"'","ifname":"eth0"}],/')
            call GC "$1"
            CONFIG=$whole
        }
        say() { printf '%s\t' "$1"; printf %s "$2" | tr -d '\n'; echo; }
        names() { say names "\"$(ls -A "$DIR/net" | tr '\n' ' ')\""; }
        WRAP=
    "#;
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &format!("{prelude}{script}")])
        .env("DIR", dir.path())
        .env("OPTIONS", options)
        .env("CONFIG", config.to_string())
        .env("PLUGIN", OURS)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let parse = |line: &str| {
        let (said, json) = line.split_once('\t').unwrap();
        (said.to_owned(), serde_json::from_str(json).unwrap_or_else(|why| panic!("{why}: {line}")))
    };
    stdout.lines().map(parse).collect()
}

/// Asserts what was said, and for each failed call its code and a part of its message.
#[track_caller]
fn assert_said(said: &[(String, Value)], expected: &[(&str, Value)]) {
    for ((said, json), (words, what)) in said.iter().zip(expected) {
        assert_eq!(said, words, "{json}");
        match what {
            Value::Array(failure) => {
                assert_eq!(json["code"], failure[0], "{said}: {json}");
                let all = format!("{} {}", json["msg"], json["details"]);
                assert!(all.contains(failure[1].as_str().unwrap()), "{said}: {json}");
            }
            Value::Null => {}
            what => assert_eq!(json, what, "{said}"),
        }
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}

#[test]
fn a_disk_without_room_for_a_file_gives_no_address_and_takes_one_back() {
    let script = r#"
        call ADD a
        n=0; while (: > "$DIR/fill$n") 2>/dev/null; do n=$((n+1)); done
        call ADD b
        names
        call STATUS a
        check a 10.1.0.2
        check b 10.1.0.3
        gc a
        names
        call DEL a
        names
        call STATUS a
        call ADD b
        names
    "#;
    assert_said(
        &session("size=1m,nr_inodes=40", script),
        &[
            ("ADD a: 0", Value::Null),
            ("ADD b: 1", json!([5, "No space left"])),
            ("names", json!("10.1.0.2 last_reserved_ip.0 lock ")),
            ("STATUS a: 1", json!([50, "No space left"])),
            ("CHECK a: 0", Value::Null),
            ("CHECK b: 1", json!([999, "10.1.0.3 is not reserved"])),
            ("GC a: 0", Value::Null),
            ("names", json!("10.1.0.2 last_reserved_ip.0 lock ")),
            ("DEL a: 0", Value::Null),
            ("names", json!("last_reserved_ip.0 lock ")),
            ("STATUS a: 0", Value::Null),
            ("ADD b: 0", Value::Null),
            ("names", json!("10.1.0.3 last_reserved_ip.0 lock ")),
        ],
    );
}

#[test]
fn a_disk_without_room_for_an_index_is_done_without() {
    let script = r#"
        mkdir "$DIR/net"
        n=2; while [ $n -lt 102 ]; do printf 'x%d\r\neth0' $n > "$DIR/net/10.1.0.$n"; n=$((n+1)); done
        call ADD a
        say index "\"$(ls -A "$DIR" | tr '\n' ' ')\""
        cat /dev/zero > "$DIR/fill" 2>/dev/null || true
        call ADD b
        call STATUS b
        call DEL a
        call DEL x50
        rm "$DIR/.net.index"
        cat /dev/zero >> "$DIR/fill" 2>/dev/null || true
        call DEL x51
        call ADD b
        say index "\"$(ls -A "$DIR" | tr '\n' ' ')\""
        say gone "\"$(ls "$DIR/net/10.1.0.50" "$DIR/net/10.1.0.51" "$DIR/net/10.1.0.102" 2>/dev/null)\""
        rm "$DIR/fill"
        call ADD c
        say index "\"$(ls -A "$DIR" | tr '\n' ' ')\""
        cat /dev/zero > "$DIR/fill" 2>/dev/null || true
        gc x52
        say left "\"$(for file in "$DIR"/net/10*; do head -n 1 "$file" | tr -d '\r\n'; echo; done | sort | tr '\n' ' ')\""
    "#;
    assert_said(
        &session("size=700k", script),
        &[
            ("ADD a: 0", Value::Null),
            ("index", json!(".net.index net ")),
            ("ADD b: 1", json!([5, "No space left"])),
            ("STATUS b: 1", json!([50, "No space left"])),
            ("DEL a: 0", Value::Null),
            ("DEL x50: 0", Value::Null),
            ("DEL x51: 0", Value::Null),
            ("ADD b: 0", Value::Null),
            ("index", json!("fill net ")),
            ("gone", json!("")),
            ("ADD c: 0", Value::Null),
            ("index", json!(".net.index net ")),
            ("GC x52: 0", Value::Null),
            ("left", json!("x52 ")),
        ],
    );
}

#[test]
fn on_a_read_only_disk_what_is_held_stays_held_and_can_be_looked_at() {
    let script = r#"
        call ADD a
        mount -o remount,bind,ro "$DIR"
        call ADD b
        call DEL a
        call DEL nobody
        check a 10.1.0.2
        gc nobody
        gc a
        call STATUS a
        names
    "#;
    assert_said(
        &session("size=1m", script),
        &[
            ("ADD a: 0", Value::Null),
            ("ADD b: 1", json!([5, "Read-only file system"])),
            ("DEL a: 1", json!([5, "Read-only file system"])),
            ("DEL nobody: 0", Value::Null),
            ("CHECK a: 0", Value::Null),
            ("GC nobody: 1", json!([5, "Read-only file system"])),
            ("GC a: 0", Value::Null),
            ("STATUS a: 1", json!([50, "cannot write to"])),
            ("names", json!("10.1.0.2 last_reserved_ip.0 lock ")),
        ],
    );
}

#[test]
fn a_folder_that_is_not_ours_to_write_is_named() {
    // Root may write everywhere, unless it gives up the right to.
    let script = r#"
        call ADD a
        chmod 0555 "$DIR/net" "$DIR"
        WRAP="setpriv --bounding-set=-all --inh-caps=-all"
        call ADD b
        call DEL a
        check a 10.1.0.2
        gc nobody
        call STATUS a
        chmod 0000 "$DIR/net"
        call ADD b
        call DEL a
        check a 10.1.0.2
        gc nobody
        call STATUS a
        chmod 0755 "$DIR/net"
        names
        call DEL a
        names
    "#;
    assert_said(
        &session("size=1m", script),
        &[
            ("ADD a: 0", Value::Null),
            ("ADD b: 1", json!([5, "/net"])),
            ("DEL a: 1", json!([5, "cannot remove"])),
            ("CHECK a: 0", Value::Null),
            ("GC nobody: 1", json!([5, "cannot remove"])),
            ("STATUS a: 1", json!([50, "cannot write to"])),
            ("ADD b: 1", json!([5, "/net"])),
            ("DEL a: 1", json!([5, "cannot lock"])),
            ("CHECK a: 1", json!([5, "cannot read"])),
            ("GC nobody: 1", json!([5, "cannot lock"])),
            ("STATUS a: 1", json!([50, "cannot write to"])),
            ("names", json!("10.1.0.2 last_reserved_ip.0 lock ")),
            ("DEL a: 0", Value::Null),
            ("names", json!("last_reserved_ip.0 lock ")),
        ],
    );
}

#[test]
fn a_folder_that_a_link_leads_to_is_the_network_s() {
    let script = r#"
        mkdir "$DIR/elsewhere"
        ln -s elsewhere "$DIR/net"
        n=2; while [ $n -lt 102 ]; do printf 'x%d\r\neth0' $n > "$DIR/net/10.1.0.$n"; n=$((n+1)); done
        call ADD a
        call ADD b
        call DEL a
        call DEL x7
        mkdir "$DIR/third"
        ln -sfn third "$DIR/net"
        call ADD c
        names
        say link "\"$(readlink "$DIR/net")\""
        say lock "\"$(ln -sf "$DIR/made-by-us" "$DIR/net/lock")\""
        call ADD d
        say made "\"$(ls "$DIR" | tr '\n' ' ')\""
    "#;
    assert_said(
        &session("size=1m", script),
        &[
            ("ADD a: 0", Value::Null),
            ("ADD b: 0", Value::Null),
            ("DEL a: 0", Value::Null),
            ("DEL x7: 0", Value::Null),
            ("ADD c: 0", Value::Null),
            ("names", json!("10.1.0.2 last_reserved_ip.0 lock ")),
            ("link", json!("third")),
            ("lock", Value::Null),
            // A link in the place of the lock would have files made elsewhere.
            ("ADD d: 1", json!([5, "cannot lock"])),
            ("made", json!("elsewhere net third ")),
        ],
    );
}
