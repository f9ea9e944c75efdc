//! The schema has every key that the plugin decodes.

use bridge::{Bridge, Config};
use cni_skel::Plugin;
use cni_testing::assert_schema_has_keys;

#[test]
fn the_schema_has_every_key_of_the_configuration() {
    assert_schema_has_keys::<Config>(Bridge::SCHEMA.unwrap());
}
