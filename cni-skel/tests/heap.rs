//! A program whose heap is `Heap`: whatever it does with memory comes out as with any other.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use cni_skel::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Numbers without a pattern, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Vectors come, grow, shrink and go, each filled with a number of its own.
fn use_memory(seed: u64) {
    let mut numbers = Numbers(seed);
    let mut vectors: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for n in 0..20_000 {
        let key = numbers.below(100);
        let limit = if n % 50 == 0 { 200_000 } else { 600 };
        let size = numbers.below(limit);
        let vector = vectors.entry(key).or_default();
        assert!(vector.iter().all(|byte| *byte == key as u8), "somebody else wrote here");
        vector.resize(size, key as u8);
        match numbers.below(4) {
            0 => vector.shrink_to_fit(),
            1 => drop(vectors.remove(&key)),
            _ => {}
        }
    }
}

#[test]
fn nobody_writes_into_the_memory_of_another() {
    thread::scope(|scope| {
        for seed in 1..=8 {
            scope.spawn(move || use_memory(seed));
        }
    });
}

#[repr(align(16))]
struct Sixteen([u8; 40]);

#[repr(align(4096))]
struct Page([u8; 4096]);

#[test]
fn memory_lies_where_it_was_asked_to() {
    // Each between blocks of other sizes.
    let mut all: Vec<(Box<u8>, Box<Sixteen>, Box<Page>)> = Vec::new();
    for n in 0..200_u8 {
        all.push((Box::new(n), Box::new(Sixteen([n; 40])), Box::new(Page([n; 4096]))));
    }
    for (n, (byte, sixteen, page)) in (0..).zip(&all) {
        assert_eq!((&raw const **sixteen).addr() % 16, 0);
        assert_eq!((&raw const **page).addr() % 4096, 0);
        let is_n = |byte: &u8| *byte == n;
        assert!(is_n(byte) && sixteen.0.iter().all(is_n) && page.0.iter().all(is_n));
    }
}

#[test]
fn what_was_given_back_is_used_again() {
    let address = |n: usize| {
        let text = n.to_string().repeat(3);
        text.as_ptr().addr()
    };
    let addresses: BTreeSet<usize> = (0..10_000).map(address).collect();
    // Other tests allocate meanwhile.
    assert!(addresses.len() < 1_000, "{} different addresses", addresses.len());
}
