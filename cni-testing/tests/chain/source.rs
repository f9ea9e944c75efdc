//! Where a chain's configuration comes from.

use std::fs;
use std::path::Path;

use cni_testing::{Chain, ChainFailure, json};

fn types(chain: &Chain<'_>) -> Vec<String> {
    chain.list().plugins().iter().map(|plugin| plugin.plugin_type().to_string()).collect()
}

fn write(path: &Path, text: impl ToString) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text.to_string()).unwrap();
}

#[test]
fn plugins_in_the_folder_of_the_networks_name_come_after_those_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let conflist = folder.path().join("10-lan.conflist");
    let lan = json!({"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]});
    write(&conflist, &lan);
    assert_eq!(types(&Chain::load(&conflist).unwrap()), ["first"]);

    write(&folder.path().join("lan/20-b.conf"), json!({"type": "third"}));
    write(&folder.path().join("lan/10-a.conf"), json!({"type": "second"}));
    write(&folder.path().join("lan/30-c.json"), json!({"type": "not-of-it"}));
    write(&folder.path().join("wan/10-a.conf"), json!({"type": "another-networks"}));
    assert_eq!(types(&Chain::load(&conflist).unwrap()), ["first", "second", "third"]);

    let mut alone = lan;
    alone["loadOnlyInlinedPlugins"] = true.into();
    write(&conflist, &alone);
    assert_eq!(types(&Chain::load(&conflist).unwrap()), ["first"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("lan.conflist");
    let error = Chain::load(&missing).err().unwrap();
    assert!(matches!(error.failure, ChainFailure::Unreadable { .. }));
    assert_eq!(error.to_string(), format!("{}: No such file or directory (os error 2)", missing.display()));

    write(&missing, json!({"name": "lan", "plugins": [{"type": "first"}]}));
    let inside = folder.path().join("lan/10-a.conf");
    fs::create_dir_all(&inside).unwrap();
    let error = Chain::load(&missing).err().unwrap();
    assert_eq!(error.to_string(), format!("{}: Is a directory (os error 21)", inside.display()));

    fs::remove_dir(&inside).unwrap();
    write(&inside, "{}");
    assert!(Chain::load(&missing).err().unwrap().to_string().starts_with("plugins[1]: "));
}
