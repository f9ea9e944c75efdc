//! The plugin under the tests: it writes down what it did, and fails where it is told to.

use std::sync::Mutex;
use std::time::Duration;

use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Plugin, Result};
use cni_testing::types::{AddResult, ErrorCode};
use serde::Deserialize;

#[derive(Debug)]
pub(crate) struct Witness {
    /// What has happened, in order.
    pub(crate) seen: &'static Mutex<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// How ADD ends.
    #[serde(default)]
    end: End,
    #[expect(dead_code, reason = "only its decoding is under test")]
    mtu: Option<u32>,
    /// How long delegates may take, in milliseconds.
    patience: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum End {
    #[default]
    Well,
    Error,
    Panic,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self { seen: Box::leak(Box::default()) }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn saw(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }
}

impl Plugin for Witness {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        self.saw(format!("add {} {} {}", req.network(), req.container_id, req.ifname));
        let seen = self.seen;
        for step in ["first", "second"] {
            req.on_failure(format!("undo the {step}"), move || {
                seen.lock().unwrap().push(format!("undo {step}"));
                Ok::<_, Error>(())
            });
        }
        let ipam = req.ipam_if_any()?.map(|ipam| match req.config.patience {
            Some(patience) => ipam.timeout(Duration::from_millis(patience)),
            None => ipam,
        });
        let result = ipam.map(|ipam| ipam.add()).transpose()?;
        match req.config.end {
            End::Well => Ok(result.or(req.prev_result()?.cloned()).unwrap_or_default()),
            End::Error => Err(Error::new(ErrorCode::new(100), "told to fail")),
            End::Panic => panic!("told to panic"),
        }
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let netns = req.netns.as_ref().map(|netns| netns.path().display().to_string());
        self.saw(format!("del {} {}", req.container_id, netns.as_deref().unwrap_or("without a namespace")));
        req.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.del())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        self.saw("check");
        req.prev_result()?;
        req.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.check())
    }
}
