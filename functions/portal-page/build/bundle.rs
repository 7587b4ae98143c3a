//! Joins the page's modules into scripts, so that a browser needs one request for all that the first screens need. Each module
//! becomes a function that runs once, in its own scope, and returns its exports. Imported names are constants of the script, so
//! no module may use a global variable of the browser with such a name. A script exports the exports of each of its
//! modules, by the module's path.
//!
//! The first script has the modules that the entry imports, directly or not. What a module imports by a call, `import("…")`, is
//! in a later script, which the browser loads at the first such call. There are a few, and the folder of the called module decides
//! in which one it is. What several of them import is in the first script. Modules that are named as separate are scripts of their
//! own. The templates of a module are in `name.html` beside `name.js`. Those of a later script's modules are in that script, and the
//! document has the others.
//!
//! Only the statements that the page's modules use are supported: an import or an export begins a line, an import is one
//! line, modules import each other by relative paths without cycles, and only modules of the first script import by a call.
//! Everything else is an error of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::templates;

/// A call that imports a module, up to the module's path.
const CALL: &str = "import(\"";

/// The names of the scripts, and a part of the later ones.
pub(crate) struct Scripts<'a> {
    /// The first script, and the module that it runs.
    pub(crate) entry: &'a str,
    /// The later scripts, each with the beginnings of the paths of its called modules. The first one that matches has the module. The
    /// browser loads a script by its name with the document's language, `<name>-en.js`.
    pub(crate) later: &'a [(&'a str, &'a [&'a str])],
    /// Statements that a later script runs before its modules.
    pub(crate) preamble: &'a str,
    /// The modules that are scripts of their own.
    pub(crate) separate: &'a [String],
}

impl Scripts<'_> {
    /// The later script that has a called module.
    fn later_of(&self, path: &str) -> Result<&str, String> {
        let found = self.later.iter().find(|(_, starts)| starts.iter().any(|start| path.starts_with(start)));
        found.map(|(name, _)| *name).ok_or_else(|| format!("no later script has {path}"))
    }
}

/// A script that `bundle` returns.
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) content: String,
    /// The templates of its modules. A later script creates them, and those of the first one are for the document.
    pub(crate) templates: String,
}

/// Joins the modules, and distributes the templates. The keys of `sources` and `markup` are paths.
pub(crate) fn bundle(
    sources: &BTreeMap<String, String>,
    markup: &BTreeMap<String, String>,
    scripts: &Scripts<'_>,
) -> Result<Vec<Script>, String> {
    let mut bundle = Bundle {
        sources,
        markup,
        scripts,
        places: BTreeMap::new(),
        open: Vec::new(),
        called: BTreeSet::new(),
        script: String::new(),
        used: BTreeSet::new(),
        shared: BTreeMap::new(),
    };
    let mut first = shared_by_later(sources, scripts)?;
    first.push(scripts.entry.to_owned());
    let mut done = vec![bundle.script(scripts.entry, &first, LOADER)?];
    let called = std::mem::take(&mut bundle.called);
    let (separate, called): (Vec<String>, Vec<String>) =
        called.into_iter().partition(|path| scripts.separate.contains(path));
    for (name, _) in scripts.later {
        let mut own = Vec::new();
        for path in &called {
            if scripts.later_of(path)? == *name {
                own.push(path.clone());
            }
        }
        done.push(bundle.script(name, &own, scripts.preamble)?);
    }
    for path in separate {
        done.push(bundle.script(&path, std::slice::from_ref(&path), "")?);
    }
    if let Some(path) = sources.keys().find(|path| !bundle.places.contains_key(*path)) {
        return Err(format!("no module imports {path}"));
    }
    if let Some(path) = markup.keys().find(|path| !sources.contains_key(&path.replace(".html", ".js"))) {
        return Err(format!("there is no module for {path}"));
    }
    Ok(done)
}

/// The modules that several later scripts import, directly or not.
fn shared_by_later(sources: &BTreeMap<String, String>, scripts: &Scripts<'_>) -> Result<Vec<String>, String> {
    let (mut first, mut later) = (BTreeSet::new(), BTreeMap::new());
    reach(sources, scripts.entry, &mut first);
    for path in &first {
        let calls = sources.get(path).into_iter().flat_map(|source| source.split(CALL).skip(1));
        for call in calls {
            let called = resolve(path, call.split('"').next().unwrap_or_default());
            if !scripts.separate.contains(&called) {
                reach(sources, &called, later.entry(scripts.later_of(&called)?).or_default());
            }
        }
    }
    let mut counts = BTreeMap::<&String, usize>::new();
    for path in later.values().flatten().filter(|path| !first.contains(*path)) {
        *counts.entry(path).or_default() += 1;
    }
    Ok(counts.into_iter().filter(|(_, count)| *count > 1).map(|(path, _)| path.clone()).collect())
}

