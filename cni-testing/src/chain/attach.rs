//! ADD, CHECK and DEL: one container's attachment to the network.

use std::path::Path;

use cni_skel::types::{AddResult, Attachment, Command, PluginEntry, SpecVersion};
use serde_json::value::RawValue;

use super::call::{Target, is_anything, is_result};
use super::error::{ChainError, ChainFailure};
use super::{base64, cache};
use crate::Chain;

impl Chain<'_> {
    /// Attaches a container: calls
    /// [ADD](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-add-container-to-network-or-apply-modifications)
    /// of each plugin in order, with the result of the plugin before it. Caches the last result.
    ///
    /// A failed ADD is not undone, because the specification leaves that to a later DEL. See
    /// [`add_or_undo`](Self::add_or_undo).
    ///
    /// # Errors
    /// A plugin fails, and those after it are not called. Or the result cannot be cached.
    pub fn add(&self, attachment: &Attachment, netns: impl AsRef<Path>) -> Result<AddResult, ChainError> {
        let target = Target { attachment: Some(attachment), netns: Some(netns.as_ref()) };
        let mut result: Option<String> = None;
        for entry in self.list.plugins() {
            let printed = self.call_attached(Command::Add, entry, target, result.as_deref())?;
            result = Some(printed);
        }
        // Each result was decoded when it was printed, and a list has at least one plugin.
        let result = result.unwrap_or_default();
        self.remember(attachment, netns.as_ref(), &result)?;
        Ok(AddResult::decode(self.version, &result)?)
    }

    /// Attaches a container. If that fails, calls [DEL](Self::del) of all plugins without a result, as container engines
    /// do.
    ///
    /// # Errors
    /// [ADD](Self::add) fails. [`ChainError::undo`] is the error of DEL, if that fails too.
    pub fn add_or_undo(
        &self,
        attachment: &Attachment,
        netns: impl AsRef<Path>,
    ) -> Result<AddResult, ChainError> {
        let netns = netns.as_ref();
        self.add(attachment, netns).map_err(|mut error| {
            error.undo = self.del_without_result(attachment, Some(netns)).err().map(Box::new);
            error
        })
    }

    /// Checks an attachment: calls
    /// [CHECK](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#check-check-containers-networking-is-as-expected)
    /// of each plugin in order, with the cached result. Calls nothing if the configuration has `disableCheck`.
    ///
    /// # Errors
    /// A plugin fails, and those after it are not called. Or the configuration is older than 0.4.0, or there is no
    /// cached result.
    pub fn check(&self, attachment: &Attachment, netns: impl AsRef<Path>) -> Result<(), ChainError> {
        let error = |failure| ChainError::new(Command::Check, None, failure);
        if self.version < Command::Check.since() {
            return Err(error(ChainFailure::NoSuchCommand(self.version)));
        }
        if self.list.disable_check() {
            return Ok(());
        }
        let result = self.recall(attachment).map_err(error)?;
        let result = result.ok_or_else(|| error(ChainFailure::NotAdded))?;
        let target = Target { attachment: Some(attachment), netns: Some(netns.as_ref()) };
        for entry in self.list.plugins() {
            self.call_attached(Command::Check, entry, target, Some(&result))?;
        }
        Ok(())
    }

    /// Detaches a container: calls
    /// [DEL](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#del-remove-container-from-network-or-un-apply-modifications)
    /// of each plugin in reverse order. From version 0.4.0 the plugins get the cached result, if there is one. Then
    /// removes it from the cache. `netns` is `None` if the container's namespace is gone.
    ///
    /// # Errors
    /// A plugin fails. Those before it in the list are not called, and the cached result stays. Or the result cannot be
    /// removed.
    pub fn del(&self, attachment: &Attachment, netns: Option<&Path>) -> Result<(), ChainError> {
        // A result that cannot be read must not block DEL, and DEL removes it.
        let result = self.recall(attachment).ok().flatten();
        let result = result.filter(|_| self.version >= SpecVersion::V0_4_0);
        self.del_all(attachment, netns, result.as_deref())
    }

    /// Detaches a container like [`del`](Self::del), but without a result, as engines do after a failed ADD or when they
    /// have lost their cache.
    ///
    /// # Errors
    /// See [`del`](Self::del).
    pub fn del_without_result(
        &self,
        attachment: &Attachment,
        netns: Option<&Path>,
    ) -> Result<(), ChainError> {
        self.del_all(attachment, netns, None)
    }

    fn del_all(
        &self,
        attachment: &Attachment,
        netns: Option<&Path>,
        result: Option<&str>,
    ) -> Result<(), ChainError> {
        let target = Target { attachment: Some(attachment), netns };
        for entry in self.list.plugins().iter().rev() {
            self.call_attached(Command::Del, entry, target, result)?;
        }
        let Some(folder) = &self.cache else { return Ok(()) };
        let path = cache::file(folder, self.list.name(), attachment);
        cache::remove(&path).map_err(|cause| {
            ChainError::new(Command::Del, None, ChainFailure::Cache { path, why: cause.to_string() })
        })
    }

    fn call_attached(
        &self,
        command: Command,
        entry: &PluginEntry,
        target: Target<'_>,
        result: Option<&str>,
    ) -> Result<String, ChainError> {
        let given = self.capabilities.iter().filter(|(name, _)| entry.has_capability(name));
        let members: Vec<_> = given.map(member).collect();
        let runtime_config = format!("{{{}}}", members.join(","));
        let mut keys = Vec::new();
        if let Some(result) = result {
            keys.push(("prevResult", result));
        }
        if !members.is_empty() {
            keys.push(("runtimeConfig", runtime_config.as_str()));
        }
        self.call(command, entry, target, &keys, |stdout| match command {
            Command::Add => is_result(self, stdout),
            _ => is_anything(stdout),
        })
    }

    fn remember(&self, attachment: &Attachment, netns: &Path, result: &str) -> Result<(), ChainError> {
        let Some(folder) = &self.cache else { return Ok(()) };
        let path = cache::file(folder, self.list.name(), attachment);
        let mut entry = cache::Entry::new(self.list.name(), attachment);
        entry.config = base64::encode(&self.text);
        entry.netns = Some(netns.to_string_lossy().into_owned());
        let pairs = self.args.split(';').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(key, value)| [key.to_owned(), value.to_owned()]).collect();
        entry.cni_args = (!pairs.is_empty()).then_some(pairs);
        let members: Vec<_> = self.capabilities.iter().map(member).collect();
        let written = (|| {
            if !members.is_empty() {
                entry.capability_args = Some(RawValue::from_string(format!("{{{}}}", members.join(",")))?);
            }
            entry.result = Some(RawValue::from_string(result.to_owned())?);
            cache::write(&path, &entry)
        })();
        written.map_err(|cause| {
            ChainError::new(Command::Add, None, ChainFailure::Cache { path, why: cause.to_string() })
        })
    }

    fn recall(&self, attachment: &Attachment) -> Result<Option<String>, ChainFailure> {
        let Some(folder) = &self.cache else { return Ok(None) };
        let path = cache::file(folder, self.list.name(), attachment);
        cache::read_result(&path, self.list.name(), attachment, self.version)
            .map_err(|why| ChainFailure::Cache { path, why })
    }
}

fn member((name, json): (&String, &String)) -> String {
    format!("{}:{json}", serde_json::Value::from(name.as_str()))
}
