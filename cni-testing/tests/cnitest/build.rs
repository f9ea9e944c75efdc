//! `--build`.

use crate::program::{Folder, cnitest, data};

#[test]
fn plugins_of_the_workspace_are_built_and_used() {
    let ran = cnitest(&["run", "--json", "--build", "--path", "/nowhere", &data("bridge.conflist")]).with(0);
    let first = &ran.events_of("network")[0]["path"][0];
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_cnitest")).parent().unwrap();
    assert_eq!(first.as_str().unwrap(), folder.to_str().unwrap());
}

#[test]
fn where_there_is_nothing_to_build_that_is_said() {
    let nothing = cnitest(&["run", "--build", &data("unknown.conflist")]).with(2);
    assert!(nothing.stderr.contains("is vrf or tuning"), "{}", nothing.stderr);
    let folder = Folder::new(r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#);
    let no_workspace = folder.run(&["--build"]).with(2);
    assert!(no_workspace.stderr.contains("could not find `Cargo.toml`"), "{}", no_workspace.stderr);
}
