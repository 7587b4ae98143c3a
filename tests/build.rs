//! Recompiles the suites whose modules are the files of their folder when a file is added or removed. Cargo knows only the files
//! that it compiled.

fn main() {
    for folder in ["api", "browser"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
