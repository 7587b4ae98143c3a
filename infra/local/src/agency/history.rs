//! Applies the steps of the story to the people as the functions do: the same policy decides, the same methods change a
//! user, and each change has its event. Only the time is that of the step.

use std::collections::BTreeMap;
use std::time::Duration;

use portal::error::Failure;
use portal::factors::{Factors, Passkey, RecoveryCodes, TotpSecret};
use portal::identity::machine_secret;
use portal::models::{
    Decision, Email, EventAction, Language, MailState, Note, PartnerId, PartnerName, PasskeyName, Permission,
    Permissions, PersonName, Profile, Requirement, Role, SecondFactor, Status, Timestamp, UsedFactor, User, UserId,
};
use portal::passwords::Digests;
use portal::policy::{Action, authorize};
use portal::random;
use portal::review::{Access, reduced};
use portal::store::{Actor, CredentialItem, Event, PartnerItem, RemovedItem, SessionItem, hash};

use super::people::{First, NAME, PEOPLE, Person};
use super::story::{Act, Step};

/// The lifetime of a session: the template's default.
const SESSION_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The addresses of the offices and of a stranger, and the first three parts of those at home (RFC 5737).
const PARIS: &str = "203.0.113.8";
const LONDON: &str = "198.51.100.40";
const STRANGER: &str = "192.0.2.200";
const HOME: &str = "192.0.2";

const COMPUTERS: [&str; 5] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 \
     Edg/143.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
];
const PHONES: [&str; 2] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 \
     Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36",
];

/// A user with what only the portal knows.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) user: User,
    pub(super) credential: CredentialItem,
    /// The last session on the computer and that on the phone.
    pub(super) sessions: Vec<SessionItem>,
    /// The place in [`PEOPLE`], from which the address and the browser follow.
    index: usize,
}

/// The agency at one moment of its story.
pub(super) struct History {
    pub(super) partner_id: PartnerId,
    pub(super) partner: PartnerItem,
    pub(super) members: BTreeMap<&'static str, Member>,
    /// The members who were removed.
    pub(super) removed: Vec<(Member, RemovedItem)>,
    pub(super) events: Vec<Event>,
    /// The digests of the password that all members have.
    digests: Digests,
}

impl History {
    /// Creates the agency with its primary admin.
    pub(super) fn begin(at: Timestamp, digests: Digests) -> Result<Self, Failure> {
        let [founder, ..] = &PEOPLE;
        let partner_id = PartnerId::new(at, random::bytes()?);
        let user = user(founder, &partner_id, at, None)?;
        let user = User { must_change_password: false, ..user };
        let event = Event::new(EventAction::PartnerCreated, at, Actor::operator(None), &user, None, &request_id(0))?
            .changing(None, Some(&user));
        let partner = PartnerItem {
            name: PartnerName::parse(NAME).map_err(|_| wrong(NAME))?,
            primary_admin_id: user.id.clone(),
            user_count: 1,
            created_at: at,
            second_factor: Requirement::default(),
        };
        let credential = CredentialItem::new(digests.clone(), false, at, machine_secret()?);
        let member = Member { user, credential, sessions: Vec::new(), index: 0 };
        let members = BTreeMap::from([(founder.key(), member)]);
        Ok(Self { partner_id, partner, members, removed: Vec::new(), events: vec![event], digests })
    }

    /// Applies a step. Users who are suspended at that time do not sign in.
    pub(super) fn apply(&mut self, at: Timestamp, step: &Step) -> Result<(), Failure> {
        let &Step(_, _, by, whom, act) = step;
        match act {
            Act::IsAdded => self.add(at, by, whom),
            Act::SignsIn if self.member(whom)?.user.status == Status::Suspended => Ok(()),
            Act::SignsIn => self.sign_in(at, whom),
            Act::IsRefused => self.note(at, EventAction::SignInRefused, Actor::Anonymous, whom),
            Act::Bounces => {
                self.note(at, EventAction::MailBounced, Actor::System, whom)?;
                self.members.entry(whom).and_modify(|member| member.user.mail_state = MailState::Bounced);
                Ok(())
            }
            Act::Reviews(decision, note) => self.decide(at, by, whom, decision, note),
            _ => {
                let (after, event) = self.changed(at, by, whom, act)?;
                self.events.push(event);
                self.finish(at, by, whom, after)
            }
        }
    }

