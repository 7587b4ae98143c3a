//! The trace that a request belongs to: `Root=1-5e6722a7-0123456789abcdef01234567`. A root that the client sends is
//! kept, as in API Gateway and Lambda, and is passed on to everything that the function calls.

use axum::http::HeaderMap;

use super::{clock, random};

/// The header that carries the trace id.
const HEADER: &str = "x-amzn-trace-id";

/// The id of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root(String);

impl Root {
    /// The root in a request's headers, or a new one if there is no well-formed one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(Self::read);
        sent.unwrap_or_else(Self::new)
    }

    /// A trace that begins here.
    pub(crate) fn new() -> Self {
        Self(format!("1-{:08x}-{}", clock::since_1970().as_secs(), random::hex::<12>()))
    }

    fn read(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
        let (version, rest) = root.split_once('-')?;
        let (time, id) = rest.split_once('-')?;
        let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (version == "1" && is_hex(time, 8) && is_hex(id, 24)).then(|| Self(root.to_owned()))
    }

    /// The value that the gateway sends.
    pub(crate) fn as_header(&self) -> String {
        format!("Root={}", self.0)
    }

    /// The value that Lambda sends to a function. It begins the function's part of the trace.
    pub(crate) fn for_function(&self) -> String {
        format!("{};Parent={};Sampled=0", self.as_header(), random::hex::<8>())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_root_is_kept_if_it_is_well_formed() {
        const ROOT: &str = "1-5e6722a7-0123456789abcdef01234567";
        let root_of = |sent: String| {
            Root::of(&HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::try_from(sent).unwrap())]))
        };
        for sent in [format!("Root={ROOT}"), format!("Self=1-2-3; Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1")] {
            assert_eq!(root_of(sent.clone()).0, ROOT, "{sent}");
        }
        for sent in [
            "",
            "Root=",
            "Root=1-2-3",
            "Root=2-5e6722a7-0123456789abcdef01234567",
            "1-5e6722a7-0123456789abcdef01234567",
        ] {
            let made = root_of(sent.to_owned());
            assert_ne!(made.0, ROOT, "{sent}");
            assert_eq!(Root::read(&made.as_header()), Some(made), "{sent}");
        }
    }
}
