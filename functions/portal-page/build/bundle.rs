//! Joins the page's modules into one script, so that a browser needs one request for all of them. Each module becomes a
//! function that runs once, in its own scope, and returns its exports. The script exports the exports of each module, by the
//! module's path.
//!
//! Only the statements that the page's modules use are supported: an import or an export begins a line, an import is one
//! line, and modules import each other by relative paths without cycles. Everything else is an error of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Joins the module `entry` and the modules that it imports, directly or not. The keys of `sources` are paths.
pub(crate) fn bundle(sources: &BTreeMap<String, String>, entry: &str) -> Result<String, String> {
    let mut bundle = Bundle { sources, script: String::new(), done: BTreeSet::new(), open: Vec::new() };
    bundle.add(entry)?;
    if let Some(path) = sources.keys().find(|path| !bundle.done.contains(*path)) {
        return Err(format!("no module imports {path}"));
    }
    let exports: Vec<String> = sources.keys().map(|path| format!("{} as \"{path}\"", name(path))).collect();
    Ok(format!("{}export {{ {} }};\n", bundle.script, exports.join(", ")))
}

struct Bundle<'a> {
    sources: &'a BTreeMap<String, String>,
    script: String,
    done: BTreeSet<String>,
    /// The modules whose imports are being added.
    open: Vec<String>,
}

impl Bundle<'_> {
    /// Adds a module after the modules that it imports.
    fn add(&mut self, path: &str) -> Result<(), String> {
        if self.open.iter().any(|open| open == path) {
            return Err(format!("{path} imports itself through {}", self.open.join(", ")));
        }
        if self.done.contains(path) {
            return Ok(());
        }
        let source = self.sources.get(path).ok_or_else(|| format!("there is no module {path}"))?;
        self.open.push(path.to_owned());
        let (mut body, mut exports) = (String::new(), Vec::new());
        for line in source.lines() {
            if let Some(import) = line.strip_prefix("import ") {
                let import = Import::parse(import).ok_or_else(|| format!("{path}: unsupported: {line}"))?;
                let from = resolve(path, import.from);
                self.add(&from)?;
                writeln!(body, "const {} = {};", import.names, name(&from)).map_err(|error| error.to_string())?;
            } else if let Some(declaration) = line.strip_prefix("export default ") {
                body.push_str("const $default = ");
                body.push_str(declaration);
                body.push('\n');
                exports.push("default: $default".to_owned());
            } else if let Some(declaration) = line.strip_prefix("export ") {
                exports.push(declared(declaration).ok_or_else(|| format!("{path}: unsupported: {line}"))?.to_owned());
                body.push_str(declaration);
                body.push('\n');
            } else {
                body.push_str(line);
                body.push('\n');
            }
        }
        self.open.pop();
        self.done.insert(path.to_owned());
        let (name, exports) = (name(path), exports.join(", "));
        writeln!(self.script, "const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();")
            .map_err(|error| error.to_string())
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
