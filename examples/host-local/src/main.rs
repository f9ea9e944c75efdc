//! The program `host-local`, to be put into a folder of `CNI_PATH`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cni_skel::run(host_local::HostLocal)
}
