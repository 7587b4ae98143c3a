//! Mail in French. A non-breaking space comes before colons and semicolons, and inside quotation marks.

use super::letter::{By, Content, Draft, Letter, Link, Offer, Offered};
use crate::models::{Role, Timestamp};

const PORTAL: &str = "Le portail";
const CHOOSE: &str = "Choisir un mot de passe";
const CHOOSE_NEW: &str = "Choisir un nouveau mot de passe";
const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

pub(super) fn draft(letter: &Letter<'_>) -> Draft {
    let mut draft = Draft::new(subject(&letter.content));
    draft.say(if letter.name.is_empty() { "Bonjour,".to_owned() } else { format!("Bonjour {},", letter.name) });
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
    draft.say("Cet e-mail a été envoyé automatiquement. Les réponses ne sont pas lues.");
    draft
}

fn subject(content: &Content<'_>) -> &'static str {
    match content {
        Content::Invitation { .. } => "Votre invitation au portail partenaires",
        Content::PasswordReset(_) => "Réinitialisez votre mot de passe du portail partenaires",
        Content::EmailChange(_) => "Confirmez votre adresse pour le portail partenaires",
        Content::PasswordSet(_) => "Un nouveau mot de passe a été défini pour votre compte du portail partenaires",
        Content::PasswordChanged => "Votre mot de passe du portail partenaires a été modifié",
        Content::PasswordWasReset => "Votre mot de passe du portail partenaires a été réinitialisé",
        Content::EmailChanged { .. } => "L’adresse e-mail de votre compte du portail partenaires a été modifiée",
        Content::NewSignIn => "Nouvelle connexion à votre compte du portail partenaires",
        Content::LogoutForced(_) => "Vos sessions du portail partenaires ont pris fin",
        Content::Suspended(_) => "Votre compte du portail partenaires a été suspendu",
        Content::AccessChanged { .. } => "Votre accès au portail partenaires a été modifié",
        Content::HandedOver { .. } => "Le portail partenaires a été transmis",
        Content::SignInBlocked => "Les connexions à votre compte du portail partenaires sont bloquées",
        Content::SecondFactorAdded => "Un second facteur a été ajouté à votre compte du portail partenaires",
        Content::SecondFactorRemoved => "Le second facteur de votre compte du portail partenaires a été supprimé",
        Content::SecondFactorReset(_) => {
            "Les seconds facteurs de votre compte du portail partenaires ont été réinitialisés"
        }
        Content::RecoveryCodeUsed => "Un code de récupération de votre compte du portail partenaires a été utilisé",
    }
}

fn invitation(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, link: &Link<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} vous a donné accès au {portal}.", actor(by)))
        .say(format!(
            "Choisissez un mot de passe pour commencer. Le lien ne fonctionne qu’une fois et reste valable \
             jusqu’au {}.",
            time(link.expires_at)
        ))
        .link(CHOOSE, link)
        .say("Vous vous connecterez avec l’adresse à laquelle cet e-mail a été envoyé.")
        .say(
            "Si vous n’attendiez pas cette invitation, ignorez cet e-mail. Sans le lien, le compte ne peut pas \
             être utilisé.",
        );
}

fn password_reset(draft: &mut Draft, letter: &Letter<'_>, offers: &[Offer<'_>]) {
    if offers.len() > 1 {
        draft.say(
            "Nous avons reçu une demande de réinitialisation de votre mot de passe. Votre adresse est utilisée sur \
             plusieurs portails : cet e-mail comporte une partie pour chacun d’eux.",
        );
    } else {
        draft.say("Nous avons reçu une demande de réinitialisation de votre mot de passe.");
    }
    for offer in offers {
        self::offer(draft, offer);
    }
    draft.facts(facts(letter, true));
    draft
        .say("Si vous n’êtes pas à l’origine de cette demande, ignorez cet e-mail. Votre mot de passe reste inchangé.");
}

fn email_change(draft: &mut Draft, letter: &Letter<'_>, link: &Link<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("Vous avez demandé à utiliser cette adresse pour votre compte sur le {portal}."))
        .say(format!(
            "Connectez-vous et confirmez l’adresse avec ce lien. Il ne fonctionne qu’une fois et reste valable \
             jusqu’au {}.",
            time(link.expires_at)
        ))
        .link("Confirmer l’adresse", link)
        .say("Si vous n’avez rien demandé, ignorez cet e-mail.");
}

