//! The optional edge in front of the API: a content delivery network that says who the viewer is. It proves itself by a secret
//! header; then, and only then, its word on the viewer counts, and what comes past it is refused. Functions know the secret's
//! digest alone, so their configuration gives nothing away.

use std::net::IpAddr;

use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const SECRET: &str = "x-origin-secret";
const VIEWER_ADDRESS: &str = "x-viewer-address";
const VIEWER_HOST: &str = "x-viewer-host";

/// What the edge has to prove.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// SHA-256 of each secret that counts: two while one takes the other's place, none where there is no edge.
    digests: Vec<String>,
}

/// What the edge says of the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) address: String,
    /// The name of the portal that the client used.
    pub(crate) host: String,
}

/// Who sends a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// There is no edge: the gateway sees the client itself.
    Client,
    /// The edge, for a viewer.
    Edge(Viewer),
    /// A client that bypasses the edge.
    Untrusted,
}

impl Edge {
    /// Reads the digests in hexadecimal, separated by commas.
    pub(crate) fn new(digests: Option<&str>) -> Self {
        let digests = digests.unwrap_or_default().split(',').map(str::trim).filter(|digest| !digest.is_empty());
        Self { digests: digests.map(str::to_ascii_lowercase).collect() }
    }

    pub(crate) fn sender(&self, headers: &HeaderMap) -> Sender {
        if self.digests.is_empty() {
            return Sender::Client;
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_edge = header(SECRET).is_some_and(|secret| self.knows(secret));
        let address = header(VIEWER_ADDRESS).and_then(|address| address.parse::<IpAddr>().ok());
        match (is_edge, address, header(VIEWER_HOST)) {
            (true, Some(address), Some(host)) => {
                Sender::Edge(Viewer { address: address.to_string(), host: host.to_owned() })
            }
            _ => Sender::Untrusted,
        }
    }

    fn knows(&self, secret: &str) -> bool {
        let digest = format!("{:x}", Sha256::digest(secret.as_bytes()));
        self.digests.iter().any(|known| known.as_bytes().ct_eq(digest.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "secret" and of "next".
    const DIGESTS: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b,\
                           c6c1c9a9c8543f1e4cd980064cf1625eeb61a90703b2464fff039f21682508b3";

    fn sender(digests: &str, headers: &[(&'static str, &'static str)]) -> Sender {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Edge::new(Some(digests)).sender(&headers)
    }

    #[test]
    fn without_an_edge_nobodys_word_counts() {
        assert_eq!(sender("", &[("x-origin-secret", "secret"), ("x-viewer-address", "192.0.2.7")]), Sender::Client);
    }

    #[test]
    fn only_the_secret_makes_the_edge() {
        let viewer = [("x-viewer-address", "2001:db8::7"), ("x-viewer-host", "portal.example")];
        let with = |secret| [&[("x-origin-secret", secret)], &viewer[..]].concat();
        let edge = Sender::Edge(Viewer { address: "2001:db8::7".into(), host: "portal.example".into() });
        assert_eq!(sender(DIGESTS, &with("secret")), edge);
        assert_eq!(sender(DIGESTS, &with("next")), edge);
        assert_eq!(sender(DIGESTS, &with("wrong")), Sender::Untrusted);
        assert_eq!(sender(DIGESTS, &with("")), Sender::Untrusted);
        assert_eq!(sender(DIGESTS, &viewer), Sender::Untrusted);
    }

    #[test]
    fn an_edge_that_names_no_viewer_is_none() {
        let secret = ("x-origin-secret", "secret");
        assert_eq!(sender(DIGESTS, &[secret, ("x-viewer-host", "portal.example")]), Sender::Untrusted);
        assert_eq!(sender(DIGESTS, &[secret, ("x-viewer-address", "192.0.2.7")]), Sender::Untrusted);
        let forged = ("x-viewer-address", "192.0.2.7, 192.0.2.8");
        assert_eq!(sender(DIGESTS, &[secret, forged, ("x-viewer-host", "portal.example")]), Sender::Untrusted);
    }
}
