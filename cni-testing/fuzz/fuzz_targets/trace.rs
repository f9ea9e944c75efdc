//! TRACEPARENT, TRACESTATE and BAGGAGE, a line each: absent or well-formed.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use cni_skel::{Env, TraceContext};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let names = ["TRACEPARENT", "TRACESTATE", "BAGGAGE"];
    let lines = bytes.splitn(3, |byte| *byte == b'\n').map(OsStr::from_bytes);
    let env = names.iter().zip(lines).fold(Env::new(), |env, (name, value)| env.with(name, value));
    let trace = TraceContext::from(&env);
    match trace.parent {
        None => assert!(trace.state.is_empty()),
        Some(parent) => {
            assert!(parent.trace_id != 0 && parent.parent_id != 0);
            let again = TraceContext::from(&Env::new().with("TRACEPARENT", parent.to_string()));
            assert_eq!(again.parent, Some(parent));
        }
    }
    assert!(trace.state.len() <= 32);
    // What is printed into a log or another header must not end it.
    assert!(trace.state.iter().all(|(key, value)| !format!("{key}{value}").contains(['\n', ',', '='])));
    assert!(trace.baggage.iter().all(|member| member.key.bytes().all(|byte| byte.is_ascii_graphic())));
});
