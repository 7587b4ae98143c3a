//! A mail before it is rendered, and its two forms: plain text and simple HTML without images. Both have the same
//! content. Neither contains text that a client chose, except names (see `mail_name`).

use std::fmt::Write as _;

use super::{english, french};
use crate::models::{Language, Role, Timestamp};

/// A mail to one user.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// The language.
    pub language: Language,
    /// The name of the user, from `mail_name`.
    pub name: &'a str,
    /// The name of the partner, from `mail_name`.
    pub partner: &'a str,
    /// The address of the portal's page.
    pub portal_url: &'a str,
    /// The time of the change or of the request.
    pub at: Timestamp,
    /// The client that made the change or the request.
    pub place: Place<'a>,
    /// What the mail is about.
    pub content: Content<'a>,
}

/// Where a request came from. Both are unknown for operators.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The network address.
    pub address: Option<&'a str>,
    /// The name of the program, from `browser`.
    pub browser: Option<&'a str>,
}

/// The actor of a change, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The user who gets the mail.
    You,
    /// A user with this name, from `mail_name`.
    User(&'a str),
    /// A user who no longer exists, or whose name cannot be shown.
    Admin,
    /// An operator of the portal.
    Operator,
}

/// A link in a mail.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// The address, with the token.
    pub url: &'a str,
    /// The time until which the link is valid.
    pub expires_at: Timestamp,
}

/// What a user at one partner can do after a request to reset a password.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The name of the partner, from `mail_name`.
    pub partner: &'a str,
    /// The offer.
    pub offered: Offered<'a>,
}

/// See [`Offer`].
#[derive(Clone, Debug)]
pub enum Offered<'a> {
    /// A link to choose a new password.
    Reset(Link<'a>),
    /// The invitation, which the user has not accepted yet.
    Invitation(Link<'a>),
    /// A link to choose a first password.
    FirstPassword(Link<'a>),
    /// Nothing, because the invitation or the initial password has expired.
    Expired,
}

/// What a mail is about.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// An invitation.
    Invitation {
        /// The user who sent it.
        by: By<'a>,
        /// The link to choose a password.
        link: Link<'a>,
    },
    /// The response to a request to reset a password, with an offer for each partner of the user.
    PasswordReset(&'a [Offer<'a>]),
    /// A link to confirm a new email.
    EmailChange(Link<'a>),
    /// Another user or an operator set a password.
    PasswordSet(By<'a>),
    /// The user changed the password.
    PasswordChanged,
    /// The password was chosen with a mailed link.
    PasswordWasReset,
    /// The email was changed.
    EmailChanged {
        /// The actor.
        by: By<'a>,
        /// Whether this mail goes to the new address.
        is_new: bool,
    },
    /// The user signed in from an unknown source.
    NewSignIn,
    /// All sessions were ended.
    LogoutForced(By<'a>),
    /// The user was suspended.
    Suspended(By<'a>),
    /// The role or the permissions were changed.
    AccessChanged {
        /// The actor.
        by: By<'a>,
        /// The role now.
        role: Role,
    },
    /// The portal was handed over.
    HandedOver {
        /// The previous primary admin.
        by: By<'a>,
    },
    /// Sign-ins from unknown sources are blocked.
    SignInBlocked,
    /// A second factor was added or replaced.
    SecondFactorAdded,
    /// The second factor was removed.
    SecondFactorRemoved,
    /// Another user or an operator removed the second factors.
    SecondFactorReset(By<'a>),
    /// A recovery code was used.
    RecoveryCodeUsed,
}

/// A mail as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, which contains no name.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// A part of a mail.
pub(super) enum Block {
    /// A paragraph.
    Paragraph(String),
    /// A link on a line of its own.
    Link { label: &'static str, url: String },
    /// Short facts, each with its name.
    Facts(Vec<(&'static str, String)>),
}

/// A mail in one language.
pub(super) struct Draft {
    pub(super) subject: &'static str,
    pub(super) blocks: Vec<Block>,
}

impl Draft {
    pub(super) fn new(subject: &'static str) -> Self {
        Self { subject, blocks: Vec::new() }
    }

    pub(super) fn say(&mut self, paragraph: impl Into<String>) -> &mut Self {
        self.blocks.push(Block::Paragraph(paragraph.into()));
        self
    }

    pub(super) fn link(&mut self, label: &'static str, link: &Link<'_>) -> &mut Self {
        self.blocks.push(Block::Link { label, url: link.url.to_owned() });
        self
    }

    pub(super) fn portal(&mut self, label: &'static str, url: &str) -> &mut Self {
        self.blocks.push(Block::Link { label, url: url.to_owned() });
        self
    }

    pub(super) fn facts(&mut self, facts: Vec<(&'static str, String)>) -> &mut Self {
        self.blocks.push(Block::Facts(facts));
        self
    }
}

impl Letter<'_> {
    /// Returns the mail in its language.
    pub fn render(&self) -> Rendered {
        let (draft, separator) = match self.language {
            Language::English => (english::draft(self), ": "),
            // A non-breaking space comes before a colon in French.
            Language::French => (french::draft(self), "\u{a0}: "),
        };
        Rendered {
            subject: draft.subject.to_owned(),
            text: text(&draft, separator),
            html: html(&draft, self.language, separator),
        }
    }
}

fn text(draft: &Draft, separator: &str) -> String {
    let block = |block: &Block| match block {
        Block::Paragraph(paragraph) => paragraph.clone(),
        Block::Link { label, url } => format!("{label}{}\n{url}", separator.trim_end()),
        Block::Facts(facts) => {
            facts.iter().map(|(name, value)| format!("{name}{separator}{value}")).collect::<Vec<_>>().join("\n")
        }
    };
    let mut text = draft.blocks.iter().map(block).collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    text
}

fn html(draft: &Draft, language: Language, separator: &str) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family: sans-serif; line-height: 1.5; max-width: 40em; overflow-wrap: break-word\">\n",
        escape(draft.subject)
    );
    for block in &draft.blocks {
        // Writing to a String cannot fail.
        let _ = match block {
            Block::Paragraph(paragraph) => writeln!(html, "<p>{}</p>", escape(paragraph)),
            Block::Link { label, url } => {
                let url = escape(url);
                writeln!(html, "<p><a href=\"{url}\"><b>{}</b></a><br>{url}</p>", escape(label))
            }
            Block::Facts(facts) => {
                let line = |(name, value): &(&str, String)| format!("{}{separator}{}", escape(name), escape(value));
                writeln!(html, "<p>{}</p>", facts.iter().map(line).collect::<Vec<_>>().join("<br>\n"))
            }
        };
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// Returns the text for HTML, also for an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
