//! The same without privileges.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{CNITEST, Ran, data, reference, run};

/// Runs the program as nobody if this is root, as this user otherwise. What it needs is copied to where anybody may
/// read it.
fn as_an_ordinary_user(arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(folder.path());
    let copy = |from: &str| {
        let to = folder.path().join(Path::new(from).file_name().unwrap());
        fs::copy(from, &to).unwrap();
        open(&to);
        to.display().to_string()
    };
    let (program, conflist) = (copy(CNITEST), copy(&data("bridge.conflist")));
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "FILE" { &conflist } else { *word }).collect();
    if !nix::unistd::geteuid().is_root() {
        return run(&program, arguments);
    }
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", &program];
    run("setpriv", nobody.into_iter().chain(arguments))
}

#[test]
fn an_ordinary_user_runs_a_network() {
    let ran = as_an_ordinary_user(&["run", "--json", "--path", reference(), "FILE"]).with(0);
    assert_eq!(ran.events_of("exchange").len(), 8);
    assert_eq!(ran.events_of("left")[0]["leaked"], serde_json::json!([]));
}

#[test]
fn where_the_kernel_allows_no_namespaces_that_is_said() {
    // In a user namespace whose users may make no further one, and without privileges in it.
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \
         --securebits=+noroot,+noroot_locked {CNITEST} run --path {} {}",
        reference(),
        data("bridge.conflist")
    );
    let ran = run("unshare", ["-Ur", "/bin/sh", "-c", &script]).with(2);
    assert!(ran.stderr.starts_with("cnitest: the kernel allows no namespaces: "), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}
