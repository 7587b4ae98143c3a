//! Conditional headers, which compare a resource's version (RFC 9110, 13).

use http::HeaderMap;

/// The entity tags of a condition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`
    Any,
    /// The tags that can match. Weak tags never match in `If-Match`, so they are left out.
    Strong(Vec<String>),
}

impl Tags {
    /// Returns whether the condition holds for this version.
    pub(super) fn hold_for(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Strong(tags) => tags.iter().any(|tag| *tag == version.to_string()),
        }
    }
}

/// Returns the tags in all headers of this name, or `None` if they do not have the form of RFC 9110, 8.8.3.
pub(super) fn tags(headers: &HeaderMap, name: &str) -> Option<Tags> {
    let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    parse(&values?.join(","))
}

fn parse(list: &str) -> Option<Tags> {
    let is_separator = |c: char| matches!(c, ',' | ' ' | '\t');
    if list.trim_matches(is_separator) == "*" {
        return Some(Tags::Any);
    }
    let (mut tags, mut count) = (Vec::new(), 0);
    let mut rest = list.trim_start_matches(is_separator);
    while !rest.is_empty() {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_valid = tag.bytes().all(|byte| byte.is_ascii_graphic());
        let after = after.trim_start_matches([' ', '\t']);
        if !is_valid || !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        count += 1;
        if !is_weak {
            tags.push(tag.to_owned());
        }
        rest = after.trim_start_matches(is_separator);
    }
    (count > 0).then_some(Tags::Strong(tags))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parsed(values: &[&[u8]]) -> Option<Tags> {
        let values = values.iter().map(|value| (http::header::IF_MATCH, HeaderValue::from_bytes(value).unwrap()));
        tags(&values.collect(), "if-match")
    }

    #[test]
    fn a_version_matches_alone_in_a_list_and_in_one_of_several_headers() {
        for values in [&[&b"\"3\""[..]][..], &[b"\"9\" , W/\"3\",\"3\""], &[b"\"9\"", b"\"3\""], &[b"*"], &[b" *,"]] {
            assert!(parsed(values).unwrap().hold_for(3), "{values:?}");
        }
        for values in [&[&b"\"33\""[..]][..], &[b"W/\"3\""], &[b"\"9\"", b"\"2\""], &[b"\"\""], &[b"\"1,*,2\""]] {
            assert!(!parsed(values).unwrap().hold_for(3), "{values:?}");
        }
    }

    #[test]
    fn a_malformed_list_of_tags_is_rejected() {
        for value in
            ["", ",", "3", "\"3", "3\"", "\"9\" \"3\"", "\"9\", *", "*, \"3\"", "* *", "w/\"3\"", "\"3\"x", "\"a b\""]
        {
            assert_eq!(parsed(&[value.as_bytes()]), None, "{value}");
        }
        assert_eq!(parsed(&[b"\"3\xe9\""]), None);
        assert_eq!(parsed(&[b"\"3\"", b"\xe9"]), None);
    }
}
