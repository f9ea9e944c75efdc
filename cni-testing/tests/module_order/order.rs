//! Compares how the modules of a crate use each other with the order that its root states.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{declared_modules, paths, tokens};

/// The heading of the section in the root's documentation that states the order.
const HEADING: &str = "# Order of modules";

/// A module, by its path from the root.
type Name = Vec<String>;

/// Everything that is wrong in the crate with this root, `lib.rs` or `main.rs`.
///
/// The modules of the root may use only those before them in the stated order. In no room, at any depth, may modules use
/// each other in a circle. What stands in the file of a room itself belongs to all of its modules and is not looked at.
pub(crate) fn faults(root: &Path) -> Vec<String> {
    let sources = Sources::read(root);
    let mut faults = Vec::new();
    if let Some(order) = stated_order(root) {
        faults.extend(wrong_names(&order, &sources));
        let place = |module: &String| order.iter().position(|name| name == module);
        for (user, used, file) in sources.uses_in(&[]) {
            if place(&user).zip(place(&used)).is_some_and(|(user, used)| used > user) {
                faults
                    .push(format!("{} is in `{user}` and uses `{used}`, which comes later", file.display()));
            }
        }
    }
    for room in sources.modules.keys() {
        faults.extend(circle(&sources.uses_in(room)));
    }
    faults
}

/// Whether the root states an order.
pub(crate) fn states_order(root: &Path) -> bool {
    stated_order(root).is_some()
}

fn stated_order(root: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(root).unwrap_or_else(|cause| panic!("{}: {cause}", root.display()));
    let docs: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let start = docs.iter().position(|line| *line == HEADING)?;
    let section: Vec<_> =
        docs[start + 1..].iter().take_while(|line| !line.starts_with("# ")).copied().collect();
    let names = section.join(" ");
    Some(names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Modules that the order lacks or names twice, and names in it that are not modules.
fn wrong_names(order: &[String], sources: &Sources) -> Vec<String> {
    let modules: BTreeSet<_> = sources.children(&[]).collect();
    let named: BTreeSet<_> = order.iter().collect();
    let missing = modules.difference(&named).map(|name| format!("the stated order lacks `{name}`"));
    let unknown =
        named.difference(&modules).map(|name| format!("the stated order names `{name}`, not a module"));
    let mut faults: Vec<_> = missing.chain(unknown).collect();
    if named.len() < order.len() {
        faults.push("the stated order names a module twice".to_owned());
    }
    faults
}

/// A circle among these uses, if there is one.
fn circle(uses: &[(String, String, PathBuf)]) -> Option<String> {
    let mut left: Vec<_> = uses.iter().collect();
    // Nobody in a circle is without a use that leads on, so what remains is circles and what leads to them.
    loop {
        let users: BTreeSet<_> = left.iter().map(|(user, ..)| user).collect();
        let count = left.len();
        left.retain(|(_, used, _)| users.contains(used));
        if left.len() == count {
            break;
        }
    }
    let mut steps = vec![*left.first()?];
    while let Some(next) = left.iter().find(|(user, ..)| *user == steps[steps.len() - 1].1) {
        let start = steps.iter().position(|(user, ..)| *user == next.0);
        if let Some(start) = start {
            let steps = steps[start..].iter();
            let shown =
                steps.map(|(user, used, file)| format!("`{user}` uses `{used}` in {}", file.display()));
            return Some(format!("a circle: {}", shown.collect::<Vec<_>>().join(", ")));
        }
        steps.push(next);
    }
    None
}

/// All modules of a crate.
#[derive(Default)]
struct Sources {
    modules: BTreeMap<Name, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// The paths that its code uses, from the root.
    uses: Vec<Name>,
    /// What its names lead to.
    names: BTreeMap<String, Name>,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources = Self::default();
        let folder = root.parent().unwrap_or(Path::new("."));
        sources.add(&[], root, folder);
        sources
    }

    fn add(&mut self, name: &[String], file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|cause| panic!("{}: {cause}", file.display()));
        let tokens = tokens(&text);
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let children = declared_modules(&tokens);
        for path in paths(&tokens) {
            let Some(target) = from_root(name, &path.segments, &children) else { continue };
            if let Some(given) = path.name {
                module.names.insert(given, target.clone());
            }
            module.uses.push(target);
        }
        self.modules.insert(name.to_owned(), module);
        for child in children {
            let name = [name, std::slice::from_ref(&child)].concat();
            let below = folder.join(&child);
            let file = [folder.join(format!("{child}.rs")), below.join("mod.rs")];
            if let Some(file) = file.iter().find(|file| file.is_file()) {
                self.add(&name, file, &below);
            }
        }
    }

    fn children<'a>(&'a self, room: &'a [String]) -> impl Iterator<Item = &'a String> {
        let is_child = |name: &&Name| name.len() == room.len() + 1 && name.starts_with(room);
        self.modules.keys().filter(is_child).filter_map(|name| name.last())
    }

    /// Which module of a room uses which other one, and in which file.
    fn uses_in(&self, room: &[String]) -> Vec<(String, String, PathBuf)> {
        let mut uses = Vec::new();
        for (name, module) in self.modules.iter().filter(|(name, _)| name.starts_with(room)) {
            let Some(user) = name.get(room.len()) else { continue };
            for target in module.uses.iter().map(|path| self.module_of(path)) {
                let used = target.get(room.len()).filter(|used| target.starts_with(room) && *used != user);
                uses.extend(used.map(|used| (user.clone(), used.clone(), module.file.clone())));
            }
        }
        uses
    }

    /// The module that has what a path leads to, re-exports followed.
    fn module_of(&self, path: &[String]) -> Name {
        let mut path = path.to_vec();
        let mut found = 0;
        // Each re-export is followed once, unless they lead in a circle.
        for _ in 0..100 {
            while found < path.len() && self.modules.contains_key(&path[..=found]) {
                found += 1;
            }
            let next = path.get(found).and_then(|name| self.modules.get(&path[..found])?.names.get(name));
            let Some(next) = next.filter(|next| !path.starts_with(next)) else { break };
            path = [next.as_slice(), &path[found + 1..]].concat();
            found = 0;
        }
        path.truncate(found);
        path
    }
}

/// A path as it is from the root; none if it leads out of the crate.
fn from_root(module: &[String], segments: &[String], children: &[String]) -> Option<Name> {
    let (first, rest) = segments.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = &module[..module.len().checked_sub(1)?];
            match rest.first().map(String::as_str) {
                Some("super") => from_root(parent, rest, &[]),
                _ => Some([parent, rest].concat()),
            }
        }
        _ if children.contains(first) => Some([module, segments].concat()),
        _ => None,
    }
}