    fn member(&self, key: &str) -> Result<&Member, Failure> {
        self.members.get(key).ok_or_else(|| wrong(key))
    }

    /// Returns a member who can act.
    fn actor(&self, key: &str) -> Result<&Member, Failure> {
        let member = self.member(key)?;
        let can_act = member.user.status == Status::Active && member.user.has_begun();
        if can_act { Ok(member) } else { Err(wrong(key)) }
    }

    /// Replaces a person after a change, or removes the person for `None`.
    fn finish(&mut self, at: Timestamp, by: &str, whom: &'static str, after: Option<Member>) -> Result<(), Failure> {
        if let Some(member) = after {
            self.members.insert(whom, member);
        } else if let Some(member) = self.members.remove(whom) {
            let item = RemovedItem::new(&member.user, self.member(by)?.user.id.clone(), at);
            self.removed.push((member, item));
        }
        Ok(())
    }

    fn event(&self, at: Timestamp, action: EventAction, actor: &Member, target: &User) -> Result<Event, Failure> {
        let (address, user) = (office(&actor.user), Actor::user(&actor.user));
        Event::new(action, at, user, target, Some(address), &request_id(self.events.len()))
    }

    /// Records an event that changes no version.
    fn note(&mut self, at: Timestamp, action: EventAction, actor: Actor, whom: &str) -> Result<(), Failure> {
        let address = matches!(actor, Actor::Anonymous).then_some(STRANGER);
        let id = request_id(self.events.len());
        self.events.push(Event::new(action, at, actor, &self.member(whom)?.user, address, &id)?);
        Ok(())
    }

    fn add(&mut self, at: Timestamp, by: &str, whom: &'static str) -> Result<(), Failure> {
        let index = PEOPLE.iter().position(|person| person.key() == whom).ok_or_else(|| wrong(whom))?;
        let person = PEOPLE.get(index).ok_or_else(|| wrong(whom))?;
        let actor = self.actor(by)?;
        let user = user(person, &self.partner_id, at, Some(actor.user.id.clone()))?;
        authorize(&actor.user, &Action::AddUser { role: user.role, permissions: &user.permissions })?;
        let (user, digests) = match person.7 {
            First::Password => (user, self.digests.clone()),
            First::Invitation => {
                let user = User { password_changed_at: None, ..user.invited(at) };
                (user, Digests::without_password(random::bytes()?, random::bytes()?))
            }
        };
        let event = self.event(at, EventAction::UserAdded, actor, &user)?.changing(None, Some(&user));
        let credential = CredentialItem::new(digests, true, at, machine_secret()?);
        self.events.push(event);
        self.members.insert(whom, Member { user, credential, sessions: Vec::new(), index });
        Ok(())
    }

    fn sign_in(&mut self, at: Timestamp, whom: &'static str) -> Result<(), Failure> {
        let mut member = self.member(whom)?.clone();
        let before = member.user.clone();
        if before.must_change_password {
            let (user, action) = match before.invited_at {
                Some(_) => (before.signed_out(at), EventAction::InvitationAccepted),
                None => (before.changed(at), EventAction::PasswordChanged),
            };
            member.user = user.with_new_password(false, at);
            member.credential = member.credential.changed(self.digests.clone(), false, at);
            self.events.push(self.event(at, action, &member, &before)?.changing(Some(&before), Some(&member.user)));
        }
        let (address, user_agent) = member.source();
        let factors = match member.user.second_factor {
            SecondFactor::None => Vec::new(),
            SecondFactor::Totp => vec![UsedFactor::Totp],
            SecondFactor::Passkey => vec![UsedFactor::Passkey],
        };
        member.sessions.retain(|session| session.user_agent != user_agent);
        member.sessions.push(SessionItem {
            generation: member.user.session_generation,
            created_at: at,
            expires_at: at.plus(SESSION_LIFETIME).unix_seconds(),
            address: address.clone(),
            user_agent: user_agent.to_owned(),
            refresh_hash: hash(&random::token()?),
            factors,
            reauthenticated_at: None,
            enrolment: None,
            passkey: None,
        });
        let id = request_id(self.events.len());
        let actor = Actor::user(&before);
        let event = Event::new(EventAction::SessionStarted, at, actor, &before, Some(&address), &id)?;
        self.events.push(event.sorted_last()?);
        member.user = member.user.signed_in(at);
        self.members.insert(whom, member);
        Ok(())
    }

