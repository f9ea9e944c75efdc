//! The allocator of [`Heap`]: addresses become memory here, and nowhere else.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::heap::{Blocks, Heap, Source, class_of};

/// A chunk that is part of the program, so that a small plugin asks the kernel for no memory at all.
#[repr(align(16))]
struct FirstChunk(UnsafeCell<MaybeUninit<[u8; Blocks::CHUNK_SIZE]>>);

// SAFETY: `chunk` gives it to one caller, once.
unsafe impl Sync for FirstChunk {}

static FIRST: FirstChunk = FirstChunk(UnsafeCell::new(MaybeUninit::uninit()));
static FIRST_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A chunk that is the caller's for ever; null when the machine has no more memory.
fn chunk() -> *mut u8 {
    if !FIRST_IS_TAKEN.swap(true, Ordering::Relaxed) {
        return FIRST.0.get().cast();
    }
    // SAFETY: a chunk is not empty.
    unsafe { System.alloc(Blocks::CHUNK) }
}

// SAFETY: a block is cut off a chunk that is never given back, and lies there alone: `Blocks` hands out each address once,
// and again only after it was given back, under a lock. It is as large as its class says, which `class_of` makes no smaller
// than the layout, and lies at a multiple of 16, as the chunk and all sizes of blocks do. Nothing here allocates or unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout is the caller's.
        let Some(class) = class_of(layout) else { return unsafe { System.alloc(layout) } };
        let mut blocks = self.blocks();
        loop {
            match blocks.source(class) {
                Source::Cut(address) => return ptr::with_exposed_provenance_mut(address),
                Source::Free(address) => {
                    let block = ptr::with_exposed_provenance_mut::<u8>(address);
                    // SAFETY: `dealloc` has written the address of the one before into this block, which nobody uses.
                    blocks.free[class] = unsafe { block.cast::<usize>().read() };
                    return block;
                }
                Source::NoChunk => {
                    let chunk = chunk();
                    if chunk.is_null() {
                        return chunk;
                    }
                    blocks.take_chunk(chunk.expose_provenance());
                }
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class_of(layout) else {
            // SAFETY: a block of this layout came from there.
            return unsafe { System.dealloc(block, layout) };
        };
        let mut blocks = self.blocks();
        // SAFETY: the caller is done with the block, and it has room for an address at least, at a multiple of 16.
        unsafe { block.cast::<usize>().write(blocks.free[class]) };
        blocks.free[class] = block.expose_provenance();
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size is none that a layout cannot have.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class_of(layout), class_of(new)) {
            (Some(class), Some(same)) if class == same => block,
            // SAFETY: a block of this layout came from there.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            _ => {
                // SAFETY: the layout is the caller's, with another size.
                let moved = unsafe { self.alloc(new) };
                if !moved.is_null() {
                    // SAFETY: both blocks hold so much, and a new one is none that is in use.
                    unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
                    // SAFETY: the caller is done with this one.
                    unsafe { self.dealloc(block, layout) };
                }
                moved
            }
        }
    }
}
