//! The program without privileges.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{CNITEST, Ran, run};

/// Runs the program as nobody if this is root, as this user otherwise. What it needs is copied to where anybody may
/// read it.
pub(crate) fn as_an_ordinary_user(conflist: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(folder.path());
    let copy = |from: &str| {
        let to = folder.path().join(Path::new(from).file_name().unwrap());
        fs::copy(from, &to).unwrap();
        open(&to);
        to.display().to_string()
    };
    let (program, conflist) = (copy(CNITEST), copy(conflist));
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "FILE" { &conflist } else { *word }).collect();
    if !nix::unistd::geteuid().is_root() {
        return run(&program, arguments);
    }
    let becomes: &[&str] = if is_mapped(65534) {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", &program]
    } else {
        // Root of an ordinary user's own namespace, where there is nobody else. One further down there is.
        &["unshare", "--user", "--map-user=65534", "--map-group=65534", &program]
    };
    run(becomes[0], becomes[1..].iter().copied().chain(arguments))
}

/// Whether there is such a user in this user namespace.
fn is_mapped(user: u64) -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        (numbers[0]..numbers[0] + numbers[2]).contains(&user)
    })
}
