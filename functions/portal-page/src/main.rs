//! `GET` and `HEAD` of `/` and `/assets/{file+}`: the page for managing users, embedded in the binary. It contains no data of users.
//!
//! `GET /openapi.json` and `GET /reference`: the contract of the API, for programs and for readers.

use portal::BaseApp;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Coding, Request, Stopped, serve_with};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().any_parameter(), portal_page).await
}

/// A file, plain and compressed.
struct File {
    /// The language of a page, the path of a document, or the path of an asset below its folder.
    name: &'static str,
    content_type: &'static str,
    /// A digest of the content, for entity tags.
    digest: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

impl File {
    /// The content in a coding, with its value of `Content-Encoding`.
    fn content(&self, coding: Coding) -> (&'static [u8], Option<&'static str>) {
        match coding {
            Coding::Brotli => (self.brotli, Some("br")),
            Coding::Gzip => (self.gzip, Some("gzip")),
            Coding::Identity => (self.plain, None),
        }
    }
}

// `PAGES`, the page in each of `LANGUAGES`; `DOCUMENTS`, which have a route each; `ASSETS`, the files that these load; and
// `FOLDER`, a digest of the files. The build script generates them.
include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Only the page's own files and its one inline script, no embedding in frames, and no text that becomes markup or code (OWASP
/// ASVS 3.4).
const CONTENT_SECURITY_POLICY: &str = concat!(
    "default-src 'none'; script-src 'self' ",
    inline_script!(),
    "; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
    "require-trusted-types-for 'script'; trusted-types 'none'"
);

const PERMISSIONS_POLICY: &str =
    "camera=(), clipboard-write=(self), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Headers of every response, in addition to those of all functions.
const SECURITY: [(&str, &str); 4] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", PERMISSIONS_POLICY),
];

async fn portal_page(_: &BaseApp, request: Request) -> Result<Answer, Failure> {
    let path = request.path_parameter("file");
    let route = request.route().split_once(' ').map(|(_, path)| path);
    // Browsers revalidate the documents, which name the folder, at every visit. Files of other versions are not found.
    let (files, name, cache, vary) = match (path.as_deref(), route) {
        (None, Some("/")) => {
            let language = request.language(LANGUAGES).or_else(|| LANGUAGES.first().copied());
            (PAGES, language, "no-cache", "accept-encoding, accept-language, cookie")
        }
        (None, route) => (DOCUMENTS, route, "no-cache", "accept-encoding"),
        (Some(path), _) => {
            let name = path.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/'));
            (ASSETS, name, "public, max-age=31536000, immutable", "accept-encoding")
        }
    };
    let file = name.and_then(|name| files.iter().find(|file| file.name == name));
    let answer = match file {
        Some(file) => {
            let (content, coding) = file.content(request.coding());
            let tag = match coding {
                Some(coding) => format!("\"{}-{coding}\"", file.digest),
                None => format!("\"{}\"", file.digest),
            };
            let answer = if request.has_representation(&tag) {
                Answer::not_modified()
            } else {
                let answer = Answer::bytes(200, file.content_type, content);
                coding.into_iter().fold(answer, |answer, coding| answer.with("content-encoding", coding))
            };
            answer.with("etag", tag).with("cache-control", cache).with("vary", vary)
        }
        None => Answer::bytes(404, "text/plain; charset=utf-8", b"There is no such file."),
    };
    Ok(SECURITY.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value)))
}
