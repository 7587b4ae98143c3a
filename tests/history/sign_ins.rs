//! Models the possible results of a sign-in and of a response to a challenge.
//!
//! A sign-in first looks the email up, then reads the users, and then commits, so it does not happen at a single point.
//! The users of different partners are independent, with one exception: a password that is right at several partners
//! signs no user in before a partner is chosen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{Person, State};
use crate::operation::{Action, Challenge, Operation, Reply, user_to_choose_a_password};
use crate::recorder::Commit;

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

    /// Whether the committed user may have been the only match of the password. The last of `states` is the commit's.
    pub(crate) fn is_committed(&self, states: &[State], commit: &Commit) -> bool {
        self.is_only_match(states, |id, person| id == commit.target && !person.must_change)
            && states.last().is_some_and(|state| is_valid(state, &commit.target, self.password, generation(commit)))
    }

    /// Whether the sign-in may have returned this challenge.
    pub(crate) fn is_challenged(&self, states: &[State], answer: &Value) -> bool {
        if let Some(user) = user_to_choose_a_password(answer) {
            return self.is_only_match(states, |id, person| id == user && person.must_change);
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

/// A challenge, and the users for whom it may have been created, each with the generation at that time.
pub(crate) struct Open<'a> {
    challenge: &'a Challenge,
    users: BTreeSet<(&'a str, &'a str, u64)>,
}

impl<'a> Open<'a> {
    /// `states` are those of the request that returned the challenge.
    pub(crate) fn new(challenge: &'a Challenge, states: &'a [State]) -> Self {
        let Challenge { email, password, user, offered, .. } = challenge;
        let entry = |(id, person): (&'a str, &'a Person)| (person.partner.as_str(), id, person.generation);
        let users = if let Some(user) = user {
            let persons = states.iter().filter_map(|state| state.users.get_key_value(user));
            let asked = persons.filter(|(_, person)| person.is_let_in_by(password) && person.must_change);
            asked.map(|(id, person)| entry((id.as_str(), person.as_ref()))).collect()
        } else {
            let sign_in = SignIn { email, password, partners: Vec::new(), names_partner: false };
            offered.iter().flat_map(|partner| sign_in.matches(states, partner)).map(entry).collect()
        };
        Self { challenge, users }
    }

    fn chosen(&self, reply: &Reply) -> impl Iterator<Item = &(&'a str, &'a str, u64)> {
        self.users.iter().filter(move |(partner, ..)| match reply {
            Reply::Partner(chosen) => chosen == partner,
            Reply::Password(_) => true,
        })
    }

    /// Whether the reply may have signed this user in at that point.
    pub(crate) fn is_committed(&self, state: &State, reply: &Reply, commit: &Commit) -> bool {
        let must_change = matches!(reply, Reply::Password(_));
        let begun = generation(commit);
        let is_it = |(_, id, generation): &&(&str, &str, u64)| *id == commit.target && begun == Some(*generation);
        self.chosen(reply).any(|user| is_it(&user))
            && is_valid(state, &commit.target, &self.challenge.password, begun)
            && state.users.get(&commit.target).is_some_and(|person| person.must_change == must_change)
    }

    /// Whether the choice of a partner may have led to the challenge to choose a password.
    pub(crate) fn is_challenged(&self, states: &[State], reply: &Reply, answer: &Value) -> bool {
        let Some(user) = user_to_choose_a_password(answer) else { return false };
        matches!(reply, Reply::Partner(_))
            && self.chosen(reply).filter(|(_, id, _)| *id == user).any(|(_, id, generation)| {
                states.iter().any(|state| {
                    is_valid(state, id, &self.challenge.password, Some(*generation))
                        && state.users.get(*id).is_some_and(|person| person.must_change)
                })
            })
    }

    /// Whether the challenge may have been invalid for the user that the reply concerns.
    pub(crate) fn is_void(&self, states: &[State], reply: &Reply) -> bool {
        self.chosen(reply).any(|(_, id, generation)| {
            states.iter().any(|state| !is_valid(state, id, &self.challenge.password, Some(*generation)))
        })
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

/// The generation of the session that a sign-in started.
fn generation(commit: &Commit) -> Option<u64> {
    commit.begun.first().map(|(_, generation)| *generation)
}

/// Whether the user can sign in with the password and is in this generation.
fn is_valid(state: &State, id: &str, password: &str, generation: Option<u64>) -> bool {
    let person = state.users.get(id);
    person.is_some_and(|person| person.is_let_in_by(password) && Some(person.generation) == generation)
}
