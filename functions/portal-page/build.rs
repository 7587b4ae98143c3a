//! Packs `assets/` for the binary: compresses each file once, and names their folder by what is in them, so that browsers
//! may keep them for good. One name for all, because modules import each other by relative paths.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
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
        files.push((name, fs::read(path)?));
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
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&content)?;
        fs::write(out.join(&name), &content)?;
        fs::write(out.join(format!("{name}.gz")), gzip.finish()?)?;
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

fn content_type(name: &str) -> Result<&'static str, String> {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some(_) | None => Err(format!("what is {name}?")),
    }
}