fn password_set(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} a défini un nouveau mot de passe pour votre compte sur le {portal}. Toutes vos sessions ont pris \
             fin.",
            actor(by)
        ))
        .facts(facts(letter, false))
        .say("Si vous ne vous y attendiez pas, contactez un administrateur du portail.");
}

fn password_changed(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Le mot de passe de votre compte sur le {portal} a été modifié. Vos autres sessions ont pris fin."
        ))
        .facts(facts(letter, true))
        .say(
            "Si ce n’était pas vous, réinitialisez dès maintenant votre mot de passe et prévenez un \
             administrateur du portail.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn password_was_reset(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Un mot de passe a été choisi pour votre compte sur le {portal} à l’aide d’un lien reçu par e-mail. \
             Toutes les sessions précédentes ont pris fin."
        ))
        .facts(facts(letter, true))
        .say(
            "Si ce n’était pas vous, une autre personne peut lire vos e-mails. Sécurisez votre messagerie, \
             réinitialisez votre mot de passe et prévenez un administrateur du portail.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn email_changed(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, is_new: bool) {
    let portal = portal_of(letter.partner);
    let now = if is_new {
        "Vous vous connectez désormais avec cette adresse."
    } else {
        "Vous ne pouvez plus vous connecter avec cette adresse."
    };
    let who = if by == By::You { "Vous avez modifié".to_owned() } else { format!("{} a modifié", actor(by)) };
    draft
        .say(format!("{who} l’adresse e-mail de votre compte sur le {portal}. {now}"))
        .facts(facts(letter, by == By::You))
        .say("Si vous ne vous y attendiez pas, prévenez dès maintenant un administrateur du portail.");
}

fn new_sign_in(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Une connexion à votre compte sur le {portal} a eu lieu depuis un appareil et un réseau qui n’avaient \
             pas encore été utilisés."
        ))
        .facts(facts(letter, true))
        .say(
            "Si c’était vous, il n’y a rien à faire. Sinon, changez dès maintenant votre mot de passe et \
             prévenez un administrateur du portail. Un nouveau mot de passe met fin à toutes les autres \
             sessions.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn logout_forced(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    let who = if by == By::You { "Vous avez mis fin".to_owned() } else { format!("{} a mis fin", actor(by)) };
    draft
        .say(format!("{who} à toutes les sessions de votre compte sur le {portal}. Vous pouvez vous reconnecter."))
        .facts(facts(letter, by == By::You))
        .say("Si vous ne vous y attendiez pas, contactez un administrateur du portail.");
}

fn suspended(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} a suspendu votre compte sur le {portal}. Vous ne pourrez pas vous connecter tant qu’il n’aura pas \
             été réactivé.",
            actor(by)
        ))
        .facts(facts(letter, false))
        .say("Pour toute question, contactez un administrateur du portail.");
}

fn access_changed(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>, role: Role) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} a modifié votre rôle ou vos autorisations sur le {portal}. Votre rôle est désormais\u{a0}: {}.",
            actor(by),
            role_name(role)
        ))
        .facts(facts(letter, false))
        .say("Pour toute question, contactez un administrateur du portail.");
}

fn handed_over_by_you(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Vous avez transmis le {portal} à un autre administrateur, qui en est désormais l’administrateur \
             principal. Vous avez maintenant le rôle d’administrateur."
        ))
        .facts(facts(letter, true))
        .say("Si ce n’était pas vous, contactez dès maintenant l’opérateur du portail.");
}

fn handed_over(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!("{} vous a transmis le {portal}. Vous en êtes désormais l’administrateur principal.", actor(by)))
        .facts(facts(letter, false))
        .say("Si vous ne vous y attendiez pas, contactez l’opérateur du portail.");
}

fn sign_in_blocked(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Trop de connexions à votre compte sur le {portal} ont été tentées avec un mot de passe erroné. Les \
             connexions depuis des appareils et des réseaux que vous n’avez pas encore utilisés sont bloquées."
        ))
        .facts(facts(letter, true))
        .say(
            "Vous pouvez toujours vous connecter depuis un appareil ou un réseau que vous avez déjà utilisé. \
             Sinon, réinitialisez votre mot de passe. Cela lève aussi le blocage.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_added(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Une application d’authentification a été ajoutée à votre compte sur le {portal}. Vous avez désormais \
             besoin d’un code de cette application ou d’un code de récupération pour vous connecter."
        ))
        .facts(facts(letter, true))
        .say(
            "Si ce n’était pas vous, prévenez dès maintenant un administrateur du portail, qui peut réinitialiser \
             vos seconds facteurs.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_removed(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Le second facteur de votre compte sur le {portal} a été supprimé. Votre mot de passe suffit désormais pour \
             vous connecter. Vos autres sessions ont pris fin."
        ))
        .facts(facts(letter, true))
        .say(
            "Si ce n’était pas vous, changez dès maintenant votre mot de passe et prévenez un administrateur du \
             portail.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn second_factor_reset(draft: &mut Draft, letter: &Letter<'_>, by: By<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "{} a supprimé les seconds facteurs de votre compte sur le {portal}. Toutes vos sessions ont pris fin. Vous \
             pourrez ajouter un nouveau second facteur après votre prochaine connexion.",
            actor(by)
        ))
        .facts(facts(letter, false))
        .say("Si vous ne vous y attendiez pas, contactez un administrateur du portail.");
}

