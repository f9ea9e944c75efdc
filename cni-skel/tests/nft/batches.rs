//! All or nothing, and other programs in between.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use cni_skel::Netns;
use cni_skel::net::NetError;
use cni_skel::nft::{Base, Batch, Chain, ChainType, Family, Field, Hook, Nft, Rule, Table, Value};
use cni_skel::types::Protocol;

use crate::{chain_of, ruleset, table_and_chain};

/// Another program, with a handle of its own, adds a table.
fn another_adds(netns: &Netns, table: &str) {
    let nft = Nft::open_in(netns).expect("open the ruleset");
    nft.batch().add_table(&Table::new(Family::Ip, table)).send().expect("the kernel takes it");
}

#[test]
fn a_batch_that_fails_changes_nothing_and_says_which_change_failed() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let missing = Chain::new(&table, "missing");
    let batch = nft.batch().add_table(&table).add_chain(&chain);
    let failed = batch
        .add_rule(&Rule::new(&missing).accept().comment("one"))
        .add_rule(&Rule::new(&missing).accept().comment("two"))
        .send()
        .unwrap_err();
    assert_eq!(
        chain_of(&failed),
        "cannot add a rule to inet t missing (one): No such file or directory (os error 2): attribute 2"
    );
    assert!(failed.is_not_found());
    assert_eq!(nft.tables(Family::Inet).unwrap(), []);
    // The handle is as good as before.
    nft.batch().add_table(&table).send().unwrap();
    assert_eq!(nft.tables(Family::Inet).unwrap(), std::slice::from_ref(&table));
    nft.batch().delete_table(&table).send().unwrap();
    let failed = nft.batch().delete_table(&table).send().unwrap_err();
    assert_eq!(failed.to_string(), "cannot delete table inet t");
    assert!(failed.is_not_found());
}

#[test]
fn rules_are_deleted_one_by_one() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let rule = |comment: &str| Rule::new(&chain).accept().comment(comment);
    nft.batch()
        .add_table(&table)
        .add_chain(&chain)
        .add_rule(&rule("b"))
        .add_rule(&rule("c"))
        .insert_rule(&rule("a"))
        .send()
        .unwrap();
    let rules = nft.rules(&chain).unwrap();
    let comments: Vec<_> = rules.iter().filter_map(Rule::as_comment).collect();
    assert_eq!(comments, ["a", "b", "c"]);
    nft.batch().delete_rule(&rules[1]).send().unwrap();
    let left = nft.rules(&chain).unwrap();
    assert_eq!(left.iter().filter_map(Rule::as_comment).collect::<Vec<_>>(), ["a", "c"]);
    assert!(left.iter().all(|left| left.does_the_same(&Rule::new(&chain).accept())));
    assert!(nft.batch().delete_rule(&rules[1]).send().unwrap_err().is_not_found());
    let failed = nft.batch().delete_rule(&rule("a")).send().unwrap_err();
    assert_eq!(chain_of(&failed), "cannot change the ruleset: a rule to delete does not come from a list");
    nft.batch().flush_chain(&chain).send().unwrap();
    assert!(nft.rules(&chain).unwrap().is_empty());
    nft.batch().delete_chain(&chain).send().unwrap();
    assert!(nft.chains(&table).unwrap().is_empty());
}

#[test]
fn a_transaction_leaves_a_chain_alone_that_is_there() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let hook = |priority| {
        Chain::base(&table, "hooked", Base::new(ChainType::Filter, Hook::Forward, priority)).comment("theirs")
    };
    let all = [chain.clone(), hook(5)];
    let add = |chains: &[Chain]| {
        nft.transaction::<NetError>(|batch| {
            Ok(chains.iter().fold(batch, |batch, chain| batch.add_chain(chain)))
        })
    };
    nft.batch().add_table(&table).send().unwrap();
    add(&all).unwrap();
    assert_eq!(nft.chains(&table).unwrap(), all);
    // A change of a chain, be it one to what it is, gives the ruleset a new number.
    let before = nft.generation().unwrap();
    add(&all).unwrap();
    assert_eq!(nft.generation().unwrap(), before);
    // One that is not as it should be is refused as ever.
    assert!(add(&[hook(6)]).is_err());

    let rule = Rule::new(&chain).accept();
    let missing = Chain::new(&table, "missing");
    let failed = nft.transaction::<NetError>(|batch| {
        let batch = batch.add_chain(&chain).add_chain(&missing);
        Ok(batch.add_rule(&rule).add_rule(&Rule::new(&Chain::new(&table, "none")).accept().comment("x")))
    });
    assert_eq!(failed.unwrap_err().to_string(), "cannot add a rule to inet t none (x)");
    // In one batch with its end it is a new one.
    nft.batch().add_rule(&rule).send().unwrap();
    nft.transaction::<NetError>(|batch| Ok(batch.delete_chain(&chain).add_chain(&chain))).unwrap();
    assert_eq!(nft.chains(&table).unwrap().len(), 2);
    assert!(nft.rules(&chain).unwrap().is_empty());
}

