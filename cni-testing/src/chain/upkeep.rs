//! GC, STATUS and VERSION: the commands that are not about one container.

use std::path::Path;

use cni_skel::types::{Attachment, Command, PluginName, VersionReply};

use super::cache;
use super::call::{Target, is_anything};
use super::error::ChainError;
use crate::Chain;

impl Chain<'_> {
    /// Removes what is left of attachments that are not valid any more, with
    /// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources).
    ///
    /// Each cached attachment that is not in `valid` gets a DEL, with the arguments that its ADD had. Then, from version
    /// 1.1.0, GC of each plugin is called in order. Calls nothing if the configuration has `disableGC`.
    ///
    /// # Errors
    /// Returns every error. A failure does not stop the rest.
    pub fn gc(&self, valid: &[Attachment]) -> Result<(), Vec<ChainError>> {
        if self.list.disable_gc() {
            return Ok(());
        }
        let mut errors = Vec::new();
        for entry in self.cache.iter().flat_map(|folder| cache::attachments(folder, self.list.name())) {
            let attachment = Attachment::new(entry.container_id.clone(), entry.if_name.clone());
            if valid.contains(&attachment) {
                continue;
            }
            let chain = self.as_it_was_for(&entry);
            let netns = entry.netns.as_deref().filter(|path| !path.is_empty()).map(Path::new);
            errors.extend(chain.del(&attachment, netns).err());
        }
        if self.version >= Command::Gc.since() {
            // Attachments always serialise.
            let valid = serde_json::to_string(valid).unwrap_or_default();
            // The specification has one name for the key, and the Go library had another. Both are sent.
            let keys = [("cni.dev/valid-attachments", &*valid), ("cni.dev/attachments", &*valid)];
            for entry in self.list.plugins() {
                errors.extend(self.call(Command::Gc, entry, Target::default(), &keys, is_anything).err());
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Asks whether the network can accept containers, with
    /// [STATUS](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#status-check-plugin-status) of each
    /// plugin in order. Before version 1.1.0 the command does not exist, and the answer is always yes.
    ///
    /// # Errors
    /// A plugin fails, and those after it are not called.
    pub fn status(&self) -> Result<(), ChainError> {
        if self.version < Command::Status.since() {
            return Ok(());
        }
        for entry in self.list.plugins() {
            self.call(Command::Status, entry, Target::default(), &[], is_anything)?;
        }
        Ok(())
    }

    /// Asks each plugin for the versions that it supports, with
    /// [VERSION](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#version-probe-plugin-version-support)
    /// and the placeholder variables that runtimes use for it.
    ///
    /// # Errors
    /// A plugin fails, or its answer is not valid.
    pub fn versions(&self) -> Result<Vec<(PluginName, VersionReply)>, ChainError> {
        let probe = |entry: &cni_skel::types::PluginEntry| {
            let is_reply = |stdout: &str| {
                VersionReply::decode(stdout).map(drop).map_err(|cause| format!("an invalid answer ({cause})"))
            };
            let printed = self.call(Command::Version, entry, Target::default(), &[], is_reply)?;
            Ok((entry.plugin_type().clone(), VersionReply::decode(&printed)?))
        };
        self.list.plugins().iter().map(probe).collect()
    }

    /// The chain with the arguments that a cached attachment had.
    fn as_it_was_for(&self, entry: &cache::Entry) -> Self {
        let mut chain = self.clone();
        let pairs = entry.cni_args.iter().flatten();
        chain.args = pairs.map(|[key, value]| format!("{key}={value}")).collect::<Vec<_>>().join(";");
        let given = entry.capability_args.as_ref().map(|json| json.get()).unwrap_or("{}");
        let given: Result<std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>, _> =
            serde_json::from_str(given);
        let given = given.unwrap_or_default().into_iter();
        chain.capabilities = given.map(|(name, json)| (name, json.get().to_owned())).collect();
        chain
    }
}
