//! `cnitest run`: a network, from its configuration to what is left behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cni_skel::{Host, System};
use cni_testing::scene::Scene;
use cni_testing::types::{Attachment, Command, PluginEntry, PluginName};
use cni_testing::{Chain, ChainFailure, PluginCall, Snapshot, isolation};
use serde_json::Value;

use crate::containers::{Container, exchange};
use crate::event::{Call, Event};
use crate::host::broken;
use crate::options::Options;
use crate::report::Report;
use crate::shim::Shims;
use crate::{Impossible, cargo, descendants, host, wanted};

/// The default number of containers.
const CONTAINERS: usize = 2;

/// Runs a network. Returns whether there was no failure.
pub(crate) fn run(options: &Options) -> Result<bool, Impossible> {
    let shown = options.conflist.display();
    let chain = Chain::load(&options.conflist).map_err(|why| match why.failure {
        ChainFailure::Unreadable { .. } => Impossible(why.to_string()),
        _ => Impossible(format!("{shown}: {why}")),
    })?;
    let json = requests(&chain);
    let delegates = wanted::delegates(&json);
    let mut plugins: Vec<_> =
        chain.list().plugins().iter().map(|entry| entry.plugin_type().clone()).collect();
    plugins.extend(delegates.iter().cloned());

    let mut path = options.path.clone();
    if options.build {
        let built = cargo::build(&plugins, &options.conflist)?;
        path.splice(0..0, built);
    }
    for plugin in &plugins {
        System::new().find_plugin(plugin, &path).map_err(|_| missing(plugin, &path))?;
    }

    isolation::enter().map_err(|why| Impossible(why.to_string()))?;
    descendants::end_with_parent();
    let mut folders: BTreeSet<PathBuf> = isolation::STATE_FOLDERS.map(PathBuf::from).into();
    folders.extend(wanted::at(&json, "dataDir").into_iter().map(PathBuf::from));
    let own = PathBuf::from(isolation::OWN);
    isolation::cover(&folders.iter().cloned().chain([own.clone()]).collect())
        .map_err(|why| Impossible(why.to_string()))?;
    let shims = Shims::install(own.join("delegates"), &delegates, chain.version())
        .map_err(|why| Impossible(format!("cannot record calls between plugins: {why}")))?;

    let devices = wanted::at(&json, "device");
    let containers = options.containers.unwrap_or(if devices.is_empty() { CONTAINERS } else { 1 });
    let report = Report::on_stdout(options.json);
    let version = chain.version();
    let tell = |call: &PluginCall<'_>| {
        report.tell(&Event::Call(Box::new(Call::new(call, version, shims.new_calls()))));
    };
    let mut chain = chain
        .plugin_path(path.clone())
        .delegate_path([shims.folder()])
        .cache(&own)
        .args(options.args.as_str())
        .timeout(options.timeout)
        .observe(tell);
    for (name, json) in &options.capabilities {
        chain = chain.capability(name, json);
    }
    report.tell(&Event::Network {
        name: chain.list().name().to_string(),
        cni_version: version.to_string(),
        plugins: plugins.iter().map(ToString::to_string).collect(),
        containers,
        path,
    });
    let _uplinks = host::prepare(&wanted::at(&json, "master"), &devices, &report)?;
    for id in hardware(&json, options) {
        report.note(format!(
            "the host has no device {id}: hardware cannot be simulated, and the machine's is not visible here"
        ));
    }
    lead_through(&chain, options, containers, &folders, &report)?;
    Ok(report.sum_up())
}

/// The hardware that plugins work on: from the configuration, and from capabilities.
fn hardware(json: &Value, options: &Options) -> BTreeSet<String> {
    let keys = ["deviceID", "pciBusID"];
    let named = keys.into_iter().flat_map(|key| wanted::at(json, key));
    let passed = options.capabilities.iter().filter(|(name, _)| keys.contains(&name.as_str()));
    named.chain(passed.filter_map(|(_, json)| serde_json::from_str(json.get()).ok())).collect()
}

/// The input of each plugin of the list, as far as the configuration has it.
fn requests(chain: &Chain<'_>) -> Value {
    let list = chain.list();
    let request = |entry: &PluginEntry| entry.request(list, chain.version(), &[]).ok();
    let texts = list.plugins().iter().filter_map(request);
    texts.filter_map(|text| serde_json::from_str::<Value>(&text).ok()).collect()
}

