//! Finds the route of a request. The module does no I/O.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::plan;

/// All routes.
pub(crate) struct Routes(Vec<Entry>);

struct Entry {
    route: plan::Route,
    segments: Vec<Segment>,
}

enum Segment {
    Exact(String),
    /// `{user_id}`: one segment.
    Placeholder(String),
    /// `{file+}`: one or more segments, always the last.
    Greedy(String),
}

/// A request's route.
pub(crate) struct Matched<'a> {
    pub(crate) route: &'a plan::Route,
    /// The values of the placeholders, percent-decoded.
    pub(crate) path_parameters: BTreeMap<String, String>,
}

impl Routes {
    pub(crate) fn new(routes: Vec<plan::Route>) -> Self {
        let entry = |route: plan::Route| Entry { segments: parse(&route.path), route };
        Self(routes.into_iter().map(entry).collect())
    }

    /// The most specific route for this method and this path, which is percent-encoded.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        self.0
            .iter()
            .filter(|entry| entry.route.method == method || entry.route.method == "ANY")
            .filter_map(|entry| Some((entry, parameters(&entry.segments, &path)?)))
            .min_by_key(|(entry, _)| (kinds(&entry.segments), entry.route.method == "ANY"))
            .map(|(entry, path_parameters)| Matched { route: &entry.route, path_parameters })
    }
}

fn parse(path: &str) -> Vec<Segment> {
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        None => Segment::Exact(segment.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            None => Segment::Placeholder(name.to_owned()),
            Some(name) => Segment::Greedy(name.to_owned()),
        },
    };
    path.trim_start_matches('/').split('/').map(segment).collect()
}

/// The path's parameters, if the segments match it.
fn parameters(segments: &[Segment], path: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut rest = path;
    for segment in segments {
        let (first, others) = rest.split_first()?;
        let first_decoded = decoded(first);
        rest = others;
        match segment {
            Segment::Exact(text) if *text == first_decoded => {}
            Segment::Placeholder(name) if !first.is_empty() => {
                parameters.insert(name.clone(), first_decoded);
            }
            Segment::Greedy(name) => {
                let all = std::iter::once(*first).chain(others.iter().copied()).collect::<Vec<_>>().join("/");
                if all.is_empty() {
                    return None;
                }
                parameters.insert(name.clone(), decoded(&all));
                rest = &[];
            }
            Segment::Exact(_) | Segment::Placeholder(_) => return None,
        }
    }
    rest.is_empty().then_some(parameters)
}

/// A rank for each segment, compared from left to right. Exact segments rank first.
fn kinds(segments: &[Segment]) -> Vec<u8> {
    let kind = |segment: &Segment| match segment {
        Segment::Exact(_) => 0,
        Segment::Placeholder(_) => 1,
        Segment::Greedy(_) => 2,
    };
    segments.iter().map(kind).collect()
}

/// Percent-decoded text; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |method: &str, path: &str| plan::Route {
            method: method.to_owned(),
            path: path.to_owned(),
            function: format!("{method} {path}"),
            authorizer: None,
        };
        Routes::new(vec![
            route("ANY", "/{everything+}"),
            route("GET", "/"),
            route("GET", "/assets/{file+}"),
            route("ANY", "/v1/users/{user_id}"),
            route("GET", "/v1/users/{user_id}"),
            route("POST", "/v1/users/import"),
            route("GET", "/v1/users"),
        ])
    }

    fn found(method: &str, path: &str) -> Option<(String, Vec<String>)> {
        let routes = routes();
        let matched = routes.find(method, path)?;
        Some((matched.route.function.clone(), matched.path_parameters.into_values().collect()))
    }

    #[test]
    fn the_most_specific_route_wins() {
        for (method, path, function, parameters) in [
            ("GET", "/", "GET /", vec![]),
            ("GET", "/v1/users", "GET /v1/users", vec![]),
            ("GET", "/v1/users/u1", "GET /v1/users/{user_id}", vec!["u1"]),
            ("DELETE", "/v1/users/u1", "ANY /v1/users/{user_id}", vec!["u1"]),
            ("POST", "/v1/users/import", "POST /v1/users/import", vec![]),
            ("GET", "/v1/users/import", "GET /v1/users/{user_id}", vec!["import"]),
            ("GET", "/v1/users/a%2Fb%20c", "GET /v1/users/{user_id}", vec!["a/b c"]),
            ("GET", "/assets/js/app.js", "GET /assets/{file+}", vec!["js/app.js"]),
            ("POST", "/v1/users", "ANY /{everything+}", vec!["v1/users"]),
            ("GET", "/v1/users/", "ANY /{everything+}", vec!["v1/users/"]),
            ("GET", "/assets/", "ANY /{everything+}", vec!["assets/"]),
        ] {
            let parameters: Vec<String> = parameters.into_iter().map(str::to_owned).collect();
            assert_eq!(found(method, path), Some((function.to_owned(), parameters)), "{method} {path}");
        }
    }

    #[test]
    fn an_unknown_route_has_no_match() {
        assert_eq!(found("POST", "/"), None);
        assert_eq!(found("OPTIONS", "*"), None);
    }
}
