//! The links in mail. The token in a link lets a client choose a password or confirm an address, once. The portal
//! stores only its hash.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::models::{Email, PartnerId, PendingKind, Status, Timestamp, User, UserId, closed_set};

/// The number of random bytes in a token: 144 bits.
pub const SECRET_BYTES: usize = 18;

/// The number of bytes of an id.
const ID_BYTES: usize = 16;

/// The kind, the partner, the user and the secret. A multiple of three bytes has only one text in Base64.
const TOKEN_BYTES: usize = 1 + 2 * ID_BYTES + SECRET_BYTES;

closed_set! {
    /// What a link is for.
    pub enum LinkKind or UnknownLinkKind("there is no such kind of link") {
        /// A new user chooses their first password.
        Invitation = "invitation",
        /// A user chooses a new password.
        PasswordReset = "password_reset",
        /// A user confirms a new email.
        EmailChange = "email_change",
    }
}

impl LinkKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Invitation => 1,
            Self::PasswordReset => 2,
            Self::EmailChange => 3,
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }

    /// Returns the time at which a link that is sent at `now` expires. `None` if it would have expired already. An
    /// invitation is valid until the same time however often it is sent, and a link to choose a first password no longer
    /// than the initial password.
    pub fn expiry(self, user: &User, now: Timestamp) -> Option<Timestamp> {
        const RESET_LIFETIME: Duration = Duration::from_hours(1);
        const EMAIL_CHANGE_LIFETIME: Duration = Duration::from_hours(24);
        let pending = user.pending().map(|pending| pending.expires_at);
        let expiry = match self {
            Self::Invitation => pending?,
            Self::PasswordReset => {
                let reset = now.plus(RESET_LIFETIME);
                pending.map_or(reset, |pending| pending.min(reset))
            }
            Self::EmailChange => now.plus(EMAIL_CHANGE_LIFETIME),
        };
        (expiry > now).then_some(expiry)
    }
}

/// The state of a user for which a link was sent. In any other state the link is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The generation of sessions.
    generation: u64,
    /// The number of passwords.
    password_version: u64,
    /// The number of invitations, for an invitation.
    invitation: Option<u64>,
    /// The hash of the email, and of the new email that is to be confirmed.
    addresses: String,
}

impl Binding {
    /// Returns the binding of links of this kind in the user's current state. `None` if the user needs no such link: the
    /// user is suspended, has no invitation or, for another kind, has one, or has asked for no new email.
    pub fn of(kind: LinkKind, user: &User) -> Option<Self> {
        let is_invited = user.pending().is_some_and(|pending| pending.kind == PendingKind::Invitation);
        let (is_needed, invitation, new) = match kind {
            LinkKind::Invitation => (is_invited, Some(user.invitations), None),
            LinkKind::PasswordReset => (!is_invited, None, None),
            LinkKind::EmailChange => (user.pending_email.is_some(), None, user.pending_email.as_ref()),
        };
        if !is_needed || user.status != Status::Active {
            return None;
        }
        let addresses = format!("{} {}", user.email.normalized(), new.map_or("", Email::normalized));
        Some(Self {
            generation: user.session_generation,
            password_version: user.password_version,
            invitation,
            addresses: hash(&addresses),
        })
    }
}

/// A text is not the token of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the token of a link")]
pub struct InvalidLinkToken;

/// The token of a link. It names its kind, partner and user, so that the stored item is found by its key. `Debug` hides
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken {
    text: String,
    kind: LinkKind,
    partner: PartnerId,
    user: UserId,
}

impl LinkToken {
    /// Returns a token with this random secret.
    pub fn new(kind: LinkKind, partner: &PartnerId, user: &UserId, secret: [u8; SECRET_BYTES]) -> Self {
        let bytes = [&[kind.byte()][..], &partner.to_bytes(), &user.to_bytes(), &secret].concat();
        Self { text: URL_SAFE_NO_PAD.encode(bytes), kind, partner: partner.clone(), user: user.clone() }
    }

    /// Reads a token.
    ///
    /// # Errors
    /// Returns [`InvalidLinkToken`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidLinkToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidLinkToken)?;
        let bytes: [u8; TOKEN_BYTES] = bytes.try_into().map_err(|_| InvalidLinkToken)?;
        let ([kind], rest) = bytes.split_first_chunk().ok_or(InvalidLinkToken)?;
        let (partner, rest) = rest.split_first_chunk::<ID_BYTES>().ok_or(InvalidLinkToken)?;
        let (user, _) = rest.split_first_chunk::<ID_BYTES>().ok_or(InvalidLinkToken)?;
        Ok(Self {
            text: text.to_owned(),
            kind: LinkKind::of_byte(*kind).ok_or(InvalidLinkToken)?,
            partner: PartnerId::from_bytes(*partner).map_err(|_| InvalidLinkToken)?,
            user: UserId::from_bytes(*user).map_err(|_| InvalidLinkToken)?,
        })
    }

    /// Returns the text, for a mail.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the address of the link. The token is in the fragment, which browsers do not send to a server.
    pub fn url(&self, portal_url: &str) -> String {
        let what = match self.kind {
            LinkKind::Invitation => "invitation",
            LinkKind::PasswordReset => "reset",
            LinkKind::EmailChange => "email",
        };
        format!("{portal_url}/#{what}={}", self.text)
    }

    /// Returns the hash, which is stored.
    pub fn hash(&self) -> String {
        hash(&self.text)
    }

    /// Returns what the link is for.
    pub fn kind(&self) -> LinkKind {
        self.kind
    }

    /// Returns the partner of the user.
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// Returns the user.
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

