//! The addresses that are taken, as a tree in which the next free one is found in a few steps, however many are taken.

use std::io;

use super::slot::{Place, Slot};
use super::table::{At, Source, Table};
use crate::address::Family;

/// How many bits of a number tell the children of a node apart.
const BITS: u32 = 6;
/// The level above which there is nothing: one node of it has the whole address space, and is never full.
const TOP: u8 = 21;
const FULL: u64 = u64::MAX;

/// The tree of one family in a table.
pub(super) struct Tree<'a> {
    pub(super) table: &'a mut Table,
    pub(super) source: Source<'a>,
    pub(super) family: Family,
}

impl Tree<'_> {
    /// The first number from `first` to `last` that is not taken.
    pub(super) fn next_free(&mut self, first: u128, last: u128) -> io::Result<Option<u128>> {
        let (mut number, mut level) = (first, 0);
        // Up, until a node has something left at or after the number. Above level 0 the number is where a child begins.
        loop {
            let child = number >> shift(level);
            let left = !self.taken(level, child)? & (FULL << (child & 63));
            if left != 0 {
                let free = (child & !63) | u128::from(left.trailing_zeros());
                if free != child {
                    let Some(start) = start_of(level, free) else { return Ok(None) };
                    number = start;
                }
                break;
            }
            let Some(next) = start_of(level, (child | 63) + 1) else { return Ok(None) };
            number = next;
            if level == TOP || number > last {
                return Ok(None);
            }
            level += 1;
        }
        // And down again to the first that is left.
        while level > 0 {
            level -= 1;
            let child = number >> shift(level);
            let taken = self.taken(level, child)?;
            if taken == FULL {
                return Err(io::ErrorKind::InvalidData.into());
            }
            number |= u128::from(taken.trailing_ones()) << shift(level);
        }
        Ok((number <= last).then_some(number))
    }

    /// Takes a number.
    pub(super) fn take(&mut self, number: u128) -> io::Result<()> {
        for level in 0..=TOP {
            let child = number >> shift(level);
            let (place, node) = self.node(level, child)?;
            let before = node.map_or(0, |(_, taken)| taken);
            let taken = before | 1 << (child & 63);
            let contents = Slot::Node { place, taken };
            match node {
                Some((at, _)) => self.table.set(self.source, at, Some(contents))?,
                None => self.table.insert(self.source, contents)?,
            }
            if taken != FULL || before == FULL {
                break;
            }
        }
        Ok(())
    }

    /// Gives a number back.
    pub(super) fn give_back(&mut self, number: u128) -> io::Result<()> {
        for level in 0..=TOP {
            let child = number >> shift(level);
            let (place, Some((at, before))) = self.node(level, child)? else { break };
            let taken = before & !(1 << (child & 63));
            let contents = (taken != 0).then_some(Slot::Node { place, taken });
            self.table.set(self.source, at, contents)?;
            if before != FULL {
                break;
            }
        }
        Ok(())
    }

    fn taken(&mut self, level: u8, child: u128) -> io::Result<u64> {
        Ok(self.node(level, child)?.1.map_or(0, |(_, taken)| taken))
    }

    /// The node that has this child, if anything in it is taken.
    fn node(&mut self, level: u8, child: u128) -> io::Result<(Place, Option<(At, u64)>)> {
        let place = Place { family: self.family, level, prefix: child >> BITS };
        let found = self.table.find(self.source, place.hash(), |slot| match slot {
            Slot::Node { place: found, taken } if found == place => Some(taken),
            _ => None,
        })?;
        Ok((place, found.first().copied()))
    }
}

/// How many bits of a number are below what tells the children of a node of this level apart.
fn shift(level: u8) -> u32 {
    u32::from(level) * BITS
}

/// The first number of a child; none when that is beyond the address space.
fn start_of(level: u8, child: u128) -> Option<u128> {
    let start = child << shift(level);
    (start >> shift(level) == child).then_some(start)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any, prop, proptest};
    use proptest::{prop_assert_eq, prop_oneof};

    use super::*;

    fn with_tree<T>(taken: impl IntoIterator<Item = u128>, look: impl FnOnce(&mut Tree<'_>) -> T) -> T {
        let mut table = Table::new(20_000);
        let mut tree = Tree { table: &mut table, source: None, family: Family::V6 };
        taken.into_iter().for_each(|number| tree.take(number).unwrap());
        look(&mut tree)
    }

    #[test]
    fn a_long_run_of_taken_numbers_is_stepped_over() {
        let start = 0x2001_0db8_u128 << 96;
        with_tree(start..start + 10_000, |tree| {
            assert_eq!(tree.next_free(start, u128::MAX).unwrap(), Some(start + 10_000));
            assert_eq!(tree.next_free(start + 4095, start + 9_999).unwrap(), None);
            assert_eq!(tree.next_free(start - 1, u128::MAX).unwrap(), Some(start - 1));
            tree.give_back(start + 5_000).unwrap();
            assert_eq!(tree.next_free(start, u128::MAX).unwrap(), Some(start + 5_000));
            assert_eq!(tree.next_free(start + 5_001, u128::MAX).unwrap(), Some(start + 10_000));
        });
    }

    #[test]
    fn the_ends_of_the_address_space_are_ends() {
        let end = u128::MAX - 5_000;
        with_tree((end..=u128::MAX).chain(0..100), |tree| {
            assert_eq!(tree.next_free(end, u128::MAX).unwrap(), None);
            assert_eq!(tree.next_free(0, u128::MAX).unwrap(), Some(100));
            tree.give_back(u128::MAX).unwrap();
            assert_eq!(tree.next_free(end, u128::MAX).unwrap(), Some(u128::MAX));
        });
    }

    #[test]
    fn what_has_been_given_back_leaves_nothing() {
        with_tree(0..5_000, |tree| {
            (0..5_000).for_each(|number| tree.give_back(number).unwrap());
            assert_eq!(tree.table.used(), 0);
        });
    }

    /// Numbers of a few neighbourhoods, so that nodes fill up.
    fn numbers() -> impl Strategy<Value = u128> {
        let near = (
            0..300_u128,
            prop_oneof![proptest::strategy::Just(0), proptest::strategy::Just(u128::MAX - 299)],
        );
        prop_oneof![4 => near.prop_map(|(offset, base)| base + offset), 1 => any::<u128>()]
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            taken in prop::collection::btree_set(numbers(), 0..500),
            gaps in prop::collection::vec(numbers(), 0..50),
            first in numbers(),
        ) {
            let mut left = taken.clone();
            let (found, used) = with_tree(taken, |tree| {
                for gap in gaps {
                    if left.remove(&gap) {
                        tree.give_back(gap).unwrap();
                    }
                }
                (tree.next_free(first, u128::MAX).unwrap(), tree.table.used())
            });
            prop_assert_eq!(found, plain(&left, first));
            prop_assert_eq!(used == 0, left.is_empty());
        }
    }

    fn plain(taken: &BTreeSet<u128>, first: u128) -> Option<u128> {
        (first..=u128::MAX).find(|number| !taken.contains(number))
    }
}