#[test]
fn what_is_not_there_has_nothing_in_it() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    assert!(nft.rules(&chain).unwrap().is_empty());
    assert!(nft.chains(&table).unwrap().is_empty());
    assert!(nft.sets(&table).unwrap().is_empty());
    nft.batch().send().expect("nothing to do");
}

#[test]
fn a_change_in_between_is_noticed_and_the_transaction_starts_anew() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let before = nft.generation().unwrap();
    another_adds(&netns, "other");
    assert_ne!(nft.generation().unwrap(), before);

    let rounds = Cell::new(0);
    nft.transaction::<NetError>(|batch| {
        rounds.set(rounds.get() + 1);
        if rounds.get() < 3 {
            another_adds(&netns, &format!("other{}", rounds.get()));
        }
        Ok(batch.add_table(&table).add_chain(&chain))
    })
    .unwrap();
    assert_eq!(rounds.get(), 3);
    assert_eq!(nft.chains(&table).unwrap(), [chain]);
}

#[test]
fn many_at_once_lose_nothing() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    nft.batch().add_table(&table).add_chain(&chain).send().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (netns, chain) = (&netns, &chain);
            scope.spawn(move || {
                let nft = cni_skel::nft::Nft::open_in(netns).expect("open the ruleset");
                let name = number.to_string();
                for _ in 0..5 {
                    // Each takes away its own rule and adds it again.
                    nft.transaction::<NetError>(|mut batch| {
                        for rule in nft.rules(chain)?.iter().filter(|r| r.as_comment() == Some(&name)) {
                            batch = batch.delete_rule(rule);
                        }
                        Ok(batch.add_rule(&Rule::new(chain).accept().comment(&name)))
                    })
                    .expect("it is carried out in the end");
                }
            });
        }
    });
    let mut comments: Vec<_> =
        nft.rules(&chain).unwrap().iter().filter_map(|r| r.as_comment().map(str::to_owned)).collect();
    comments.sort();
    assert_eq!(comments, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn many_at_once_do_not_make_one_another_start_anew() {
    const MANY: usize = 16;
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let rule = |name: &str| Rule::new(&chain).iifname("eth0").accept().comment(name);
    let batch = nft.batch().add_table(&table).add_chain(&chain);
    // So many that others have the time to change something while they are looked at.
    let batch = (0..1000).fold(batch, |batch, _| batch.add_rule(&rule("others")));
    (0..MANY).fold(batch, |batch, n| batch.add_rule(&rule(&n.to_string()))).send().unwrap();
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..MANY {
            let (netns, chain, rounds) = (&netns, &chain, &rounds);
            scope.spawn(move || {
                let nft = cni_skel::nft::Nft::open_in(netns).expect("open the ruleset");
                let name = number.to_string();
                let delete = nft.transaction::<NetError>(|batch| {
                    rounds.fetch_add(1, Ordering::Relaxed);
                    let own = nft.find_rules(chain, |rule| rule.as_comment() == Some(&name))?;
                    Ok(own.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
                });
                delete.expect("it is carried out in the end");
            });
        }
    });
    assert!(nft.rules(&chain).unwrap().iter().all(|rule| rule.as_comment() == Some("others")));
    let rounds = rounds.into_inner();
    assert!(rounds < MANY + MANY / 2, "{MANY} looked {rounds} times");
}

#[test]
fn programs_that_change_the_ruleset_all_the_time_do_not_keep_a_transaction_from_being_made() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let other = cni_skel::nft::Nft::open_in(&netns).unwrap();
    let mut looks = 0_u32;
    nft.transaction::<NetError>(|batch| {
        looks += 1;
        // A change by a program that waits for nobody, after the look and before the change.
        other.batch().add_table(&Table::new(Family::Ip, format!("other{looks}"))).send()?;
        Ok(batch.add_table(&table).add_chain(&chain))
    })
    .unwrap();
    assert_eq!(nft.chains(&table).unwrap(), [chain]);
    assert!(looks > 1, "it was made although the ruleset had changed");
}

#[test]
fn a_rule_that_goes_before_it_is_deleted_is_looked_for_again() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let rule = Rule::new(&chain).accept().comment("gone soon");
    nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().unwrap();
    let other = cni_skel::nft::Nft::open_in(&netns).unwrap();
    let mut looks = 0_u32;
    nft.transaction::<NetError>(|batch| {
        looks += 1;
        let found = nft.rules(&chain)?;
        // It keeps changing something, and at last it deletes the rule itself.
        match found.first() {
            Some(rule) if looks > 10 => other.batch().delete_rule(rule).send()?,
            _ => other.batch().add_table(&Table::new(Family::Ip, format!("other{looks}"))).send()?,
        }
        Ok(found.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    })
    .unwrap();
    assert_eq!((nft.rules(&chain).unwrap().len(), looks), (0, 12));
}

