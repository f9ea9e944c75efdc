//! The program `pair`.

fn main() -> std::process::ExitCode {
    cni_skel::run(pair::Pair)
}
