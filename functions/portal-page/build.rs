//! Packs `assets/` for the binary: leaves out what only people read, compresses each file once, and names their folder by what
//! is in them, so that browsers may keep them for good. One name for all, because modules import each other by relative paths.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The page itself, which names the folder and so cannot be part of its name.
const PAGE: &str = "index.html";

/// What `index.html` says in the folder's place.
const PLACEHOLDER: &str = "{assets}";

/// Bytes of the digest that name the folder.
const NAME_BYTES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=assets");
    #[allow(clippy::disallowed_methods, reason = "this is how cargo tells a build script where to write")]
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut files = Vec::new();
    for entry in fs::read_dir("assets")? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("an asset's name is not UTF-8")?.to_owned();
        let content = without_comments(&fs::read_to_string(path)?);
        files.push((name, content.into_bytes()));
    }
    files.sort();

    let mut digest = Sha256::new();
    for (name, content) in files.iter().filter(|(name, _)| name != PAGE) {
        digest.update(name);
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    let mut folder = String::new();
    for byte in digest.finalize().iter().take(NAME_BYTES) {
        write!(folder, "{byte:02x}")?;
    }

    let mut table = format!("const FOLDER: &str = {folder:?};\nconst FILES: &[File] = &[\n");
    for (name, content) in files {
        let content =
            if name == PAGE { String::from_utf8(content)?.replace(PLACEHOLDER, &folder).into_bytes() } else { content };
        let mut gzip = Vec::new();
        zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, content.as_slice(), &mut gzip)?;
        fs::write(out.join(&name), &content)?;
        fs::write(out.join(format!("{name}.gz")), gzip)?;
        let kind = content_type(&name)?;
        writeln!(
            table,
            "File {{ name: {name:?}, content_type: {kind:?}, plain: include_bytes!({name:?}), gzip: include_bytes!(\"{name}.gz\") }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// The lines without their indentation, and without those that are comments and nothing else. No text of ours has lines.
fn without_comments(source: &str) -> String {
    let mut kept = String::new();
    let mut is_comment = false;
    for line in source.lines().map(str::trim) {
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    kept
}

fn content_type(name: &str) -> Result<&'static str, String> {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some(_) | None => Err(format!("what is {name}?")),
    }
}
