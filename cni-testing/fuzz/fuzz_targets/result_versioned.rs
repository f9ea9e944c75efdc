//! A result in the shape that came with 0.3.0, unless it says otherwise itself.
#![no_main]

use cni_fuzz::check_result;
use cni_skel::types::SpecVersion;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| check_result(SpecVersion::V0_3_0, json));
