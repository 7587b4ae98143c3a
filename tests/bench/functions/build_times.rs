//! Measures build times in separate folders: clean builds, and builds after one changed line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::builds::{cargo, sources};
use crate::{Outcome, folder};

/// A file that all functions depend on, the file of one function, and a line that changes nothing.
const CHANGED: [&str; 2] = ["shared/src/lib.rs", "functions/get-user/src/main.rs"];
const LINE: &str = "\n// One more line.\n";

/// Measures and prints the build times, which takes many minutes.
pub(crate) fn measure() -> Outcome<()> {
    let copy = folder("build-times/sources")?;
    sources(&copy, &BTreeMap::new())?;
    let target = folder("build-times/target")?;
    fs::remove_dir_all(&target)?;
    println!("| build of all functions | minutes |\n|---|---|");
    for (words, options) in [("debug", &["build"][..]), ("release", &["build", "--release"])] {
        println!("| {words}, clean | {:.1} |", build(&copy, &target, options)?);
        for changed in CHANGED {
            let original = fs::read_to_string(copy.join(changed))?;
            fs::write(copy.join(changed), format!("{original}{LINE}"))?;
            println!("| {words}, one line of {changed} changed | {:.1} |", build(&copy, &target, options)?);
        }
    }
    Ok(())
}

fn build(sources: &Path, target: &Path, options: &[&str]) -> Outcome<f64> {
    let began = Instant::now();
    let status = cargo(sources, options).arg("--quiet").env("CARGO_TARGET_DIR", target).status()?;
    if !status.success() {
        return Err("the build failed: see cargo's messages above".into());
    }
    Ok(began.elapsed().as_secs_f64() / 60.0)
}
