//! The same without privileges.

use crate::program::{CNITEST, Folder, run};
use crate::user::as_an_ordinary_user;

/// A network of which nothing is left.
fn network() -> Folder {
    let conflist = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#;
    Folder::new(conflist).plugin("first", "[ $CNI_COMMAND != ADD ] || [ $(id -u) = 0 ] && echo '{}'")
}

#[test]
fn an_ordinary_user_runs_a_network_as_root_of_a_namespace() {
    let folder = network();
    let path = folder.path("").display().to_string();
    let ran = as_an_ordinary_user(&folder.conflist(), &["run", "--json", "--path", &path, "FILE"]).with(0);
    assert_eq!(ran.calls()[1..4], ["ADD first c0", "DEL first c0", "ADD first c1"]);
    assert_eq!(ran.events_of("left")[0]["leaked"], serde_json::json!([]));
}

#[test]
fn where_the_kernel_allows_no_namespaces_that_is_said() {
    // In a user namespace whose users may make no further one, and without privileges in it.
    let folder = network();
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \
         --securebits=+noroot,+noroot_locked {CNITEST} run --path {} {}",
        folder.path("").display(),
        folder.conflist()
    );
    let ran = run("unshare", ["-Ur", "/bin/sh", "-c", &script]).with(2);
    assert!(ran.stderr.starts_with("cnitest: the kernel allows no namespaces: "), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}
