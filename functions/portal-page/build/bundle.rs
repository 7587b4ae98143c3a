//! Joins the page's modules into scripts, so that a browser needs one request for all that the first screens need. Each module
//! becomes a function that runs once, in its own scope, and returns its exports. A script exports the exports of each of its
//! modules, by the module's path.
//!
//! The first script has the modules that the entry imports, directly or not. What a module imports by a call, `import("…")`, is
//! in the second script, which the browser loads at the first such call; modules that are named as separate are scripts of
//! their own.
//!
//! Only the statements that the page's modules use are supported: an import or an export begins a line, an import is one
//! line, modules import each other by relative paths without cycles, and only modules of the first script import by a call.
//! Everything else is an error of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A call that imports a module, up to the module's path.
const CALL: &str = "import(\"";

/// The names of the scripts.
pub(crate) struct Scripts<'a> {
    /// The first script, and the module that it runs.
    pub(crate) entry: &'a str,
    /// The second script.
    pub(crate) views: &'a str,
    /// The modules that are scripts of their own.
    pub(crate) separate: &'a [String],
}

/// Returns each script by its name. The keys of `sources` are paths.
pub(crate) fn bundle(
    sources: &BTreeMap<String, String>,
    scripts: &Scripts<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut bundle = Bundle {
        sources,
        scripts,
        places: BTreeMap::new(),
        open: Vec::new(),
        called: BTreeSet::new(),
        script: String::new(),
        used: BTreeSet::new(),
    };
    let mut done = vec![bundle.script(scripts.entry, &[scripts.entry.to_owned()], LOADER)?];
    let called = std::mem::take(&mut bundle.called);
    let (separate, views): (Vec<String>, Vec<String>) =
        called.into_iter().partition(|path| scripts.separate.contains(path));
    if !views.is_empty() {
        done.push(bundle.script(scripts.views, &views, "")?);
    }
    for path in separate {
        done.push(bundle.script(&path, std::slice::from_ref(&path), "")?);
    }
    if let Some(path) = sources.keys().find(|path| !bundle.places.contains_key(*path)) {
        return Err(format!("no module imports {path}"));
    }
    Ok(done)
}

/// The function `$part`, which loads a script and returns the exports of one of its modules. Some browsers do not request a
/// script again that they could not load, so every further attempt has another address.
const LOADER: &str = r#"let $failures = 0;
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
}

impl Bundle<'_> {
    /// Writes the script `place` with these modules and those that they import.
    fn script(&mut self, place: &str, paths: &[String], loader: &str) -> Result<(String, String), String> {
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
        script.push_str(loader);
        script.push_str(&self.script);
        script.extend(["export { ", &exports.join(", "), " };\n"]);
        self.script.clear();
        self.used.clear();
        Ok((place.to_owned(), script))
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
                body.extend(["const ", &import.names, " = ", &name(&from), ";\n"]);
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
        writeln!(self.script, "const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();")
            .map_err(|error| error.to_string())
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
            let script = if self.scripts.separate.contains(&from) { &from } else { self.scripts.views };
            replaced.extend(["$part(\"", script, "\", \"", &from, "\")", rest]);
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