fn recovery_code_used(draft: &mut Draft, letter: &Letter<'_>) {
    let portal = portal_of(letter.partner);
    draft
        .say(format!(
            "Un code de récupération de votre compte sur le {portal} a été utilisé à la place du second facteur. Il ne \
             peut plus être utilisé."
        ))
        .facts(facts(letter, true))
        .say(
            "Si ce n’était pas vous, une autre personne a votre mot de passe et un code de récupération. Changez dès \
             maintenant votre mot de passe, demandez de nouveaux codes de récupération et prévenez un administrateur du \
             portail.",
        )
        .portal(PORTAL, letter.portal_url);
}

fn offer(draft: &mut Draft, Offer { partner, offered }: &Offer<'_>) {
    let portal = portal_of(partner);
    match offered {
        Offered::Reset(link) => {
            draft
                .say(format!(
                    "Choisissez un nouveau mot de passe pour le {portal} avec ce lien. Il ne fonctionne qu’une fois, reste \
                     valable jusqu’au {} et met fin à toutes vos sessions.",
                    time(link.expires_at)
                ))
                .link(CHOOSE_NEW, link);
        }
        Offered::Invitation(link) => {
            draft
                .say(format!(
                    "Vous n’avez pas encore accepté votre invitation au {portal}. Choisissez un mot de passe avec ce lien. \
                     Il ne fonctionne qu’une fois et reste valable jusqu’au {}.",
                    time(link.expires_at)
                ))
                .link(CHOOSE, link);
        }
        Offered::FirstPassword(link) => {
            draft
                .say(format!(
                    "Vous n’avez pas encore choisi de mot de passe pour le {portal}. Choisissez-en un avec ce lien. Il ne \
                     fonctionne qu’une fois et reste valable jusqu’au {}.",
                    time(link.expires_at)
                ))
                .link(CHOOSE, link);
        }
        Offered::Expired => {
            draft.say(format!(
                "Votre invitation ou votre premier mot de passe pour le {portal} a expiré. Demandez-en un nouveau à un \
                 administrateur du portail."
            ));
        }
    }
}

/// Quotation marks avoid an elision before the name, which depends on how it is pronounced.
fn portal_of(partner: &str) -> String {
    if partner.is_empty() { "portail partenaires".to_owned() } else { format!("portail «\u{a0}{partner}\u{a0}»") }
}

fn actor(by: By<'_>) -> &str {
    match by {
        By::User(name) if !name.is_empty() => name,
        By::You | By::User(_) | By::Admin => "Un administrateur",
        By::Operator => "Un opérateur",
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::PrimaryAdmin => "administrateur principal",
        Role::Admin => "administrateur",
        Role::Manager => "gestionnaire",
        Role::Viewer => "lecteur",
    }
}

fn facts(letter: &Letter<'_>, with_place: bool) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Date et heure", time(letter.at))];
    if with_place {
        facts.extend(letter.place.browser.map(|name| ("Navigateur ou programme", browser(name))));
        facts.extend(letter.place.address.map(|address| ("Adresse réseau", address.to_owned())));
    }
    facts
}

fn browser(name: &str) -> String {
    let (client, system) = name.split_once(" on ").map_or((name, None), |(client, system)| (client, Some(system)));
    let client = if client == "An app" { "Une application" } else { client };
    system.map_or_else(|| client.to_owned(), |system| format!("{client} sur {system}"))
}

fn time(at: Timestamp) -> String {
    let at = at.in_parts();
    let month = MONTHS.get(usize::from(at.month).saturating_sub(1)).copied().unwrap_or_default();
    let day = if at.day == 1 { "1er".to_owned() } else { at.day.to_string() };
    format!("{day} {month} {} à {:02}:{:02} (UTC)", at.year, at.hour, at.minute)
}
