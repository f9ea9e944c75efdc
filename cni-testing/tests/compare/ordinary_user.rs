//! Debian's plugins without privileges.

use crate::program::{data, reference};
use crate::user::as_an_ordinary_user;

#[test]
fn an_ordinary_user_runs_a_network() {
    let arguments = ["run", "--json", "--path", &reference(), "FILE"];
    let ran = as_an_ordinary_user(&data("bridge.conflist"), &arguments).with(0);
    assert_eq!(ran.events_of("exchange").len(), 8);
    assert_eq!(ran.events_of("left")[0]["leaked"], serde_json::json!([]));
}