    fn decide(
        &mut self,
        at: Timestamp,
        by: &str,
        whom: &'static str,
        decision: Decision,
        note: &'static str,
    ) -> Result<(), Failure> {
        let before = self.member(whom)?.clone();
        let change = |act| self.changed(at, by, whom, act).map(|(after, event)| (after, Some(event)));
        let (after, change) = match decision {
            Decision::Keep => {
                authorize(&self.actor(by)?.user, &Action::KeepAccess { target: &before.user })?;
                (Some(Member { user: before.user.changed(at), ..before.clone() }), None)
            }
            Decision::Reduce => change(Act::IsReduced)?,
            Decision::Suspend => change(Act::IsSuspended(note))?,
            Decision::Remove => change(Act::IsRemoved)?,
        };
        let actor = self.actor(by)?;
        let after = after.map(|member| Member { user: member.user.reviewed(at, &actor.user), ..member });
        let reviewed = self.event(at, EventAction::AccessReviewed, actor, &before.user)?;
        let reviewed = reviewed.deciding(decision, &before.user, after.as_ref().map(|member| &member.user));
        let reviewed = reviewed.because(Note::parse(note).ok().as_ref()).sorted_last()?;
        self.events.extend(change.into_iter().chain([reviewed]));
        self.finish(at, by, whom, after)
    }

    /// Returns the person after a change, or `None` for a removal, and the event of the change.
    fn changed(&self, at: Timestamp, by: &str, whom: &str, act: Act) -> Result<(Option<Member>, Event), Failure> {
        let (actor, before) = (self.actor(by)?, self.member(whom)?);
        let target = &before.user;
        let allow = |action: Action<'_>| authorize(&actor.user, &action);
        let mut credential = before.credential.clone();
        let mut reason = None;
        let (action, user) = match act {
            Act::Renames(last_name) => {
                allow(Action::EditUser { target, email: false })?;
                let last_name = Some(PersonName::parse(last_name).map_err(|_| wrong(last_name))?);
                (EventAction::UserEdited, User { last_name, ..target.changed(at) })
            }
            Act::SetsEmail(email) => {
                allow(Action::EditUser { target, email: true })?;
                let email = Email::parse(email).map_err(|_| wrong(email))?;
                (EventAction::UserEdited, target.changed(at).with_email(email))
            }
            Act::GetsRole(_) | Act::GetsHistory | Act::IsReduced => {
                let Access { role, permissions } = access_after(target, act).ok_or_else(|| wrong(whom))?;
                allow(Action::SetPermissions { target, role, permissions: &permissions })?;
                (EventAction::PermissionsSet, target.with_access(role, permissions, at))
            }
            Act::IsSuspended(why) => {
                allow(Action::SetStatus { target })?;
                reason = Some(why);
                (EventAction::UserSuspended, User { status: Status::Suspended, ..target.signed_out(at) })
            }
            Act::IsReactivated(why) => {
                allow(Action::SetStatus { target })?;
                reason = Some(why);
                (EventAction::UserReactivated, target.reactivated(at))
            }
            Act::IsRemoved => {
                allow(Action::RemoveUser { target })?;
                let event = self.event(at, EventAction::UserRemoved, actor, target)?;
                return Ok((None, event.changing(Some(target), None)));
            }
            Act::EndsSessions => {
                allow(Action::ForceLogout { target })?;
                (EventAction::LogoutForced, target.signed_out(at))
            }
            Act::SetsPassword => {
                allow(Action::SetPassword { target })?;
                credential = credential.changed(self.digests.clone(), true, at);
                (EventAction::PasswordSet, target.signed_out(at).with_new_password(true, at))
            }
            Act::ChangesPassword => {
                credential = credential.changed(self.digests.clone(), false, at);
                (EventAction::PasswordChanged, target.changed(at).with_new_password(false, at))
            }
            Act::ResetsPassword => {
                credential = credential.changed(self.digests.clone(), false, at);
                (EventAction::PasswordReset, target.signed_out(at).with_new_password(false, at))
            }
            Act::AddsFactor(kind) => {
                credential = credential.with_factors(factors(&target.id, kind, at)?);
                (EventAction::SecondFactorAdded, target.changed(at).with_second_factor(kind))
            }
            Act::ResetsFactors => {
                allow(Action::ResetFactors { target })?;
                credential = credential.with_factors(Factors::default());
                (EventAction::SecondFactorReset, target.signed_out(at).with_second_factor(SecondFactor::None))
            }
            Act::IsInvited => {
                allow(Action::InviteUser { target })?;
                (EventAction::InvitationSent, target.changed(at).invited(at))
            }
            Act::SignsOut => (EventAction::SessionEnded, target.clone()),
            Act::IsAdded | Act::SignsIn | Act::IsRefused | Act::Bounces | Act::Reviews(..) => return Err(wrong(whom)),
        };
        let reason = reason.and_then(|reason| Note::parse(reason).ok());
        let event = self.event(at, action, actor, target)?.changing(Some(target), Some(&user)).because(reason.as_ref());
        let mut sessions = before.sessions.clone();
        if matches!(act, Act::SignsOut) {
            sessions.pop();
        }
        sessions.retain(|session| session.generation == user.session_generation);
        Ok((Some(Member { user, credential, sessions, ..before.clone() }), event))
    }
}

