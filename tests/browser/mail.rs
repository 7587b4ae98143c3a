//! The HTML of every mail, as a client for mail shows it on a phone and on a screen.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portal_tests::browser::{Browser, Language};
use portal_tests::workspace;
use serde_json::json;

in_both_languages![every_mail_fits_a_phone_and_a_screen];

/// The reviewed HTML of each mail in this language, by the name of the mail.
fn mails(language: Language) -> BTreeMap<String, String> {
    let ending = format!(".{}.txt", language.code());
    let files = fs::read_dir(workspace().join("shared/core/src/mail/snapshots")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(&ending)?.to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let (_, html) = text.split_once("<!doctype html>").unwrap();
            Some((name, format!("<!doctype html>{html}")))
        })
        .collect()
}

async fn every_mail_fits_a_phone_and_a_screen(language: Language) {
    let (browser, mails) = (Browser::new(language).await, mails(language));
    assert!(mails.len() > 12, "{:?}", mails.keys());
    for (name, html) in mails {
        // Real tokens are longer than those of the reviewed mail.
        let html = html.replace("AbCdEf0123456789", &"AbCdEf0123456789".repeat(5));
        browser.goto(&format!("data:text/html;charset=utf-8;base64,{}", BASE64_STANDARD.encode(html))).await;
        for (width, window) in [(320, "-phone"), (1280, "")] {
            browser.resize(width, 700).await;
            browser.screenshot(&format!("mail-{name}-{}{window}", language.code())).await;
            let wide = browser.script("return document.documentElement.scrollWidth - innerWidth", json!([])).await;
            assert!(wide.as_i64().unwrap() <= 0, "{name} is {wide} pixels too wide{window}");
        }
    }
}
