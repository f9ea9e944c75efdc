//! The built program, where it is not enough to call the plugin in process.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fs::File;
use std::process::Command;

use cni_testing::types::{ErrorCode, ErrorObject};

#[test]
fn a_stdin_that_cannot_be_read_is_an_io_failure() {
    let folder = File::open("/").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_static"));
    program.env_clear().env("CNI_COMMAND", "STATUS").env("CNI_PATH", "/").stdin(folder);
    let output = program.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = ErrorObject::decode(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert_eq!(error.code, ErrorCode::IO_FAILURE);
    assert_eq!(error.msg, "cannot read the network configuration from stdin");
    assert_eq!(error.details.as_deref(), Some("Is a directory (os error 21)"));
}
