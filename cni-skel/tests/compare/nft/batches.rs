//! What `nft` has made stays.

use cni_skel::nft::{Family, Hook, Table};

use super::{listed, nft_does};
use crate::support::nft::{nat_chain, ruleset};

#[test]
fn what_is_there_already_stays_as_it_is() {
    let (netns, nft) = ruleset();
    nft_does(
        &netns,
        "add table inet t { flags dormant; }
         add chain inet t c { type nat hook output priority -100; policy drop; }",
    );
    let before = listed(&netns);
    let table = Table::new(Family::Inet, "t");
    let chain = nat_chain(&table, Hook::Output, -100);
    nft.batch().add_table(&table).add_chain(&chain).send().unwrap();
    assert_eq!(listed(&netns), before);
}
