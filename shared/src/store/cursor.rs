//! Cursors: a position in a list, opaque to clients, good only for the list that it was made for.
//!
//! The seal is not a secret: the partner is never taken from a cursor, so a forged one could only move within the forger's
//! own list. It tells a changed or foreign cursor from a sound one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Position;

/// Bytes of the seal.
const SEAL: usize = 12;

impl Position {
    /// The position as a cursor of the list that `list` names: the partner and everything that orders and filters.
    pub fn to_cursor(&self, list: &str) -> String {
        let position = match &self.key {
            Some(key) => format!("{}\n{key}", self.sk),
            None => self.sk.clone(),
        };
        let mut bytes = seal(list, position.as_bytes());
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of the same list.
    pub fn from_cursor(list: &str, cursor: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sealed, position) = bytes.split_at_checked(SEAL)?;
        if sealed != seal(list, position) {
            return None;
        }
        let position = std::str::from_utf8(position).ok()?;
        Some(match position.split_once('\n') {
            Some((sk, key)) => Self { sk: sk.to_owned(), key: Some(key.to_owned()) },
            None => Self { sk: position.to_owned(), key: None },
        })
    }
}

fn seal(list: &str, position: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    // The length keeps the two apart.
    hash.update(list.len().to_be_bytes());
    hash.update(list.as_bytes());
    hash.update(position);
    hash.finalize().into_iter().take(SEAL).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_for_its_own_list(list in ".*", sk in "[^\n]+", key in proptest::option::of(".*")) {
            let position = Position { sk, key };
            prop_assert_eq!(Position::from_cursor(&list, &position.to_cursor(&list)), Some(position));
        }

        #[test]
        fn a_foreign_cursor_is_refused(list in ".*", other in ".*", sk in "[^\n]+") {
            prop_assume!(list != other);
            let position = Position { sk, key: None };
            prop_assert_eq!(Position::from_cursor(&other, &position.to_cursor(&list)), None);
        }

        #[test]
        fn a_changed_cursor_is_refused(sk in "[^\n]{1,40}", at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let cursor = Position { sk, key: None }.to_cursor("list");
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != cursor);
            prop_assert_eq!(Position::from_cursor("list", &changed), None);
        }

        #[test]
        fn nothing_a_client_makes_up_is_a_cursor(text in ".*") {
            prop_assert_eq!(Position::from_cursor("list", &text), None);
        }
    }
}
