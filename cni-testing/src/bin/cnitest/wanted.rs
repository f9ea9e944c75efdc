//! The plugins, links and folders that a configuration names.

use std::collections::BTreeSet;

use cni_testing::types::PluginName;
use serde_json::Value;

/// The plugins that those of the list call.
pub(crate) fn delegates(json: &Value) -> Vec<PluginName> {
    let mut names = BTreeSet::new();
    for key in ["ipam", "delegate"] {
        visit(json, key, &mut |value| {
            let name = value["type"].as_str().and_then(|name| PluginName::try_from(name).ok());
            names.extend(name);
        });
    }
    names.into_iter().collect()
}

/// The texts of a key, at any depth.
pub(crate) fn at(json: &Value, key: &str) -> Vec<String> {
    let mut texts = BTreeSet::new();
    visit(json, key, &mut |value| {
        texts.extend(value.as_str().filter(|text| !text.is_empty()).map(str::to_owned));
    });
    texts.into_iter().collect()
}

fn visit(json: &Value, key: &str, take: &mut dyn FnMut(&Value)) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                if name == key {
                    take(value);
                }
                visit(value, key, take);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| visit(element, key, take)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_at_any_depth() {
        let json = serde_json::json!({"plugins": [
            {"type": "flannel", "delegate": {"type": "bridge", "ipam": {"type": "host-local", "dataDir": "/a"}}},
            {"type": "macvlan", "master": "eth1", "ipam": {"type": "../x", "dataDir": ""}, "dataDir": 5},
        ]});
        let names: Vec<_> = delegates(&json).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["bridge", "host-local"]);
        assert_eq!(at(&json, "dataDir"), ["/a"]);
        assert_eq!(at(&json, "master"), ["eth1"]);
    }
}
