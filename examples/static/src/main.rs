//! The program `static`, to be put into a folder of `CNI_PATH`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cni_skel::run(static_ipam::Static)
}
