//! Tests of the benchmark's own code. They measure nothing.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]
#![allow(dead_code, reason = "some of it is used only by the benchmark itself")]

mod builds;
mod chart;
mod contest;
mod failure;
mod goals;
mod machine;
mod node;
mod options;
mod page;
mod pictures;
mod process;
mod results;
mod scenario;
mod sections;
mod stats;
mod subject;
mod svg;
mod traced;
