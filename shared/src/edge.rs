//! The optional edge in front of the API: a content delivery network that sends the viewer's address and host in
//! headers. These headers count only in requests with the edge's secret header. If there is an edge, all requests
//! without the secret are rejected. Functions have only the secret's digest, so their configuration does not reveal the
//! secret.

use std::net::IpAddr;

use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const SECRET: &str = "x-origin-secret";
const VIEWER_ADDRESS: &str = "x-viewer-address";
const VIEWER_HOST: &str = "x-viewer-host";

/// The edge, as functions know it.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// The SHA-256 of each valid secret. There are two during a rotation, and none if there is no edge.
    digests: Vec<String>,
}

/// The client's address and host, as the edge sends them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) address: String,
    /// The portal's host name that the client used.
    pub(crate) host: String,
}

/// The sender of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The client itself, because there is no edge.
    Client,
    /// The edge, for a viewer.
    Edge(Viewer),
    /// A client that bypassed the edge.
    Untrusted,
}

impl Edge {
    /// Reads the digests, which are in hexadecimal and separated by commas.
    pub(crate) fn new(digests: Option<&str>) -> Self {
        let digests = digests.unwrap_or_default().split(',').map(str::trim).filter(|digest| !digest.is_empty());
        Self { digests: digests.map(str::to_ascii_lowercase).collect() }
    }

    pub(crate) fn sender(&self, headers: &HeaderMap) -> Sender {
        if self.digests.is_empty() {
            return Sender::Client;
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_edge = header(SECRET).is_some_and(|secret| self.is_valid(secret));
        let address = header(VIEWER_ADDRESS).and_then(|address| address.parse::<IpAddr>().ok());
        match (is_edge, address, header(VIEWER_HOST)) {
            (true, Some(address), Some(host)) => {
                Sender::Edge(Viewer { address: address.to_string(), host: host.to_owned() })
            }
            _ => Sender::Untrusted,
        }
    }

    fn is_valid(&self, secret: &str) -> bool {
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
    fn without_an_edge_its_headers_are_ignored() {
        assert_eq!(sender("", &[("x-origin-secret", "secret"), ("x-viewer-address", "192.0.2.7")]), Sender::Client);
    }

    #[test]
    fn the_edge_is_recognized_only_by_a_valid_secret() {
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
    fn the_secret_without_valid_viewer_headers_is_not_enough() {
        let secret = ("x-origin-secret", "secret");
        assert_eq!(sender(DIGESTS, &[secret, ("x-viewer-host", "portal.example")]), Sender::Untrusted);
        assert_eq!(sender(DIGESTS, &[secret, ("x-viewer-address", "192.0.2.7")]), Sender::Untrusted);
        let forged = ("x-viewer-address", "192.0.2.7, 192.0.2.8");
        assert_eq!(sender(DIGESTS, &[secret, forged, ("x-viewer-host", "portal.example")]), Sender::Untrusted);
    }
}
