//! The one module with unsafe code: system calls that nix does not wrap.
#![allow(unsafe_code, reason = "each block states why it is sound")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;

use crate::heap::{Blocks, Heap, Source, class_of};

/// Asks the kernel of which kind the namespace behind a descriptor is: one of the `CLONE_NEW*` flags.
pub(crate) fn namespace_kind(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: the descriptor is borrowed, so it stays open during the call. The request takes no
    // argument: the kernel reads and writes no memory of ours, and answers in the return value.
    // The caller has made sure that the file is on nsfs, so no driver can take the number for another request.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), libc::NS_GET_NSTYPE) };
    if kind < 0 { Err(io::Error::last_os_error()) } else { Ok(kind) }
}

/// Opens a descriptor that can be read from when the process has ended. Kernels before 5.3 have none.
pub(crate) fn open_process(id: u32) -> io::Result<OwnedFd> {
    let flags: libc::c_uint = 0;
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(id), flags) };
    match libc::c_int::try_from(fd) {
        // SAFETY: the kernel has just made it for this call, so nobody else has it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether file descriptor 1 was closed when the process started. Rust's own start-up opens `/dev/null` in its place, so
/// that nobody could tell later.
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look_at_stdout() {
    // SAFETY: F_GETFD takes no argument and touches no memory, whether the descriptor is open or not.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
}

/// Runs before Rust's start-up.
// SAFETY: the C library calls each function pointer in this section once, before main and with no other thread there.
// The function has C's calling convention, uses no part of std that needs start-up, and cannot panic.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

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
                    // SAFETY: a chunk is not empty.
                    let chunk = unsafe { System.alloc(Blocks::CHUNK) };
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
