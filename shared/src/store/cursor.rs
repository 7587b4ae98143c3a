//! Cursors: positions in a list that are opaque to clients, and valid only for that list.
//!
//! The seal detects changed cursors and cursors of other lists. It is not a secret: the partner is never taken from a
//! cursor, so a client that forges a cursor can only move within its own list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Position;

/// The length of the seal in bytes.
const SEAL: usize = 12;

impl Position {
    /// Returns the position as a cursor. `list` identifies the list by its partner, order and filters.
    pub fn to_cursor(&self, list: &str) -> String {
        let position = match &self.key {
            Some(key) => format!("{}\n{key}", self.sk),
            None => self.sk.clone(),
        };
        let mut bytes = seal(list, position.as_bytes());
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of the same list. Returns `None` for any other text.
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
    // The length separates the list from the position.
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
        fn a_cursor_is_valid_for_its_own_list(list in ".*", sk in "[^\n]+", key in proptest::option::of(".*")) {
            let position = Position { sk, key };
            prop_assert_eq!(Position::from_cursor(&list, &position.to_cursor(&list)), Some(position));
        }

        #[test]
        fn a_cursor_of_another_list_is_rejected(list in ".*", other in ".*", sk in "[^\n]+") {
            prop_assume!(list != other);
            let position = Position { sk, key: None };
            prop_assert_eq!(Position::from_cursor(&other, &position.to_cursor(&list)), None);
        }

        #[test]
        fn a_changed_cursor_is_rejected(sk in "[^\n]{1,40}", at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let cursor = Position { sk, key: None }.to_cursor("list");
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != cursor);
            prop_assert_eq!(Position::from_cursor("list", &changed), None);
        }

        #[test]
        fn a_made_up_cursor_is_rejected(text in ".*") {
            prop_assert_eq!(Position::from_cursor("list", &text), None);
        }
    }
}
