//! Closed sets of words, such as roles, permissions and statuses. One list declares the enum, its members and their
//! text forms.

/// Declares an enum with a word for each variant, and implements `ALL`, `as_str`, `parse`, `Display`, `FromStr` and
/// serde with these words.
macro_rules! closed_set {
    (
        $(#[$about:meta])*
        pub enum $name:ident or $error:ident($message:literal) {
            $($(#[$variant_about:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_about])* $variant,)+
        }

        #[doc = concat!("The word is not a member of [`", stringify!($name), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl $name {
            /// All members, in the order of the API contract.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Returns the word that clients see and the store holds.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Returns the member with exactly this word.
            pub fn parse(word: &str) -> Result<Self, $error> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($error),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        crate::models::text_form!($name, $error, as_str);
    };
}

pub(crate) use closed_set;
