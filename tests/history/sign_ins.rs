//! Models the possible results of a sign-in and of a response to a challenge.
//!
//! A sign-in first looks the email up, then reads the users, and then commits, so it does not happen at a single point.
//! The users of different partners are independent, with one exception: a password that is right at several partners
//! signs no user in before a partner is chosen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{Person, State};
use crate::operation::{Action, Asks, Challenge, Operation, Reply, asked_user};
use crate::recorder::Commit;

/// The maximum number of codes for one challenge.
const MAX_CODES: usize = 5;

/// An email and a password, and the partners where they are tried.
pub(crate) struct SignIn<'a> {
    email: &'a str,
    password: &'a str,
    partners: Vec<&'a str>,
    names_partner: bool,
}

impl<'a> SignIn<'a> {
    /// A sign-in at this partner, or else at all partners.
    pub(crate) fn new(partner: Option<&'a str>, email: &'a str, password: &'a str, all: &'a BTreeSet<String>) -> Self {
        let partners = partner.map_or_else(|| all.iter().map(String::as_str).collect(), |partner| vec![partner]);
        Self { email, password, partners, names_partner: partner.is_some() }
    }

    /// The users of a partner for whom the password may have been right.
    fn matches<'s>(&self, states: &'s [State], partner: &str) -> Vec<(&'s str, &'s Person)> {
        let mut matches = Vec::new();
        for (index, state) in states.iter().enumerate() {
            let Some(id) = state.holder(partner, self.email) else { continue };
            let persons = states[index..].iter().filter_map(|state| state.users.get(id));
            matches.extend(
                persons.filter(|person| person.is_let_in_by(self.password)).map(|person| (id, person.as_ref())),
            );
        }
        matches
    }

    /// Whether the password may have been wrong at a partner.
    fn may_fail(&self, states: &[State], partner: &str) -> bool {
        states.iter().enumerate().any(|(index, state)| match state.holder(partner, self.email) {
            None => true,
            Some(id) => states[index..]
                .iter()
                .any(|state| state.users.get(id).is_none_or(|person| !person.is_let_in_by(self.password))),
        })
    }

    /// Whether the sign-in may have been refused.
    pub(crate) fn is_refused(&self, states: &[State]) -> bool {
        self.partners.iter().all(|partner| self.may_fail(states, partner))
    }

    /// Whether the committed user may have been the only match of the password, and needed no other step. The last of
    /// `states` is the commit's, at which the user must have no second factor.
    pub(crate) fn is_committed(&self, states: &[State], commit: &Commit) -> bool {
        self.is_only_match(states, |id, person| {
            id == commit.target && !person.must_change && may_lack_factor(states, person)
        }) && states.last().is_some_and(|state| {
            is_valid(state, &commit.target, self.password, generation(commit))
                && state.users.get(&commit.target).is_some_and(|person| person.factors.is_none())
        })
    }

    /// Whether the only match of the password may have needed a proof to add a second factor. The first sign-in of a user
    /// needs none.
    pub(crate) fn needs_proof(&self, states: &[State]) -> bool {
        self.is_only_match(states, |_, person| needs_proof(states, person))
    }

    /// Whether the sign-in may have returned this challenge.
    pub(crate) fn is_challenged(&self, states: &[State], answer: &Value) -> bool {
        if let (Some(user), Some(asks)) = (asked_user(answer), Asks::read(answer)) {
            return self.is_only_match(states, |id, person| id == user && is_asked(&asks, states, person));
        }
        let offered: BTreeSet<&str> = answer["partners"]
            .as_array()
            .map(|partners| partners.iter().filter_map(|partner| partner["id"].as_str()).collect())
            .unwrap_or_default();
        let is_right = |partner: &&str| {
            if offered.contains(partner) {
                !self.matches(states, partner).is_empty()
            } else {
                self.may_fail(states, partner)
            }
        };
        answer["challenge"] == "choose_partner"
            && !self.names_partner
            && offered.len() > 1
            && offered.iter().all(|partner| self.partners.contains(partner))
            && self.partners.iter().all(is_right)
    }

    fn is_only_match(&self, states: &[State], is_it: impl Fn(&str, &Person) -> bool) -> bool {
        self.partners.iter().any(|partner| {
            let others = self.partners.iter().filter(|other| *other != partner);
            self.matches(states, partner).iter().any(|(id, person)| is_it(id, person))
                && others.into_iter().all(|other| self.may_fail(states, other))
        })
    }
}

