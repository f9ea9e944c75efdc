//! Inside a crate modules use each other one way: in the order that its lib.rs states, and never in a circle.

mod made_up;
mod order;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use order::{faults, states_order};

/// Plugins that are to be rewritten on the kit, and have circles until then.
const WITH_CIRCLES: [&str; 2] = ["bridge", "portmap"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

#[track_caller]
fn assert_in_order(root: &Path) {
    let faults = faults(root);
    assert!(faults.is_empty(), "{}:\n{}", root.display(), faults.join("\n"));
}

#[test]
fn the_crates_use_their_modules_in_the_order_that_they_state() {
    for root in [
        "cni-types/src/lib.rs",
        "cni-skel/src/lib.rs",
        "cni-testing/src/lib.rs",
        "cni-testing/src/bin/cnitest/main.rs",
    ] {
        let root = workspace().join(root);
        assert!(states_order(&root), "{} states no order", root.display());
        assert_in_order(&root);
    }
}

#[test]
fn the_modules_of_a_plugin_form_no_circle() {
    let plugins = fs::read_dir(workspace().join("examples")).expect("there are plugins");
    let plugins = plugins.map(|plugin| plugin.expect("the folder can be read").path());
    let plugins = plugins.filter(|plugin| !WITH_CIRCLES.iter().any(|name| plugin.ends_with(name)));
    let roots = plugins.flat_map(|plugin| ["src/lib.rs", "src/main.rs"].map(|root| plugin.join(root)));
    let roots: Vec<_> = roots.filter(|root| root.is_file()).collect();
    assert!(roots.len() > 4, "{roots:?}");
    roots.iter().for_each(|root| assert_in_order(root));
}
