//! The program `portmap`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cni_skel::run(portmap::Portmap)
}
