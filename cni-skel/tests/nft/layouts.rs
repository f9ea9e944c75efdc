//! The layouts that plugins need.

use cni_skel::nft::Family;

use crate::ruleset;
use crate::support::nft::layouts;

#[test]
fn masquerading_comes_back_with_its_comments() {
    let (_netns, nft) = ruleset();
    let (table, checks, postrouting) = layouts::masquerading(&nft);
    assert_eq!(nft.tables(Family::Inet).unwrap(), std::slice::from_ref(&table));
    assert_eq!(nft.tables(Family::Ip).unwrap(), []);
    assert_eq!(nft.chains(&table).unwrap(), [checks.clone(), postrouting.clone()]);
    let rules = nft.rules(&checks).unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].as_comment(), Some("1234-5678, net: n, if: eth0, id: c"));
    assert!(rules[0].handle().is_some());
}

#[test]
fn ports_can_be_kept_in_a_map() {
    let (_netns, nft) = ruleset();
    layouts::ports(&nft);
}