/// Adds a module and those that it imports, directly or not.
fn reach(sources: &BTreeMap<String, String>, path: &str, reached: &mut BTreeSet<String>) {
    if !reached.insert(path.to_owned()) {
        return;
    }
    let lines = sources.get(path).into_iter().flat_map(|source| source.lines());
    for import in lines.filter_map(|line| Import::parse(line.strip_prefix("import ")?)) {
        reach(sources, &resolve(path, import.from), reached);
    }
}

/// The function `$part`, which loads a script and returns the exports of one of its modules. Some browsers do not request a
/// script again that they could not load, so every further attempt has another address.
const LOADER: &str = r#"const $document = document.documentElement.lang;
let $failures = 0;
const $part = async (script, path) => {
try {
return (await import(`./${script}${$failures ? `?${$failures}` : ""}`))[path];
} catch (error) {
$failures += 1;
throw error;
}
};
"#;

struct Bundle<'a> {
    sources: &'a BTreeMap<String, String>,
    markup: &'a BTreeMap<String, String>,
    scripts: &'a Scripts<'a>,
    /// The script of each module.
    places: BTreeMap<String, String>,
    /// The modules whose imports are being added.
    open: Vec<String>,
    /// The modules that are imported by a call.
    called: BTreeSet<String>,
    /// The script so far.
    script: String,
    /// The modules of the first script that this script imports.
    used: BTreeSet<String>,
    /// The names that modules of this script import, with the modules that export them.
    shared: BTreeMap<String, String>,
}

