//! The program `loopback`.

use std::process::ExitCode;

#[global_allocator]
static HEAP: cni_skel::Heap = cni_skel::Heap::new();

fn main() -> ExitCode {
    cni_skel::run(loopback::Loopback)
}
