//! Mail in English.

use super::letter::{By, Content, Draft, Letter, Link, Offer, Offered};
use crate::models::{Role, Timestamp};

const PORTAL: &str = "The portal";
const CHOOSE: &str = "Choose a password";
const CHOOSE_NEW: &str = "Choose a new password";
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) fn draft(letter: &Letter<'_>) -> Draft {
    let mut draft = Draft::new(subject(&letter.content));
    draft.say(if letter.name.is_empty() { "Hello,".to_owned() } else { format!("Hello {},", letter.name) });
    match &letter.content {
        Content::Invitation { by, link } => invitation(&mut draft, letter, *by, link),
        Content::PasswordReset(offers) => password_reset(&mut draft, letter, offers),
        Content::EmailChange(link) => email_change(&mut draft, letter, link),
        Content::PasswordSet(by) => password_set(&mut draft, letter, *by),
        Content::PasswordChanged => password_changed(&mut draft, letter),
        Content::PasswordWasReset => password_was_reset(&mut draft, letter),
        Content::EmailChanged { by, is_new } => email_changed(&mut draft, letter, *by, *is_new),
        Content::NewSignIn => new_sign_in(&mut draft, letter),
        Content::LogoutForced(by) => logout_forced(&mut draft, letter, *by),
        Content::Suspended(by) => suspended(&mut draft, letter, *by),
        Content::AccessChanged { by, role } => access_changed(&mut draft, letter, *by, *role),
        Content::HandedOver { by: By::You } => handed_over_by_you(&mut draft, letter),
        Content::HandedOver { by } => handed_over(&mut draft, letter, *by),
        Content::SignInBlocked => sign_in_blocked(&mut draft, letter),
        Content::SecondFactorAdded => second_factor_added(&mut draft, letter),
        Content::SecondFactorRemoved => second_factor_removed(&mut draft, letter),
        Content::SecondFactorReset(by) => second_factor_reset(&mut draft, letter, *by),
        Content::RecoveryCodeUsed => recovery_code_used(&mut draft, letter),
    }
    draft.say("This mail was sent automatically. Replies are not read.");
    draft
}

fn subject(content: &Content<'_>) -> &'static str {
    match content {
        Content::Invitation { .. } => "Your invitation to the partner portal",
        Content::PasswordReset(_) => "Reset your password for the partner portal",
        Content::EmailChange(_) => "Confirm your address for the partner portal",
        Content::PasswordSet(_) => "A new password was set for your account in the partner portal",
        Content::PasswordChanged => "Your password for the partner portal was changed",
        Content::PasswordWasReset => "Your password for the partner portal was reset",
        Content::EmailChanged { .. } => "The email of your account in the partner portal was changed",
        Content::NewSignIn => "New sign-in to your account in the partner portal",
        Content::LogoutForced(_) => "You were signed out of the partner portal",
        Content::Suspended(_) => "Your account in the partner portal was suspended",
        Content::AccessChanged { .. } => "Your access to the partner portal was changed",
        Content::HandedOver { .. } => "The partner portal was handed over",
        Content::SignInBlocked => "Sign-ins to your account in the partner portal are blocked",
        Content::SecondFactorAdded => "A second factor was added to your account in the partner portal",
        Content::SecondFactorRemoved => "The second factor of your account in the partner portal was removed",
        Content::SecondFactorReset(_) => "The second factors of your account in the partner portal were reset",
        Content::RecoveryCodeUsed => "A recovery code of your account in the partner portal was used",
    }
}

fn invitation(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, link: &Link<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} added you to {portal}.", actor(by)))
        .say(format!(
            "Choose a password to get started. The link works once, and is valid until {}.",
            time(link.expires_at)
        ))
        .link(CHOOSE, link)
        .say("You sign in with the address to which this mail was sent.")
        .say(
            "If you did not expect this invitation, ignore this mail. Without the link, the account cannot be \
             used.",
        );
}

fn password_reset(draft: &mut Draft, letter: &Letter<'_>, offers: &[Offer<'_>]) {
    if offers.len() > 1 {
        draft.say(
            "We received a request to reset your password. Your address is used in several portals, so this mail \
             has a part for each of them.",
        );
    } else {
        draft.say("We received a request to reset your password.");
    }
    for offer in offers {
        self::offer(draft, offer);
    }
    draft.facts(facts(letter, true));
    draft.say("If you did not make this request, ignore this mail. Your password stays the same.");
}

fn email_change(draft: &mut Draft, letter: &Letter<'_>, link: &Link<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("You asked to use this address for your account in {portal}."))
        .say(format!(
            "Sign in and confirm the address with this link. It works once, and is valid until {}.",
            time(link.expires_at)
        ))
        .link("Confirm the address", link)
        .say("If you did not ask for this, ignore this mail.");
}

fn password_set(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} set a new password for your account in {portal}. All your sessions have ended.", actor(by)))
        .facts(facts(letter, false))
        .say("If you did not expect this, contact an admin of the portal.");
}

fn password_changed(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("The password of your account in {portal} was changed. Your other sessions have ended."))
        .facts(facts(letter, true))
        .say("If this was not you, reset your password now and inform an admin of the portal.")
        .portal(PORTAL, letter.portal_url);
}