#[test]
fn rules_that_are_meant_are_found_among_many_others() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let is_meant = |rule: &Rule| rule.as_comment() == Some("meant");
    assert!(nft.find_rules(&chain, is_meant).unwrap().is_empty(), "there is no chain");
    let rule = |port: u16, name: &str| Rule::new(&chain).dport(Protocol::Tcp, port).accept().comment(name);
    let batch = nft.batch().add_table(&table).add_chain(&chain);
    let others =
        |batch, ports: Range<u16>| ports.fold(batch, |b: Batch<'_>, n| b.add_rule(&rule(n, "other")));
    let batch = others(batch.add_rule(&rule(1, "meant")), 1000..2000).add_rule(&rule(2, "meant"));
    batch.send().unwrap();
    let meant = nft.find_rules(&chain, is_meant).unwrap();
    let port = |rule: &Rule| rule.required(Field::Dport);
    assert_eq!(meant.iter().map(port).collect::<Vec<_>>(), [1, 2].map(|n| Some(Value::port(n))));

    let by_comment = nft.rules_with_comment(&chain, |comment| comment == "meant").unwrap();

    // What is changed while they are listed has them listed again, and none is given twice.
    let mut shown = 0;
    let again = nft.find_rules(&chain, |rule| {
        shown += 1;
        if shown == 1 {
            another_adds(&netns, "other");
        }
        is_meant(rule)
    });
    let handles = |rules: &[Rule]| rules.iter().map(Rule::handle).collect::<Vec<_>>();
    assert_eq!(handles(&again.unwrap()), handles(&meant));
    assert_eq!(handles(&by_comment), handles(&meant));
    assert!(shown > 1002, "{shown} rules were shown");
    meant.iter().fold(nft.batch(), |batch, rule| batch.delete_rule(rule)).send().unwrap();
    assert!(nft.find_rules(&chain, is_meant).unwrap().is_empty());
}

#[test]
fn a_batch_may_be_larger_than_what_a_socket_takes_by_itself() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let rule = Rule::new(&chain).iifname("eth0").accept().comment("x".repeat(128));
    let batch = nft.batch().add_table(&table).add_chain(&chain);
    (0..3000).fold(batch, |batch, _| batch.add_rule(&rule)).send().unwrap();
    assert_eq!(nft.rules(&chain).unwrap().len(), 3000);
}

#[test]
fn a_name_that_nft_could_not_read_back_is_refused() {
    let (_netns, nft) = ruleset();
    for name in ["", "a b", "a;b", "a\nb", "a\0b", "1a", &"x".repeat(256)] {
        let failed = nft.batch().add_table(&Table::new(Family::Inet, name)).send().unwrap_err();
        assert_eq!(
            chain_of(&failed),
            "cannot change the ruleset: a name of a table, chain or set is not 1 to 255 letters, digits and _ . - /"
        );
    }
    assert_eq!(nft.tables(Family::Inet).unwrap(), []);
}

#[test]
fn a_chain_is_found_by_its_name_and_created_once() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Ip6);
    assert_eq!(nft.find_chain(&chain).unwrap(), None);
    nft.batch().add_table(&table).create_chain(&chain).send().unwrap();
    assert_eq!(nft.find_chain(&chain).unwrap().as_ref(), Some(&chain));
    assert_eq!(nft.find_chain(&Chain::new(&table, "other")).unwrap(), None);
    let failed = nft.batch().add_chain(&chain).create_chain(&chain).send().unwrap_err();
    assert!(failed.is_exists(), "{}", chain_of(&failed));
}

#[test]
fn a_transaction_inside_another_does_not_wait_for_it_on_the_same_thread_or_inside_a_namespace() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    let (other, inner) = (Table::new(Family::Ip, "other"), Table::new(Family::Ip, "inner"));
    let mut looks = 0;
    nft.transaction::<NetError>(|batch| {
        looks += 1;
        if looks == 1 {
            nft.transaction::<NetError>(|batch| Ok(batch.add_table(&other)))?;
            let nested = netns.run(|| nft.transaction::<NetError>(|batch| Ok(batch.add_table(&inner))));
            nested.expect("the namespace can be entered")?;
        }
        Ok(batch.add_table(&table).add_chain(&chain))
    })
    .unwrap();
    assert_eq!(nft.tables(Family::Ip).unwrap().len(), 2);
    assert_eq!(nft.chains(&table).unwrap(), [chain]);
}
