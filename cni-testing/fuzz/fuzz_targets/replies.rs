//! What another plugin prints besides results: an error object or an answer to VERSION, or neither.
#![no_main]

use cni_skel::types::{ErrorObject, VersionReply};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(error) = ErrorObject::decode(text) {
        let json = error.encode();
        assert_eq!(ErrorObject::decode(&json).as_ref(), Ok(&error), "{json}");
        let printed: Value = serde_json::from_str(&json).expect("an error is printed as JSON");
        assert_eq!((&printed["code"], &printed["msg"]), (&error.code.get().into(), &error.msg.into()));
    }
    if let Ok(reply) = VersionReply::decode(text) {
        assert!(!reply.supported_versions.is_empty());
        let json = reply.encode();
        assert!(!json.contains('\n'));
        assert_eq!(VersionReply::decode(&json).as_ref(), Ok(&reply), "{json}");
    }
});