fn password_was_reset(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "A password for your account in {portal} was chosen with a mailed link. All earlier sessions have \
             ended."
        ))
        .facts(facts(letter, true))
        .say(
            "If this was not you, another person can read your mail. Secure your mailbox, reset your password, \
             and inform an admin of the portal.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn email_changed(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, is_new: bool) {
    let portal = portal_of(letter.partner);
    let now =
        if is_new { "You now sign in with this address." } else { "You can no longer sign in with this address." };
    let is_own = by == By::You;
    draft
        .say(format!("{} changed the email of your account in {portal}. {now}", actor(by)))
        .facts(facts(letter, is_own))
        .say("If you did not expect this, inform an admin of the portal now.");
}

fn new_sign_in(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Your account in {portal} was used to sign in from a device and a network that were not used before."
        ))
        .facts(facts(letter, true))
        .say(
            "If this was you, there is nothing to do. If not, change your password now and inform an admin of \
             the portal. A new password ends all other sessions.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn logout_forced(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} ended all sessions of your account in {portal}. You can sign in again.", actor(by)))
        .facts(facts(letter, by == By::You))
        .say("If you did not expect this, contact an admin of the portal.");
}

fn suspended(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} suspended your account in {portal}. You cannot sign in until it is reactivated.", actor(by)))
        .facts(facts(letter, false))
        .say("If you have questions, contact an admin of the portal.");
}

fn access_changed(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, role: Role) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} changed your role or your permissions in {portal}. Your role is now: {}.",
            actor(by),
            role_name(role)
        ))
        .facts(facts(letter, false))
        .say("If you have questions, contact an admin of the portal.");
}

fn handed_over_by_you(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("You handed over {portal} to another admin, who is now its primary admin. You are an admin."))
        .facts(facts(letter, true))
        .say("If this was not you, contact the operator of the portal now.");
}

fn handed_over(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} handed over {portal} to you. You are now its primary admin.", actor(by)))
        .facts(facts(letter, false))
        .say("If you did not expect this, contact the operator of the portal.");
}

fn sign_in_blocked(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "There were too many sign-ins with a wrong password for your account in {portal}. Sign-ins from \
             devices and networks that you have not used before are blocked."
        ))
        .facts(facts(letter, true))
        .say(
            "You can still sign in from a device or a network that you have used before. Otherwise, reset your \
             password. This also ends the block.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_added(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "An authenticator app was added to your account in {portal}. From now on, you need a code of this app or a \
             recovery code to sign in."
        ))
        .facts(facts(letter, true))
        .say("If this was not you, inform an admin of the portal now, who can reset your second factors.")
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_removed(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "The second factor of your account in {portal} was removed. Your password is now enough to sign in. Your \
             other sessions have ended."
        ))
        .facts(facts(letter, true))
        .say("If this was not you, change your password now and inform an admin of the portal.")
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_reset(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} removed the second factors of your account in {portal}. All your sessions have ended. You can add a new \
             second factor after the next sign-in.",
            actor(by)
        ))
        .facts(facts(letter, false))
        .say("If you did not expect this, contact an admin of the portal.");
}

fn recovery_code_used(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "A recovery code of your account in {portal} was used in place of the second factor. It cannot be used again."
        ))
        .facts(facts(letter, true))
        .say(
            "If this was not you, another person has your password and a recovery code. Change your password now, get \
             new recovery codes, and inform an admin of the portal.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn offer(draft: &mut Draft, Offer { partner, offered }: &Offer<'_>) {
    let portal = portal_of(partner);
    match offered {
        Offered::Reset(link) => {
            draft
                .say(format!(
                    "Choose a new password for {portal} with this link. It works once, is valid until {}, and ends all \
                     your sessions.",
                    time(link.expires_at)
                ))
                .link(CHOOSE_NEW, link);
        }
        Offered::Invitation(link) => {
            draft
                .say(format!(
                    "You have not accepted your invitation to {portal} yet. Choose a password with this link. It works \
                     once, and is valid until {}.",
                    time(link.expires_at)
                ))
                .link(CHOOSE, link);
        }
        Offered::FirstPassword(link) => {
            draft
                .say(format!(
                    "You have not chosen a password for {portal} yet. Choose one with this link. It works once, and is \
                     valid until {}.",
                    time(link.expires_at)
                ))
                .link(CHOOSE, link);
        }
        Offered::Expired => {
            draft.say(format!(
                "Your invitation or your first password for {portal} has expired. Ask an admin of the portal for a new one."
            ));
        }
    }
}

fn portal_of(partner: &str) -> String {
    if partner.is_empty() { "the partner portal".to_owned() } else { format!("the portal of {partner}") }
}

fn actor(by: By<'_>) -> &str {
    match by {
        By::You => "You",
        By::User(name) if !name.is_empty() => name,
        By::User(_) | By::Admin => "An admin",
        By::Operator => "An operator",
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::PrimaryAdmin => "primary admin",
        Role::Admin => "admin",
        Role::Manager => "manager",
        Role::Viewer => "viewer",
    }
}

fn facts(letter: &Letter<'_>, with_place: bool) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Time", time(letter.at))];
    if with_place {
        facts.extend(letter.place.browser.map(|browser| ("Browser or program", browser.to_owned())));
        facts.extend(letter.place.address.map(|address| ("Network address", address.to_owned())));
    }
    facts
}

fn time(at: Timestamp) -> String {
    let at = at.in_parts();
    let month = MONTHS.get(usize::from(at.month).saturating_sub(1)).copied().unwrap_or_default();
    format!("{} {month} {}, {:02}:{:02} UTC", at.day, at.year, at.hour, at.minute)
}
