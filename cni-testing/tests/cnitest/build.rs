//! `--build`.

use std::fs;
use std::path::Path;

use crate::program::{CNITEST, Folder, cnitest, data};

#[test]
fn plugins_of_the_workspace_are_built_and_used() {
    // Without dependencies: there may be no network here.
    let folder = Folder::new(r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "small"}]}"#);
    fs::write(folder.path("Cargo.toml"), "[package]\nname = \"small\"\nedition = \"2024\"\n").unwrap();
    fs::create_dir(folder.path("src")).unwrap();
    let program = r#"fn main() {
        if std::env::var("CNI_COMMAND").as_deref() == Ok("ADD") {
            print!("{{\"cniVersion\": \"1.1.0\"}}");
        }
    }"#;
    fs::write(folder.path("src/main.rs"), program).unwrap();
    let ran = cnitest(&["run", "--json", "--build", "--path", "/nowhere", &folder.conflist()]).with(0);
    let profile = Path::new(CNITEST).parent().and_then(Path::file_name).unwrap();
    let built = folder.path("target").join(profile).canonicalize().unwrap();
    assert_eq!(ran.events_of("network")[0]["path"][0], built.to_str().unwrap());
    assert_eq!(ran.calls()[0], "STATUS small");
}

#[test]
fn where_there_is_nothing_to_build_that_is_said() {
    let nothing = cnitest(&["run", "--build", &data("unknown.conflist")]).with(2);
    assert!(nothing.stderr.contains("is vrf or tuning"), "{}", nothing.stderr);
    let folder = Folder::new(r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#);
    let no_workspace = folder.run(&["--build"]).with(2);
    assert!(no_workspace.stderr.contains("could not find `Cargo.toml`"), "{}", no_workspace.stderr);
}