/// Returns the SHA-256 of a text in 43 characters. This is safe for random tokens.
fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{PENDING_LIFETIME, PersonName, Profile, Role};

    fn now() -> Timestamp {
        Timestamp::from_unix_millis(1_795_350_591_123)
    }

    /// An active user who has chosen a password.
    fn ann() -> User {
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: PersonName::parse("Lee").ok(),
            email: Email::parse("Ann@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.default_permissions(),
            must_change_password: false,
        };
        User::new(UserId::new(now(), [1; 10]), PartnerId::new(now(), [2; 10]), profile, now(), None)
    }

    fn token(kind: LinkKind, secret: u8) -> LinkToken {
        LinkToken::new(kind, &ann().partner_id, &ann().id, [secret; SECRET_BYTES])
    }

    #[test]
    fn a_token_names_its_kind_partner_and_user() {
        for kind in LinkKind::ALL {
            let token = token(kind, 7);
            let parsed = LinkToken::parse(token.expose()).unwrap();
            assert_eq!((parsed.kind(), parsed.partner(), parsed.user()), (kind, &ann().partner_id, &ann().id));
            assert_eq!(parsed, token);
            assert_eq!(token.expose().len(), 68);
            assert!(token.url("https://portal.example").starts_with("https://portal.example/#"));
            assert!(token.url("https://portal.example").ends_with(&format!("={}", token.expose())));
        }
    }

    #[test]
    fn other_texts_are_not_tokens() {
        let valid = token(LinkKind::Invitation, 7);
        let unknown_kind = format!("_{}", &valid.expose()[1..]);
        let no_id = URL_SAFE_NO_PAD.encode([1; TOKEN_BYTES]);
        for text in ["", "token", &valid.expose()[4..], &format!("{}=", valid.expose()), &unknown_kind, &no_id] {
            assert_eq!(LinkToken::parse(text), Err(InvalidLinkToken), "{text}");
        }
    }

    #[test]
    fn debug_hides_the_token_and_tokens_with_other_secrets_have_other_hashes() {
        let (one, other) = (token(LinkKind::Invitation, 1), token(LinkKind::Invitation, 2));
        assert_eq!(format!("{one:?}"), "LinkToken(…)");
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash().len(), 43);
    }

    #[test]
    fn a_link_is_bound_to_generation_password_and_email() {
        let reset = |user: &User| Binding::of(LinkKind::PasswordReset, user);
        let before = reset(&ann());
        assert!(before.is_some());
        let email = |text: &str| Email::parse(text).unwrap();
        for (after, is_same) in [
            (ann().changed(now()), true),
            (ann().signed_in(now()), true),
            (ann().with_email(email("ann@example.com")), true),
            (ann().with_email(email("ann@example.org")), false),
            (ann().signed_out(now()), false),
            (ann().with_new_password(false, now()), false),
            (User { status: Status::Suspended, ..ann() }, false),
        ] {
            assert_eq!(reset(&after) == before, is_same, "{after:?}");
        }
    }

    #[test]
    fn only_links_of_the_last_invitation_are_valid() {
        let invited = |user: &User| Binding::of(LinkKind::Invitation, user);
        assert_eq!(invited(&ann()), None);
        let once = ann().invited(now());
        assert!(invited(&once).is_some());
        assert_ne!(invited(&once.clone().invited(now())), invited(&once));
        assert_eq!(invited(&once.clone().with_new_password(true, now())), None);
        assert_eq!(Binding::of(LinkKind::PasswordReset, &once), None, "an invited user gets the invitation again");
    }

    #[test]
    fn a_link_to_confirm_an_email_is_bound_to_both_addresses() {
        let asked = |text: &str| User { pending_email: Email::parse(text).ok(), ..ann() };
        let bound = |user: &User| Binding::of(LinkKind::EmailChange, user);
        let before = bound(&asked("ann@example.org"));
        assert!(before.is_some());
        assert_eq!(bound(&asked("ANN@example.org")), before);
        assert_ne!(bound(&asked("ann@example.net")), before);
        assert_eq!(bound(&ann()), None);
        assert_eq!(bound(&asked("ann@example.org").signed_out(now())), None);
    }

    #[test]
    fn a_link_expires_with_what_it_is_for() {
        let hours = |count| Some(now().plus(Duration::from_hours(count)));
        assert_eq!(LinkKind::PasswordReset.expiry(&ann(), now()), hours(1));
        assert_eq!(LinkKind::EmailChange.expiry(&ann(), now()), hours(24));
        assert_eq!(LinkKind::Invitation.expiry(&ann(), now()), None);
        let invited = |before: Duration| ann().invited(now().minus(before));
        assert_eq!(LinkKind::Invitation.expiry(&invited(Duration::ZERO), now()), hours(7 * 24));
        let nearly = PENDING_LIFETIME.saturating_sub(Duration::from_mins(1));
        let initial = ann().with_new_password(true, now().minus(nearly));
        assert_eq!(LinkKind::PasswordReset.expiry(&initial, now()), Some(now().plus(Duration::from_mins(1))));
        assert_eq!(LinkKind::Invitation.expiry(&invited(PENDING_LIFETIME), now()), None);
    }

    proptest! {
        #[test]
        fn a_token_that_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 50..53)) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            if let Ok(token) = LinkToken::parse(&text) {
                prop_assert_eq!(token.expose(), &text);
            }
        }
    }
}
