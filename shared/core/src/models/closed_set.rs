//! One way to write a closed set of words (roles, permissions, statuses): the enum, all its members and their text forms from a single list.

/// Declares an enum whose every variant has a word: `ALL`, `as_str`, `parse`, `Display`, `FromStr` and serde as that word.
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

        #[doc = concat!("A word that names no member of [`", stringify!($name), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl $name {
            /// Every member, in the contract's order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word that clients and the store see.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The member of this exact word.
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

        crate::models::text_form::text_form!($name, $error, as_str);
    };
}

pub(super) use closed_set;
