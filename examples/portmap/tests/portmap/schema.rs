//! The schema has every key that the plugin decodes.

use cni_skel::Plugin;
use cni_testing::assert_schema_has_keys;
use portmap::{Config, Portmap};

#[test]
fn the_schema_has_every_key_of_the_configuration() {
    assert_schema_has_keys::<Config>(Portmap::SCHEMA.unwrap());
}