fn lead_through(
    chain: &Chain<'_>,
    options: &Options,
    containers: usize,
    folders: &BTreeSet<PathBuf>,
    report: &Report,
) -> Result<(), Impossible> {
    let mut containers: Vec<_> =
        (0..=containers).map(|number| Container::new(number, &options.ifname)).collect::<Result<_, _>>()?;
    let host = Scene::new(folders).map_err(broken)?;
    let scene = containers.iter().fold(host, |scene, of| scene.container(of.id(), &of.netns));
    let pristine = scene.look().map_err(broken)?;

    skip_or(chain, Command::Status, "status", report, || {
        let _ = chain.status();
    });

    report.step("first container: attach and detach");
    let (first, containers) = containers.split_at_mut(1);
    let mut went_well = first[0].attach(chain, report);
    if went_well {
        first[0].detach(chain, report);
    }
    // What exists now belongs to the network, except for what is in the first container.
    let kept = |snapshot: &Snapshot| since(snapshot, &pristine);
    let is_inside = |item: &String| item.starts_with("c0: ");
    let idle = scene.look_until(|now| !kept(now).iter().any(is_inside)).map_err(broken)?;
    let own: BTreeSet<_> = kept(&idle).into_iter().filter(|item| !is_inside(item)).collect();

    if went_well {
        report.step("attach");
        went_well = containers.iter_mut().all(|container| container.attach(chain, report));
    }
    if went_well {
        let attached = scene.look().map_err(broken)?;
        report.tell(&Event::State { items: since(&attached, &pristine) });
        report.step("traffic");
        exchange(containers, report);
        skip_or(chain, Command::Check, "check", report, || {
            containers.iter().for_each(|container| container.check(chain, report));
        });
        if chain.reason_to_skip(Command::Status).is_none() {
            report.step("status with all attached");
            let _ = chain.status();
        }
        skip_or(chain, Command::Gc, "GC", report, || {});
        collect_garbage(chain, containers, &scene, report)?;
    }

    let attached = containers.iter().filter(|container| container.is_attached()).count();
    let containers = &mut containers[..attached];
    if attached > 0 {
        report.step("detach");
    }
    for n in (0..attached).rev() {
        containers[n].detach(chain, report);
        if n + 1 == attached {
            // GC must not touch the containers that are still attached.
            collect_garbage(chain, &containers[..n], &scene, report)?;
        }
    }
    if went_well {
        report.step("detach again");
        containers.iter_mut().rev().for_each(|container| container.detach(chain, report));
    }

    report.step("left behind");
    let leaked = |now: &Snapshot| -> Vec<String> {
        kept(now).into_iter().filter(|item| !own.contains(item)).collect()
    };
    let last = scene.look_until(|now| leaked(now).is_empty()).map_err(broken)?;
    report.tell(&Event::Left {
        kept: own.iter().filter(|item| last.lines().any(|line| line == item.as_str())).cloned().collect(),
        leaked: leaked(&last),
        missing: since(&pristine, &last).into_iter().filter(|item| !is_set_anew(item, &own)).collect(),
    });
    Ok(())
}

fn since(now: &Snapshot, earlier: &Snapshot) -> Vec<String> {
    now.added_since(earlier).map(str::to_owned).collect()
}

/// Whether this is a setting that the network changes: a sysctl, or the alias of a link, in which plugins record the
/// former name of a device.
fn is_set_anew(item: &str, own: &BTreeSet<String>) -> bool {
    let setting = |item: &str| match item.strip_prefix("sysctl ") {
        Some(sysctl) => sysctl.split_once(" = ").map(|(name, _)| name.to_owned()),
        None => item.split_once(" (").map(|_| without_alias(item)),
    };
    let name = setting(item);
    name.is_some() && own.iter().any(|other| setting(other) == name)
}

fn without_alias(link: &str) -> String {
    link.split_once(", alias \"").map_or(link.to_owned(), |(before, _)| format!("{before})"))
}

/// GC while all attachments are valid. Nothing may change.
fn collect_garbage(
    chain: &Chain<'_>,
    valid: &[Container],
    scene: &Scene,
    report: &Report,
) -> Result<(), Impossible> {
    if chain.reason_to_skip(Command::Gc).is_some() || valid.is_empty() {
        return Ok(());
    }
    let before = scene.look().map_err(broken)?;
    let valid: Vec<Attachment> = valid.iter().map(|container| container.attachment.clone()).collect();
    // The chain's observer reports a failure of a plugin.
    let _ = chain.gc(&valid);
    let after = scene.look_until(|now| *now == before).map_err(broken)?;
    for (what, items) in [("removed", since(&before, &after)), ("made", since(&after, &before))] {
        for item in items {
            report.failure(format!("GC {what} {item}"));
        }
    }
    Ok(())
}

/// Takes a step, or notes why it is skipped. The chain's observer reports a failure of a plugin.
fn skip_or(chain: &Chain<'_>, command: Command, title: &'static str, report: &Report, step: impl FnOnce()) {
    report.step(title);
    match chain.reason_to_skip(command) {
        Some(reason) => report.note(format!("no {command}: {reason}")),
        None => step(),
    }
}

fn missing(plugin: &PluginName, path: &[PathBuf]) -> Impossible {
    let folders: Vec<_> = path.iter().map(|folder: &PathBuf| Path::display(folder).to_string()).collect();
    Impossible(format!(
        "there is no plugin {:?} in {}; --path DIR names another folder, and --build builds plugins of a cargo workspace",
        plugin.as_str(),
        folders.join(", ")
    ))
}
