//! What holds for any value and any input, with the strategies that authors get.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod call;
mod config;
mod conventions;
mod documents;
mod result;

/// What is no value that an author makes: why something did not parse, and a part of what has a strategy.
const WITHOUT: [&str; 2] = ["Loss", "PluginEntry"];

#[test]
fn every_public_type_of_the_vocabulary_has_a_strategy() {
    let read =
        |file: &str| std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let exports = |source: &str| -> Vec<String> {
        let statements = source.split(';').filter_map(|text| text.split_once("pub use "));
        let names = statements.flat_map(|(_, names)| names.split([':', '{', '}', ',', ' ', '\n']));
        names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
    };
    let strategies = exports(&read("src/strategies/mod.rs"));
    let types: Vec<_> = exports(&read("../cni-types/src/lib.rs"))
        .into_iter()
        .filter(|name| name.starts_with(char::is_uppercase) && !WITHOUT.contains(&name.as_str()))
        .filter(|name| !["Invalid", "Unknown"].iter().any(|failure| name.starts_with(failure)))
        .filter(|name| !name.ends_with("Error"))
        .collect();
    assert!(types.len() > 30, "{types:?}");
    for name in types {
        let mut strategy = String::new();
        for (n, character) in name.chars().enumerate() {
            if n > 0 && character.is_uppercase() {
                strategy.push('_');
            }
            strategy.push(character.to_ascii_lowercase());
        }
        let strategy = strategy.replace("if_name", "ifname");
        assert!(strategies.contains(&strategy), "no strategy {strategy} in {strategies:?}");
    }
}