/// Whether a sign-in of this user may ask for this in some of these states. A second factor comes before a new password.
fn is_asked(asks: &Asks, states: &[State], person: &Person) -> bool {
    match asks {
        Asks::Partner => false,
        Asks::Factor => person.factors.is_some(),
        Asks::Password => person.factors.is_none() && person.must_change,
        Asks::Enrolment(_) => person.factors.is_none() && !person.must_change && may_require_factor(states, person),
    }
}

/// Whether the partner may have required a second factor of this user. A sign-in reads the requirement after the user.
fn may_require_factor(states: &[State], person: &Person) -> bool {
    states.iter().any(|state| state.requires_factor(person))
}

/// Whether this user may have been signed in without a second factor.
fn may_lack_factor(states: &[State], person: &Person) -> bool {
    person.factors.is_none() && states.iter().any(|state| !state.requires_factor(person))
}

fn needs_proof(states: &[State], person: &Person) -> bool {
    let has_signed_in = person.last_sign_in_at.is_some();
    person.factors.is_none() && !person.must_change && has_signed_in && may_require_factor(states, person)
}

/// A user who may have got a challenge, and the state at that time. If the state changes, the challenge is invalid.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Asked<'a> {
    partner: &'a str,
    id: &'a str,
    generation: u64,
    factors_version: u64,
}

impl Asked<'_> {
    /// Whether the challenge is still valid for this user.
    fn is_valid(&self, state: &State, password: &str) -> bool {
        let person = state.users.get(self.id);
        is_valid(state, self.id, password, Some(self.generation))
            && person.is_some_and(|person| person.factors_version == self.factors_version)
    }
}

/// A challenge, and the users who may have got it.
pub(crate) struct Open<'a> {
    challenge: &'a Challenge,
    users: BTreeSet<Asked<'a>>,
}

impl<'a> Open<'a> {
    /// `states` are those of the request that returned the challenge.
    pub(crate) fn new(challenge: &'a Challenge, states: &'a [State]) -> Self {
        let Challenge { asks, email, password, user, offered, .. } = challenge;
        let entry = |(id, person): (&'a str, &'a Person)| Asked {
            partner: person.partner.as_str(),
            id,
            generation: person.generation,
            factors_version: person.factors_version,
        };
        let users = if let Some(user) = user {
            let persons = states.iter().filter_map(|state| state.users.get_key_value(user));
            let asked = persons.filter(|(_, person)| person.is_let_in_by(password) && is_asked(asks, states, person));
            asked.map(|(id, person)| entry((id.as_str(), person.as_ref()))).collect()
        } else {
            let sign_in = SignIn { email, password, partners: Vec::new(), names_partner: false };
            offered.iter().flat_map(|partner| sign_in.matches(states, partner)).map(entry).collect()
        };
        Self { challenge, users }
    }

