//! The schema has every key that this plugin decodes.

use cni_skel::Plugin;
use cni_testing::assert_schema_has_keys;
use serde_json::Value;

use crate::HostLocal;
use crate::config::{Config, PoolConfig};
use crate::range::RangeSpec;

fn schema() -> &'static str {
    HostLocal::SCHEMA.unwrap()
}

#[test]
fn the_schema_has_every_key_of_the_configuration() {
    assert_schema_has_keys::<Config>(schema());
    assert_schema_has_keys::<PoolConfig>(schema());
}

#[test]
fn the_schema_has_every_key_of_a_range() {
    let schema: Value = serde_json::from_str(schema()).unwrap();
    assert_schema_has_keys::<RangeSpec>(&schema["$defs"]["range"].to_string());
}
