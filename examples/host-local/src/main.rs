//! The program `host-local`, to be put into a folder of `CNI_PATH`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static HEAP: cni_skel::Heap = cni_skel::Heap::new();

fn main() -> ExitCode {
    cni_skel::run(host_local::HostLocal)
}