    fn chosen(&self, reply: &Reply) -> impl Iterator<Item = &Asked<'a>> {
        self.users.iter().filter(move |asked| match reply {
            Reply::Partner(chosen) => *chosen == asked.partner,
            Reply::Password(_) | Reply::Factor(_) | Reply::Passkey { .. } | Reply::Enrolment(_) => true,
        })
    }

    /// Whether the reply may have signed this user in at the last of these states, or changed the password. The states
    /// before are those since the request was sent.
    pub(crate) fn is_committed(&self, states: &[State], reply: &Reply, commit: &Commit) -> bool {
        let Some(state) = states.last() else { return false };
        let Some(person) = state.users.get(&commit.target) else { return false };
        let is_next_right = match (reply, generation(commit)) {
            (Reply::Partner(_), Some(_)) => !person.must_change && may_lack_factor(states, person),
            (Reply::Password(_), Some(_)) => person.must_change && may_lack_factor(states, person),
            // The user has to add a second factor next.
            (Reply::Password(_), None) => {
                person.must_change && person.factors.is_none() && may_require_factor(states, person)
            }
            (Reply::Factor(code), Some(_)) => person.factors.as_ref().is_some_and(|factors| factors.accept(code)),
            (Reply::Passkey { made, is_wrong }, Some(_)) => !is_wrong && person.has_passkey(&made.id),
            (Reply::Enrolment(_), Some(_)) => person.factors.is_none() && !person.must_change,
            (_, None) => false,
        };
        let begun = generation(commit);
        let is_it = |asked: &&Asked<'_>| {
            asked.id == commit.target && begun.is_none_or(|generation| generation == asked.generation)
        };
        is_next_right && self.chosen(reply).filter(is_it).any(|asked| asked.is_valid(state, &self.challenge.password))
    }

    /// Whether the choice of a partner may have led to another challenge.
    pub(crate) fn is_challenged(&self, states: &[State], reply: &Reply, answer: &Value) -> bool {
        let (Some(user), Some(asks)) = (asked_user(answer), Asks::read(answer)) else { return false };
        matches!(reply, Reply::Partner(_))
            && self.chosen(reply).filter(|asked| asked.id == user).any(|asked| {
                let valid = states.iter().filter(|state| asked.is_valid(state, &self.challenge.password));
                let mut persons = valid.filter_map(|state| state.users.get(asked.id));
                persons.any(|person| is_asked(&asks, states, person))
            })
    }

    /// Whether the choice of a partner may have needed a proof to add a second factor.
    pub(crate) fn needs_proof(&self, states: &[State], reply: &Reply) -> bool {
        let persons = self.chosen(reply).flat_map(|asked| states.iter().filter_map(|state| state.users.get(asked.id)));
        matches!(reply, Reply::Partner(_)) && persons.into_iter().any(|person| needs_proof(states, person))
    }

    /// Whether the code may have been wrong or used, or the answer of a passkey is wrong.
    pub(crate) fn is_wrong_code(&self, states: &[State], reply: &Reply) -> bool {
        let code = match reply {
            Reply::Factor(code) => code,
            Reply::Passkey { is_wrong, .. } => return *is_wrong,
            _ => return false,
        };
        self.chosen(reply).any(|asked| {
            let mut persons = states.iter().filter_map(|state| state.users.get(asked.id));
            persons.any(|person| person.factors.as_ref().is_none_or(|factors| !factors.accept(code)))
        })
    }

    /// Whether the challenge may have been invalid for the user that the reply concerns.
    pub(crate) fn is_void(&self, states: &[State], reply: &Reply) -> bool {
        self.chosen(reply).any(|asked| states.iter().any(|state| !asked.is_valid(state, &self.challenge.password)))
    }

    /// Whether the challenge may be void after too many codes. Codes count before they are checked.
    pub(crate) fn has_too_many_codes(&self, operation: &Operation, operations: &[Operation]) -> bool {
        let is_code = |other: &&Operation| {
            matches!(
                &other.action,
                Action::AnswerChallenge { challenge, reply: Reply::Factor(_) | Reply::Enrolment(_) }
                    if challenge.token == self.challenge.token
            ) && other.invoked < operation.responded
                && !std::ptr::eq(*other, operation)
        };
        operations.iter().filter(is_code).count() >= MAX_CODES
    }

    /// Whether another reply may have used the challenge.
    pub(crate) fn is_used(&self, operation: &Operation, operations: &[Operation]) -> bool {
        operations.iter().any(|other| {
            let is_same =
                matches!(&other.action, Action::AnswerChallenge { challenge, .. } if challenge.token == self.challenge.token);
            is_same
                && !std::ptr::eq(other, operation)
                && other.invoked < operation.responded
                && (other.is_granted() || other.is_unknown())
        })
    }
}

/// Whether a user may have been signed in with this passkey alone in the state of the commit.
pub(crate) fn is_committed_with_passkey(state: &State, passkey: &str, commit: &Commit) -> bool {
    state.users.get(&commit.target).is_some_and(|person| {
        person.is_active
            && !person.must_change
            && person.has_passkey(passkey)
            && generation(commit) == Some(person.generation)
    })
}

/// The generation of the session that a sign-in started.
fn generation(commit: &Commit) -> Option<u64> {
    commit.begun.first().map(|(_, live)| live.generation)
}

/// Whether the user can sign in with the password and is in this generation.
fn is_valid(state: &State, id: &str, password: &str, generation: Option<u64>) -> bool {
    let person = state.users.get(id);
    person.is_some_and(|person| person.is_let_in_by(password) && Some(person.generation) == generation)
}
