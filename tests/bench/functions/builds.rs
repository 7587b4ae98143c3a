//! Builds the measured programs: our functions as they are deployed, and the programs that they are compared with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Outcome, folder, root};

/// A cargo command without the variables that cargo set for this program.
pub(crate) fn cargo(folder: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).current_dir(folder).stdin(Stdio::null());
    // Cargo sets these variables for this package. Build scripts that watch them would run again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds these packages for release, and copies their binaries to target/bench/programs/`kind`. Building only these
/// packages gives shared crates the same features as SAM's build, without those that the local stack needs.
pub(crate) fn release(kind: &str, workspace: &Path, packages: &[String], options: &[&str]) -> Outcome<()> {
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("building {kind}: {}", packages.join(" "));
    let mut cargo = cargo(workspace, &["build", "--release", "--message-format", "json-render-diagnostics"]);
    cargo.args(options).args(packages.iter().flat_map(|package| ["--package", package])).stdout(Stdio::piped());
    let output = cargo.spawn()?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{kind} does not build: see cargo's messages above").into());
    }
    let to = programs(kind)?;
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(binary) = message["executable"].as_str().map(Path::new) {
            let name = binary.file_name().ok_or("a binary without a name")?;
            let copy = to.join(name);
            // Create a new file, because the old one may still be running.
            let _ = fs::remove_file(&copy);
            fs::copy(binary, copy)?;
        }
    }
    Ok(())
}

/// The folder of the programs of one kind.
pub(crate) fn programs(kind: &str) -> Outcome<PathBuf> {
    folder(&format!("programs/{kind}"))
}

/// Builds the floor in its own workspace, with the root's manifest and so with the same versions, features and profile.
pub(crate) fn floor(no_build: bool) -> Outcome<()> {
    const PACKAGES: [&str; 2] = ["floor", "floor-read"];
    if no_build {
        return Ok(());
    }
    let workspace = folder("floor")?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    overwrite(&workspace.join("Cargo.toml"), with_members(&manifest, &PACKAGES)?.as_bytes())?;
    lock(&workspace)?;
    for package in PACKAGES {
        copy_folder(&peers().join(package), &workspace.join(package), &|_| None)?;
    }
    release("floor", &workspace, &PACKAGES.map(str::to_owned), &[])
}

/// The additional dependency of the naive build.
const AWS_CONFIG: &str = "aws-config = \"=1.13.0\"";

/// Replacement files, by their path in the workspace.
type Overlay = BTreeMap<PathBuf, String>;

/// Copies the functions and the shared crates to a workspace without the local stack and the tests, and replaces the
/// files of the overlay.
pub(crate) fn sources(workspace: &Path, overlay: &Overlay) -> Outcome<()> {
    for part in ["shared", "functions"] {
        copy_folder(&root().join(part), &workspace.join(part), &|path| {
            overlay.get(path.strip_prefix(workspace).unwrap_or(path))
        })?;
    }
    let manifest = match overlay.get(Path::new("Cargo.toml")) {
        Some(manifest) => manifest.clone(),
        None => functions_manifest()?,
    };
    overwrite(&workspace.join("Cargo.toml"), manifest.as_bytes())?;
    lock(workspace)
}

fn functions_manifest() -> Outcome<String> {
    with_members(&fs::read_to_string(root().join("Cargo.toml"))?, &["shared", "shared/core", "functions/*"])
}

/// Builds the naive workspace: the same functions with the SDKs' default clients and cargo's default profile.
pub(crate) fn naive(functions: &[String], no_build: bool) -> Outcome<()> {
    if no_build {
        return Ok(());
    }
    let workspace = folder("naive")?;
    let naive = |file: &str| fs::read_to_string(peers().join("naive").join(file));
    let shared = fs::read_to_string(root().join("shared/Cargo.toml"))?;
    let shared = shared.replacen("[dependencies]\n", "[dependencies]\naws-config.workspace = true\n", 1);
    let overlay = [
        ("Cargo.toml", naive_manifest(&functions_manifest()?)?),
        ("shared/Cargo.toml", shared),
        ("shared/src/clients.rs", naive("clients.rs")?),
        ("shared/src/connector.rs", naive("connector.rs")?),
    ];
    sources(&workspace, &overlay.map(|(path, text)| (PathBuf::from(path), text)).into())?;
    release("naive", &workspace, functions, &[]).map_err(|error| {
        let hint =
            "The naive build replaces files in shared/ with those in tests/bench/peers/naive. They may no longer fit.";
        format!("{error}\n{hint}").into()
    })
}