impl Bundle<'_> {
    /// Writes the script `place` with these statements, these modules and those that they import.
    fn script(&mut self, place: &str, paths: &[String], preamble: &str) -> Result<Script, String> {
        for path in paths {
            if let Some(other) = self.places.get(path).filter(|other| *other != place) {
                return Err(format!("{path} is imported by a call, but it is a part of {other}"));
            }
            self.add(place, path)?;
        }
        let own = self.places.iter().filter(|(_, other)| *other == place).map(|(path, _)| path);
        let exports: Vec<String> = own.map(|path| format!("{} as \"{path}\"", name(path))).collect();
        let imports: Vec<String> = self.used.iter().map(|path| format!("\"{path}\" as {}", name(path))).collect();
        let mut script = String::new();
        if !imports.is_empty() {
            script = format!("import {{ {} }} from \"./{}\";\n", imports.join(", "), self.scripts.entry);
        }
        script.extend(self.used.iter().map(|path| self.declaration(path)));
        let templates = self.templates(place);
        if place != self.scripts.entry && !templates.is_empty() {
            script.push_str(&templates::script(&templates)?);
        }
        script.push_str(preamble);
        // Names that modules share follow the module that exports them.
        let own: Vec<_> = self.places.iter().filter(|(_, other)| *other == place).map(|(path, _)| path).collect();
        let modules = own.iter().fold(self.script.clone(), |script, path| {
            script.replace(&format!("//{}\n", name(path)), &self.declaration(path))
        });
        script.push_str(&modules);
        script.extend(["export { ", &exports.join(", "), " };\n"]);
        self.script.clear();
        self.used.clear();
        self.shared.clear();
        Ok(Script { name: place.to_owned(), content: script, templates })
    }

    /// The templates of the modules of a script.
    fn templates(&self, place: &str) -> String {
        let is_own = |path: &str| self.places.get(&path.replace(".html", ".js")).is_some_and(|other| other == place);
        self.markup.iter().filter(|(path, _)| is_own(path)).map(|(_, content)| content.as_str()).collect()
    }

    /// Adds a module to the script `place`, after the modules that it imports.
    fn add(&mut self, place: &str, path: &str) -> Result<(), String> {
        if self.open.iter().any(|open| open == path) {
            return Err(format!("{path} imports itself through {}", self.open.join(", ")));
        }
        if let Some(other) = self.places.get(path) {
            if other == place {
                return Ok(());
            }
            if other != self.scripts.entry {
                return Err(format!("{path} would be a part of {place} and of {other}"));
            }
            self.used.insert(path.to_owned());
            return Ok(());
        }
        let source = self.sources.get(path).ok_or_else(|| format!("there is no module {path}"))?;
        self.open.push(path.to_owned());
        let (mut body, mut exports) = (String::new(), Vec::new());
        for line in source.lines() {
            if let Some(import) = line.strip_prefix("import ") {
                let import = Import::parse(import).ok_or_else(|| format!("{path}: unsupported: {line}"))?;
                let from = resolve(path, import.from);
                self.add(place, &from)?;
                let names = self.share(&import.names, &from);
                if !names.is_empty() {
                    body.extend(["const ", &names, " = ", &name(&from), ";\n"]);
                }
                continue;
            }
            let line = self.without_calls(place, path, line)?;
            if let Some(declaration) = line.strip_prefix("export default ") {
                body.push_str("const $default = ");
                body.push_str(declaration);
                exports.push("default: $default".to_owned());
            } else if let Some(declaration) = line.strip_prefix("export ") {
                exports.push(declared(declaration).ok_or_else(|| format!("{path}: unsupported: {line}"))?.to_owned());
                body.push_str(declaration);
            } else {
                body.push_str(&line);
            }
            body.push('\n');
        }
        self.open.pop();
        self.places.insert(path.to_owned(), place.to_owned());
        let (name, exports) = (name(path), exports.join(", "));
        writeln!(self.script, "const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n//{name}")
            .map_err(|error| error.to_string())
    }

    /// Declares the names of an import once in the script, unless they mean the exports of another module there. Returns the
    /// others, as a pattern.
    fn share(&mut self, names: &str, from: &str) -> String {
        let Some(list) = names.strip_prefix("{ ").and_then(|names| names.strip_suffix(" }")) else {
            return names.to_owned();
        };
        let mut others = Vec::new();
        for name in list.split(", ") {
            if name.contains(':') || self.shared.get(name).is_some_and(|module| module != from) {
                others.push(name);
            } else {
                self.shared.insert(name.to_owned(), from.to_owned());
            }
        }
        if others.is_empty() { String::new() } else { format!("{{ {} }}", others.join(", ")) }
    }

    /// The declaration of the names that modules share from this module.
    fn declaration(&self, path: &str) -> String {
        let names = self.shared.iter().filter(|(_, from)| *from == path).map(|(name, _)| name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        if names.is_empty() { String::new() } else { format!("const {{ {names} }} = {};\n", name(path)) }
    }

    /// Returns a line of the module `path` in which calls of `$part` replace those that import a module.
    fn without_calls(&mut self, place: &str, path: &str, line: &str) -> Result<String, String> {
        let mut parts = line.split(CALL);
        let mut replaced = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            if place != self.scripts.entry {
                return Err(format!("{path}: only modules of {} import by a call: {line}", self.scripts.entry));
            }
            let (from, rest) = part.split_once("\")").ok_or_else(|| format!("{path}: unsupported: {line}"))?;
            let from = resolve(path, from);
            let script = if self.scripts.separate.contains(&from) {
                format!("\"{from}\"")
            } else {
                format!("`{}-${{$document}}.js`", self.scripts.later_of(&from)?)
            };
            replaced.extend(["$part(", &script, ", \"", &from, "\")", rest]);
            self.called.insert(from);
        }
        Ok(replaced)
    }
}
/// `import <names> from "<from>";`, as a pattern that takes the names from the exports.
struct Import<'a> {
    names: String,
    from: &'a str,
}

impl<'a> Import<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (names, from) = text.split_once(" from \"")?;
        let from = from.strip_suffix("\";")?;
        let names = match names.strip_prefix("* as ") {
            Some(all) => all.to_owned(),
            None if names.starts_with('{') => names.replace(" as ", ": "),
            None => format!("{{ default: {names} }}"),
        };
        Some(Self { names, from })
    }
}

/// The path of the module that `from` means in the module `path`.
fn resolve(path: &str, from: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in from.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The name of a module's exports in the script.
fn name(path: &str) -> String {
    let stem = path.strip_suffix(".js").unwrap_or(path);
    format!("${}", stem.replace(|sign: char| !sign.is_ascii_alphanumeric(), "_"))
}

/// The name that a declaration declares. It must be constant, because the exports are read once.
fn declared(declaration: &str) -> Option<&str> {
    let rest = ["const ", "function ", "async function ", "class "]
        .iter()
        .find_map(|keyword| declaration.strip_prefix(keyword))?;
    let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || matches!(sign, '_' | '$')))?;
    rest.get(..end).filter(|name| !name.is_empty())
}
