//! Tests the page in a real Chromium, in English and in French. axe checks every state for accessibility. `.ci/browser` runs a core
//! of the tests in Firefox, too.
//!
//! The tests need the tools that `.ci/browser` installs, so they run there and not with every `cargo test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

/// Creates a test for each flow in every language.
macro_rules! in_both_languages {
    ($($flow:ident),+ $(,)?) => {
        mod in_english {
            $(#[tokio::test]
            #[ignore = "needs Chromium"]
            async fn $flow() {
                super::$flow(portal_tests::browser::Language::English).await;
            })+
        }
        mod in_french {
            $(#[tokio::test]
            #[ignore = "needs Chromium"]
            async fn $flow() {
                super::$flow(portal_tests::browser::Language::French).await;
            })+
        }
    };
}

// One module for each file of this folder.
automod::dir!("browser");
