//! The program `passthrough`.

fn main() -> std::process::ExitCode {
    cni_skel::run(passthrough::Passthrough)
}