/// The manifest with the SDKs' default features and only cargo's profile.
fn naive_manifest(manifest: &str) -> Outcome<String> {
    const OTHER: &str = "the naive build cannot parse the root manifest";
    let (kept, profiles) = manifest.split_once("[profile.").ok_or(OTHER)?;
    if profiles.contains("[workspace") {
        return Err(OTHER.into());
    }
    let mut kept = kept.replacen("[workspace.dependencies]\n", &format!("[workspace.dependencies]\n{AWS_CONFIG}\n"), 1);
    for sdk in ["aws-sdk-dynamodb", "aws-sdk-cognitoidentityprovider"] {
        let line = kept.lines().find(|line| line.starts_with(&format!("{sdk} = "))).ok_or(OTHER)?;
        let version = line.split("version = \"").nth(1).and_then(|rest| rest.split('"').next()).ok_or(OTHER)?;
        kept = kept.replace(line, &format!("{sdk} = \"{version}\""));
    }
    Ok(format!("{kept}[profile.release]\nstrip = true\n"))
}

fn with_members(manifest: &str, members: &[&str]) -> Outcome<String> {
    let line =
        manifest.lines().find(|line| line.starts_with("members = ")).ok_or("the root manifest names no members")?;
    let manifest = manifest.replace(line, &format!("members = {members:?}"));
    Ok(manifest
        .lines()
        .filter(|line| !line.starts_with("exclude = "))
        .fold(String::new(), |all, line| all + line + "\n"))
}

/// Copies the product's Cargo.lock. Cargo adds the additional packages of an overlay once.
fn lock(workspace: &Path) -> Outcome<()> {
    let ours = fs::read_to_string(root().join("Cargo.lock"))?;
    let copied = workspace.join("Cargo.lock.copied");
    if fs::read_to_string(&copied).ok().as_ref() != Some(&ours) {
        fs::write(workspace.join("Cargo.lock"), &ours)?;
        fs::write(copied, &ours)?;
    }
    Ok(())
}

/// Copies a folder, with the replacements of `instead`. Unchanged files are not written, so that cargo compiles only
/// changes.
fn copy_folder<'a>(from: &Path, to: &Path, instead: &impl Fn(&Path) -> Option<&'a String>) -> Outcome<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        names.insert(entry.file_name(), entry.path());
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !names.contains_key(&entry.file_name()) {
            if entry.path().is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
    }
    for (name, path) in names {
        let to = to.join(name);
        if path.is_dir() {
            copy_folder(&path, &to, instead)?;
        } else {
            match instead(&to) {
                Some(text) => overwrite(&to, text.as_bytes())?,
                None => overwrite(&to, &fs::read(path)?)?,
            }
        }
    }
    Ok(())
}

fn overwrite(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if fs::read(path).ok().as_deref() != Some(bytes) {
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// The folder of the peers' sources.
pub(crate) fn peers() -> PathBuf {
    root().join("tests/bench/peers")
}

/// Bundles the Node peers and returns the path of node, or `None` if node is not installed.
pub(crate) fn node(no_build: bool) -> Outcome<Option<PathBuf>> {
    let Some(node) = found("node") else { return Ok(None) };
    let folder = folder("node")?;
    if !no_build {
        let is_new = install(&peers().join("node"), &folder, "package-lock.json")?;
        if is_new {
            run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder))?;
            fs::write(folder.join(".installed"), fs::read(folder.join("package-lock.json"))?)?;
        }
        run(Command::new("npm").args(["run", "--silent", "build"]).current_dir(&folder).stderr(Stdio::null()))?;
    }
    Ok(Some(node))
}

/// Installs the Python peers and returns their interpreter, or `None` if python3 is not installed.
pub(crate) fn python(no_build: bool) -> Outcome<Option<PathBuf>> {
    let Some(python) = found("python3") else { return Ok(None) };
    let folder = folder("python")?;
    let inner = folder.join("venv/bin/python");
    if !no_build {
        let is_new = install(&peers().join("python"), &folder, "requirements.txt")?;
        if is_new {
            run(Command::new(python).args(["-m", "venv", "venv"]).current_dir(&folder))?;
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
            run(Command::new(&inner).args(install).current_dir(&folder))?;
            fs::write(folder.join(".installed"), fs::read(folder.join("requirements.txt"))?)?;
        }
    }
    Ok(Some(inner))
}

/// Copies sources. Returns whether their dependencies must be installed.
fn install(from: &Path, to: &Path, versions: &str) -> Outcome<bool> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to, &|_| None)?;
        } else {
            overwrite(&to, &fs::read(entry.path())?)?;
        }
    }
    Ok(fs::read(to.join(".installed")).ok() != Some(fs::read(from.join(versions))?))
}

/// The absolute path of a program, because functions have a different PATH.
fn found(program: &str) -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}

fn run(command: &mut Command) -> Outcome<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
