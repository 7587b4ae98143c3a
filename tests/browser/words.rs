//! The languages: the page uses the browser's language until the user chooses another, and the usual terms of each.

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};
use serde_json::json;

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_language_is_the_browsers_until_the_user_chooses_another() {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").created().await;
    let mut browser = Browser::new(Language::French).await;
    browser.goto("/").await;
    browser.reads("sign_in.do").await;
    browser.sign_in(&partner.owner().email, "pas le mot de passe").await;
    browser.reads("sign_in.wrong").await;
    browser.choose_language(Language::English).await;
    browser.sees("The email or the password is wrong.").await;
    browser.choose_language(Language::French).await;
    browser.sign_in(&partner.owner().email, &partner.owner().password).await;
    for text in ["Ajouter un nouvel utilisateur", "Modifier", "Administrateur principal", "2 utilisateurs", "Jamais"] {
        browser.sees(text).await;
    }
    browser.more("Ann Lee").await;
    browser.sees("Forcer la déconnexion").await;
    browser.sees("Supprimer").await;
    browser.keys(portal_tests::browser::keys::ESCAPE).await;
    browser.edit("Ann Lee").await;
    browser.sees("Enregistrer").await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;

    browser.choose_language(Language::English).await;
    for text in ["Add new user", "Edit", "Primary admin", "2 users", "Never"] {
        browser.sees(text).await;
    }
    browser.reload().await;
    browser.sees("Add new user").await;
    let page = browser.script("return [document.documentElement.lang, document.title]", json!([])).await;
    assert_eq!(page, json!(["en", "Users – Acme Agency – Partner Portal"]));
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn french_words_are_shortened_before_a_vowel_sound() {
    let partner = Partner::new().await;
    partner.owner().add("Élodie", "Martin").created().await;
    let browser = Browser::new(Language::French).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Élodie Martin").await;
    browser.press("users.force_logout").await;
    browser.sees("Forcer la déconnexion d’Élodie Martin ?").await;
    browser.sees("Toutes les sessions d’Élodie Martin se terminent").await;
    for (text, name, expected) in [
        ("Historique de {name}", "Ann", "Historique d’{name}"),
        ("Historique de {name}", "ÉLODIE", "Historique d’{name}"),
        ("De {name}", "Øystein", "D’{name}"),
        ("il faut que {name} sorte", "Anne", "il faut qu’{name} sorte"),
        ("Les sessions de {name}", "Hélène", "Les sessions d’{name}"),
        ("Les sessions de {name}", "Henri", "Les sessions d’{name}"),
        ("Les sessions de {name}", "Henrik", "Les sessions de {name}"),
        ("Les sessions de {name}", "Hassan", "Les sessions de {name}"),
        ("Les sessions de {name}", "Yves", "Les sessions d’{name}"),
        ("Les sessions de {name}", "Yann", "Les sessions de {name}"),
        ("Les sessions de {name}", "Zoé", "Les sessions de {name}"),
        ("Les sessions de {name}", "李", "Les sessions de {name}"),
        ("Le code {name}", "Ann", "Le code {name}"),
        ("Plus de {days} jours", "8", "Plus de {days} jours"),
    ] {
        let values = json!({ "name": name, "days": 8 });
        let elided = browser.evaluate("language.js", "module.elide(...arguments)", json!([text, values])).await;
        assert_eq!(elided, expected, "{name}");
    }
    browser.is_sound().await;
}