impl Member {
    /// Returns the address and the browser of the next sign-in. Every fourth is on the phone, at home.
    fn source(&self) -> (String, &'static str) {
        let of = |list: &'static [&'static str]| list.get(self.index % list.len()).copied().unwrap_or_default();
        if self.user.sign_ins % 4 == 3 {
            (format!("{HOME}.{}", self.index + 10), of(&PHONES))
        } else {
            (office(&self.user).to_owned(), of(&COMPUTERS))
        }
    }
}

/// Returns the address of the office in which a user works.
fn office(user: &User) -> &'static str {
    match user.language {
        Language::French => PARIS,
        Language::English => LONDON,
    }
}

fn request_id(number: usize) -> String {
    format!("demo-{number}")
}

fn user(person: &Person, partner_id: &PartnerId, at: Timestamp, by: Option<UserId>) -> Result<User, Failure> {
    let &Person(first_name, last_name, email, role, language, ..) = person;
    let name = |text| PersonName::parse(text).map_err(|_| wrong(text));
    let profile = Profile {
        first_name: name(first_name)?,
        last_name: Some(name(last_name)?),
        email: Email::parse(email).map_err(|_| wrong(email))?,
        role,
        permissions: role.default_permissions(),
        must_change_password: true,
    };
    let id = UserId::new(at, random::bytes()?);
    Ok(User { language, ..User::new(id, partner_id.clone(), profile, at, by) })
}

fn access_after(target: &User, act: Act) -> Option<Access> {
    let default = |role: Role| Access { role, permissions: role.default_permissions() };
    match act {
        Act::GetsRole(role) => Some(default(role)),
        Act::GetsHistory => {
            let permissions: Permissions = target.permissions.iter().chain([Permission::AuditRead]).collect();
            Some(Access { role: target.role, permissions })
        }
        _ => reduced(target),
    }
}

/// Returns second factors that no device has: their secrets and keys are random.
fn factors(user: &UserId, kind: SecondFactor, at: Timestamp) -> Result<Factors, Failure> {
    let factors = match kind {
        SecondFactor::None => return Ok(Factors::default()),
        SecondFactor::Totp => Factors::default().with_app(TotpSecret::derived(&random::token()?)?, 0, at),
        SecondFactor::Passkey => Factors::default().with_passkey(Passkey {
            id: random::token()?,
            name: PasskeyName::parse("Touch ID").map_err(|_| wrong("a passkey"))?,
            key: random::token()?,
            counter: 0,
            synced: true,
            transports: vec!["internal".to_owned()],
            added_at: at,
            used_at: None,
        }),
    };
    Ok(factors.with_recovery_codes(user, &RecoveryCodes::generate(&random::bytes()?)))
}

fn wrong(what: &str) -> Failure {
    Failure::bug(&format!("the story of the demo agency is wrong: {what}"))
}
