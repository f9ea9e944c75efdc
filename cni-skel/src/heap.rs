//! Memory for a process that lives for milliseconds.

use std::alloc::Layout;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The smallest block. Each class of blocks is twice as large as the one before.
const SMALLEST: usize = 16;
const CLASSES: usize = 11;
/// What blocks are cut from. The kernel gives no page of it before it is touched.
const CHUNK: Layout = match Layout::from_size_align(Blocks::CHUNK_SIZE, SMALLEST) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two is an alignment"),
};

/// A heap for plugins, which live for milliseconds and allocate little.
///
/// The C library's is made for programs that live long. musl's above all asks the kernel for each size of block, and again
/// when the last of a size is given back: a third of all system calls of a plugin. This one cuts blocks off a larger one,
/// the first of which is part of the program, and keeps what is given back for the next of the size. Large blocks are the
/// C library's.
///
/// ```
/// #[global_allocator]
/// static HEAP: cni_skel::Heap = cni_skel::Heap::new();
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Heap(Mutex<Blocks>);

/// Addresses, none of which is 0.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// What is left of the newest chunk.
    next: usize,
    end: usize,
    /// Of each class the block that was given back last; in it stands the address of the one before.
    pub(crate) free: [usize; CLASSES],
}

/// What is to be done for a new block.
pub(crate) enum Source {
    /// It was given back before.
    Free(usize),
    /// It is cut off the chunk.
    Cut(usize),
    /// There must be a chunk first.
    NoChunk,
}

impl Heap {
    /// Makes a heap that has nothing yet.
    #[expect(clippy::new_without_default, reason = "it is for a static, which cannot have a default")]
    pub const fn new() -> Self {
        Self(Mutex::new(Blocks { next: 0, end: 0, free: [0; CLASSES] }))
    }

    pub(crate) fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    pub(crate) const CHUNK_SIZE: usize = 64 << 10;
    pub(crate) const CHUNK: Layout = CHUNK;

    /// Where the next block of a class comes from.
    pub(crate) fn source(&mut self, class: usize) -> Source {
        match self.free[class] {
            0 => {}
            block => return Source::Free(block),
        }
        let size = SMALLEST << class;
        if self.end - self.next < size {
            return Source::NoChunk;
        }
        let block = self.next;
        self.next += size;
        Source::Cut(block)
    }

    pub(crate) fn take_chunk(&mut self, address: usize) {
        self.next = address;
        self.end = address + CHUNK.size();
    }
}

/// The class of block that holds this; none for what is large, or must lie at a special address.
pub(crate) fn class_of(layout: Layout) -> Option<usize> {
    let blocks = layout.size().div_ceil(SMALLEST).next_power_of_two();
    let class = blocks.trailing_zeros() as usize;
    (class < CLASSES && layout.align() <= SMALLEST).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_for() {
        for size in (0..70_000).chain([usize::MAX / 4]) {
            let layout = Layout::from_size_align(size, 8).unwrap();
            match class_of(layout) {
                Some(class) => {
                    assert!((SMALLEST << class) >= size && (class == 0 || SMALLEST << (class - 1) < size));
                }
                None => assert!(size > SMALLEST << (CLASSES - 1)),
            }
        }
        assert_eq!(class_of(Layout::from_size_align(32, 32).unwrap()), None);
    }
}
