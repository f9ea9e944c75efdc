//! The routing rules of a new namespace.

use super::message::{Payload, Reply, Request};
use super::numbers::{AF_INET6, FRA_PRIORITY, FRA_TABLE, RTM_NEWRULE};

/// `FR_ACT_TO_TBL`: look into the table.
const TO_TABLE: u8 = 1;

pub(super) fn dump(request: &Request<'_>) -> Vec<Reply> {
    let family = request.header(1).map_or(0, |header| header[0]);
    let is_ipv6 = i32::from(family) == AF_INET6;
    let rules: &[(u32, u8)] =
        if is_ipv6 { &[(0, 255), (32_766, 254)] } else { &[(0, 255), (32_766, 254), (32_767, 253)] };
    rules
        .iter()
        .map(|(priority, table)| {
            let mut payload = Payload::new(&[family, 0, 0, 0, *table, 0, 0, TO_TABLE, 0, 0, 0, 0]);
            payload.u32(FRA_TABLE, (*table).into());
            if *priority != 0 {
                payload.u32(FRA_PRIORITY, *priority);
            }
            Reply { kind: RTM_NEWRULE, payload }
        })
        .collect()
}
