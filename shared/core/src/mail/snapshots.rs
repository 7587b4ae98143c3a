//! Compares every mail in every language with its reviewed text in the folder `snapshots`, and checks what no mail may
//! contain.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::models::{Language, Role, Timestamp, browser};

const URL: &str = "https://portal.example/#reset=AbCdEf0123456789";
const PORTAL: &str = "https://portal.example";

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_795_350_591_123)
}

fn link() -> Link<'static> {
    Link { url: URL, expires_at: at().plus(std::time::Duration::from_hours(1)) }
}

fn offers<'a>(partner: &'a str, other: &'a str) -> [Offer<'a>; 4] {
    [
        Offer { partner, offered: Offered::Reset(link()) },
        Offer { partner: other, offered: Offered::Invitation(link()) },
        Offer { partner: other, offered: Offered::FirstPassword(link()) },
        Offer { partner: other, offered: Offered::Expired },
    ]
}

/// Every content of a mail with the name of its snapshot.
fn contents<'a>(name: &'a str, offers: &'a [Offer<'a>; 4]) -> Vec<(&'static str, Content<'a>)> {
    let by = By::User(name);
    let role = Role::Manager;
    vec![
        ("invitation", Content::Invitation { by, link: link() }),
        ("password_reset", Content::PasswordReset(&offers[..1])),
        ("password_reset_at_several_partners", Content::PasswordReset(&offers[..])),
        ("password_reset_after_expiry", Content::PasswordReset(&offers[3..])),
        ("email_change", Content::EmailChange(link())),
        ("password_set", Content::PasswordSet(by)),
        ("password_set_by_an_operator", Content::PasswordSet(By::Operator)),
        ("password_changed", Content::PasswordChanged),
        ("password_was_reset", Content::PasswordWasReset),
        ("email_changed", Content::EmailChanged { by, is_new: true }),
        ("own_email_changed", Content::EmailChanged { by: By::You, is_new: false }),
        ("new_sign_in", Content::NewSignIn),
        ("logout_forced", Content::LogoutForced(by)),
        ("own_logout_forced", Content::LogoutForced(By::You)),
        ("suspended", Content::Suspended(By::Admin)),
        ("access_changed", Content::AccessChanged { by, role }),
        ("handed_over", Content::HandedOver { by }),
        ("handed_over_by_you", Content::HandedOver { by: By::You }),
        ("sign_in_blocked", Content::SignInBlocked),
        ("second_factor_added", Content::SecondFactorAdded),
        ("second_factor_removed", Content::SecondFactorRemoved),
        ("second_factor_reset", Content::SecondFactorReset(by)),
        ("second_factor_reset_by_an_operator", Content::SecondFactorReset(By::Operator)),
        ("recovery_code_used", Content::RecoveryCodeUsed),
    ]
}

fn letter<'a>(language: Language, name: &'a str, partner: &'a str, content: Content<'a>) -> Letter<'a> {
    let place = Place { address: Some("192.0.2.7"), browser: Some("Firefox on Windows") };
    Letter { language, name, partner, portal_url: PORTAL, at: at(), place, content }
}

#[test]
fn every_mail_has_its_reviewed_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (reviewed, found) = (folder.join("src/mail/snapshots"), folder.join("../../target/mail-snapshots"));
    fs::create_dir_all(&found).unwrap();
    let offers = offers("Acme", "Globex");
    let mut differing = Vec::new();
    let mut names = BTreeSet::new();
    for language in Language::ALL {
        for (name, content) in contents("Bo Chen", &offers) {
            let Rendered { subject, text, html } = letter(language, "Ann Lee", "Acme", content).render();
            let file = format!("{name}.{language}.txt");
            let mail = format!("Subject: {subject}\n\n{text}\n{html}");
            if fs::read_to_string(reviewed.join(&file)).ok().as_ref() != Some(&mail) {
                differing.push(file.clone());
            }
            fs::write(found.join(&file), mail).unwrap();
            names.insert(file);
        }
    }
    assert!(
        differing.is_empty(),
        "{differing:?} differ from the reviewed mail. If every change is intended, accept it:\n  cp {}/* {}",
        found.display(),
        reviewed.display()
    );
    let kept: BTreeSet<String> =
        fs::read_dir(reviewed).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept, names);
}

#[test]
fn a_mail_without_names_has_complete_sentences() {
    let offers = offers("", "");
    for language in Language::ALL {
        for (name, content) in contents("", &offers) {
            let mut letter = letter(language, "", "", content);
            letter.place = Place::default();
            let Rendered { text, .. } = letter.render();
            assert!(!text.contains("  ") && !text.contains(" ,") && !text.contains("« "), "{name}: {text}");
            assert!(!text.starts_with([' ', ',']), "{name}: {text}");
        }
    }
}

#[test]
fn times_are_written_as_in_the_language() {
    let first = Timestamp::parse("2026-08-01T05:03:00.000Z").unwrap();
    for (language, expected) in
        [(Language::English, "1 August 2026, 05:03 UTC"), (Language::French, "1er août 2026 à 05:03 (UTC)")]
    {
        let letter = Letter { at: first, ..letter(language, "Ann", "Acme", Content::NewSignIn) };
        assert!(letter.render().text.contains(expected), "{}", letter.render().text);
    }
    assert_eq!(browser("curl/8").as_deref(), Some("curl"));
    let app = Place { browser: Some("An app on iPhone"), address: None };
    let letter = Letter { place: app, ..letter(Language::French, "Ann", "Acme", Content::NewSignIn) };
    assert!(letter.render().text.contains("Une application sur iPhone"));
}

/// The tags that a mail consists of.
const TAGS: [&str; 16] = [
    "!doctype", "html", "/html", "head", "/head", "meta", "title", "/title", "body", "/body", "p", "/p", "a", "/a",
    "b", "/b",
];

proptest! {
    #[test]
    fn names_add_no_markup_no_line_and_no_link(
        name in "(\\PC|[<>&\"'/:.@ ]|https://evil\\.example|<script>){0,150}",
        partner in "(\\PC|[<>&\"' ]|www\\.evil\\.example|</p>){0,150}",
        index in 0..24_usize,
    ) {
        let (name, partner) = (mail_name(&name), mail_name(&partner));
        let offers = offers(&partner, &partner);
        let plain_offers = self::offers("x", "x");
        for language in Language::ALL {
            let (_, content) = contents(&name, &offers).swap_remove(index);
            let rendered = letter(language, &name, &partner, content).render();
            let (_, plain) = contents("x", &plain_offers).swap_remove(index);
            let plain = letter(language, "x", "x", plain).render();
            prop_assert_eq!(&rendered.subject, &plain.subject);
            prop_assert_eq!(rendered.text.lines().count(), plain.text.lines().count());
            prop_assert!(!rendered.text.contains("evil.example") && !rendered.html.contains("evil.example"));
            prop_assert_eq!(rendered.html.matches('<').count(), plain.html.matches('<').count());
            for tag in rendered.html.split('<').skip(1) {
                let tag: String = tag.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
                prop_assert!(TAGS.contains(&tag.as_str()) || tag == "br", "{}", tag);
            }
            prop_assert!(!rendered.html.contains("<img") && !rendered.html.contains("<script"));
        }
    }
}
