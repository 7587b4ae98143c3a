//! Adds users until the time is up, as many in each transaction as fit.
//!
//! Once a user has been added, the response reports every row, because only the response contains the passwords. If a
//! failure affects all remaining rows, the request fails only when no user has been added yet.

use std::mem;
use std::time::Duration;

use portal::actions::{Call, FirstPassword, MAX_ADDED_AT_ONCE, MAX_INVITED_AT_ONCE, Newcomer};
use portal::error::{Cause, Failure};
use portal::http::{Answer, Format, MAX_ATTEMPTS, PartProblem, Request};
use portal::models::{Email, EventAction, PersonName, PublicUser, Role, User};
use portal::passwords::{Digests, Issued};
use portal::policy::{Action, authorize};
use portal::random;
use portal::store::{CredentialItem, Import, Imported, ItemKey, Key};
use serde::Serialize;

use crate::input::{Input, Person};
use crate::kept::Kept;

/// The part of the function's time that is reserved for the commit when another password is hashed.
const COMMIT_RESERVE: Duration = Duration::from_secs(4);

/// The part of the function's time that is reserved for the response.
const REPORT_RESERVE: Duration = Duration::from_millis(500);

/// The columns of a CSV response.
const COLUMNS: [&str; 7] = ["line", "first_name", "last_name", "email", "role", "outcome", "generated_password"];

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    rows: usize,
    ignored_columns: &'a [String],
    results: Vec<RowResult<'a>>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Added,
    /// The partner has a user with this email.
    Exists,
    /// The caller may not add this user.
    Refused,
    /// It is not known whether the user has been added. A retry is safe.
    Unavailable,
}

/// The result for one row.
#[derive(Serialize)]
struct RowResult<'a> {
    line: u64,
    email: &'a Email,
    outcome: Outcome,
    user: Option<PublicUser<'a>>,
    generated_password: Option<&'a str>,
    problem: Option<&'a PartProblem>,
}

/// The result for one row, as a row of a CSV response.
#[derive(Serialize)]
struct CsvRowResult<'a> {
    line: u64,
    first_name: &'a PersonName,
    last_name: Option<&'a PersonName>,
    email: &'a Email,
    role: Role,
    outcome: Outcome,
    generated_password: Option<&'a str>,
}

/// The state of one row.
enum RowState {
    /// Added by this request or, under the same key, by an earlier one. The user is absent if it has been removed
    /// since, and the password is absent if the portal may no longer replace it.
    Added(Option<Box<User>>, Option<Issued>),
    Exists,
    Failed(Outcome, PartProblem),
}

/// A user who gets a new first password.
struct Renewal {
    number: usize,
    line: u64,
    before: User,
    after: User,
    credential: CredentialItem,
    renewed: CredentialItem,
    issued: Issued,
}

/// A user to be added, with the number of its row.
type Pending = (usize, Newcomer);

pub(crate) struct Adding<'a> {
    /// With the items of the latest read.
    call: Call<'a>,
    request: &'a Request,
    /// The item under the request's idempotency key, if it has one.
    kept: Option<Kept>,
    /// Whether the users get an invitation instead of a password.
    is_invited: bool,
    /// The line of each row, in order.
    lines: Vec<u64>,
    /// The state of each row, in order. `None` while it has not been processed.
    states: Vec<Option<RowState>>,
}

impl<'a> Adding<'a> {
    pub(crate) fn new(call: Call<'a>, request: &'a Request, kept: Option<Kept>) -> Self {
        Self { call, request, kept, is_invited: false, lines: Vec::new(), states: Vec::new() }
    }

    /// Adds all users except those in the lines that are `taken`.
    pub(crate) async fn run(mut self, input: Input, taken: &[u64]) -> Result<Answer, Failure> {
        let Input { rows, people, ignored, is_invited, .. } = input;
        self.is_invited = is_invited;
        self.lines = people.iter().map(|person| person.line).collect();
        self.states = people.iter().map(|person| taken.contains(&person.line).then_some(RowState::Exists)).collect();
        let not_taken = people.iter().enumerate().filter(|(_, person)| !taken.contains(&person.line));
        let (added, free): (Vec<_>, Vec<_>) = not_taken.partition(|(_, person)| self.is_added(person));
        if let Err(failure) = self.add_all(&added, &free).await {
            self.stop(failure)?;
        }
        self.answer(rows, &ignored, &people)
    }

    /// Whether an earlier request with the same key has added this user.
    fn is_added(&self, person: &Person) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.added(person.line).is_some())
    }

    async fn add_all(&mut self, added: &[(usize, &Person)], free: &[(usize, &Person)]) -> Result<(), Failure> {
        for people in added.chunks(MAX_ADDED_AT_ONCE) {
            let time = self.request.time_left(self.call.app).saturating_sub(REPORT_RESERVE);
            within(time, self.renew(people)).await?;
        }
        let at_once = if self.is_invited { MAX_INVITED_AT_ONCE } else { MAX_ADDED_AT_ONCE };
        for people in free.chunks(at_once) {
            self.add(people).await?;
        }
        Ok(())
    }

    /// Adds these users. If there is not enough time to hash all passwords, it adds the users whose passwords are
    /// hashed, and fails.
    async fn add(&mut self, people: &[(usize, &Person)]) -> Result<(), Failure> {
        self.call.now = self.call.app.now();
        let people = if self.is_invited { self.counted(people).await? } else { people.to_vec() };
        let mut pending = Vec::with_capacity(people.len());
        for (number, person) in &people {
            if self.request.time_left(self.call.app) < COMMIT_RESERVE {
                break;
            }
            let first = if self.is_invited { FirstPassword::Invited } else { FirstPassword::Generated };
            pending.push((*number, self.call.newcomer(person.profile.clone(), None, first)?));
        }
        let is_time_up = pending.len() < people.len();
        let time = self.request.time_left(self.call.app).saturating_sub(REPORT_RESERVE);
        within(time, self.commit(pending)).await?;
        if is_time_up { Err(no_time()) } else { Ok(()) }
    }

    /// Counts invitations to these people. Returns those who can be invited; too many to the address of another are a
    /// problem of their row.
    async fn counted<'b>(&mut self, people: &[(usize, &'b Person)]) -> Result<Vec<(usize, &'b Person)>, Failure> {
        let emails: Vec<&Email> = people.iter().map(|(_, person)| &person.profile.email).collect();
        let waits = self.call.count_invitations(&emails).await?;
        let mut allowed = Vec::with_capacity(people.len());
        for (one, wait) in people.iter().zip(waits) {
            match wait {
                None => allowed.push(*one),
                Some(seconds) => {
                    let problem = PartProblem::new(Failure::TooManyRequests(seconds), self.request);
                    self.settle(one.0, RowState::Failed(Outcome::Refused, problem));
                }
            }
        }
        Ok(allowed)
    }

    /// Adds these users in one transaction. When the data that was read has changed, it retries with the users that are
    /// still to be added.
    async fn commit(&mut self, mut pending: Vec<Pending>) -> Result<(), Failure> {
        let mut last = Failure::Conflict;
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                pending = self.still_to_add(pending).await?;
            }
            if pending.is_empty() {
                return Ok(());
            }
            let (numbers, newcomers): (Vec<usize>, Vec<Newcomer>) = pending.into_iter().unzip();
            let mut transaction = self.call.adding(&newcomers)?;
            let import = self.kept.as_ref().map(|kept| {
                let lines = numbers.iter().filter_map(|number| self.lines.get(*number));
                let added = lines.zip(&newcomers).map(|(line, Newcomer { user, .. })| Imported {
                    line: *line,
                    id: user.id.clone(),
                    credential: 1,
                });
                kept.keep(&mut transaction, added)
            });
            let committed = transaction.commit().await;
            pending = numbers.into_iter().zip(newcomers).collect();
            match committed.map_err(Failure::from) {
                Ok(()) => {
                    self.committed(import);
                    for (number, newcomer) in pending {
                        self.settle(number, RowState::added(newcomer));
                    }
                    return Ok(());
                }
                Err(Failure::StaleRead | Failure::EmailTaken) => last = Failure::Conflict,
                // It may have been committed, and only this process knows the passwords: read again.
                Err(failure @ Failure::Unavailable(_)) => last = failure,
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    /// Reads the caller and the emails again. Returns the users that are still to be added.
    async fn still_to_add(&mut self, pending: Vec<Pending>) -> Result<Vec<Pending>, Failure> {
        let mut item_keys: Vec<ItemKey> = Vec::new();
        item_keys
            .extend(pending.iter().map(|(_, newcomer)| self.call.claims().email_key(&newcomer.user.email).item_key()));
        item_keys.extend(self.kept.iter().map(Kept::item_key));
        self.call.reread(item_keys).await?;
        if let Some(kept) = &mut self.kept {
            kept.update(self.call.stored())?;
        }
        // First the users that this request has added: the caller was authorized at that time.
        let mut left = Vec::with_capacity(pending.len());
        for (number, newcomer) in pending {
            match self.call.get(&self.call.claims().email_key(&newcomer.user.email))? {
                Some(entry) if entry.user_id == newcomer.user.id => {
                    self.settle(number, RowState::added(newcomer));
                }
                Some(_) => self.settle(number, RowState::Exists),
                None => left.push((number, newcomer)),
            }
        }
        if left.is_empty() {
            return Ok(left);
        }
        self.call.authenticate()?;
        let mut allowed = Vec::with_capacity(left.len());
        for (number, newcomer) in left {
            let (role, permissions) = (newcomer.user.role, &newcomer.user.permissions);
            match authorize(&self.call.caller.user, &Action::AddUser { role, permissions }) {
                Ok(()) => allowed.push((number, newcomer)),
                Err(denied) => {
                    let problem = PartProblem::new(denied.into(), self.request);
                    self.settle(number, RowState::Failed(Outcome::Refused, problem));
                }
            }
        }
        Ok(allowed)
    }

    /// Gives new first passwords to these users. It skips a user whose password or access has changed since the user
    /// was added, and a user that the caller may no longer add.
    async fn renew(&mut self, people: &[(usize, &Person)]) -> Result<(), Failure> {
        let mut last = Failure::Conflict;
        for _ in 0..MAX_ATTEMPTS {
            let (renewals, others) = self.renewals(people).await?;
            let is_time_up = renewals.len() + others.len() < people.len();
            let import = self.commit_renewals(&renewals).await;
            match import {
                Ok(import) => self.committed(import),
                Err((Failure::StaleRead, _)) => {
                    last = Failure::Conflict;
                    continue;
                }
                Err((failure @ Failure::Unavailable(_), import)) => {
                    // It may nevertheless have been committed.
                    last = failure;
                    if !self.is_kept(import.as_ref()).await? {
                        continue;
                    }
                }
                Err((failure, _)) => return Err(failure),
            }
            for Renewal { number, after, issued, .. } in renewals {
                self.settle(number, RowState::Added(Some(Box::new(after)), Some(issued)));
            }
            for (number, user) in others {
                self.settle(number, RowState::Added(user.map(Box::new), None));
            }
            return if is_time_up { Err(no_time()) } else { Ok(()) };
        }
        Err(last)
    }

    /// Reads these users. Returns those who get new passwords, and the others with their row numbers. Users whose
    /// passwords cannot be hashed in time are in neither list.
    async fn renewals(
        &mut self,
        people: &[(usize, &Person)],
    ) -> Result<(Vec<Renewal>, Vec<(usize, Option<User>)>), Failure> {
        let Some(kept) = &mut self.kept else { return Ok(<_>::default()) };
        let ids: Vec<(usize, Imported)> =
            people.iter().filter_map(|(number, person)| Some((*number, kept.added(person.line)?.clone()))).collect();
        let mut item_keys = vec![kept.item_key()];
        item_keys.extend(ids.iter().flat_map(|(_, Imported { id, .. })| {
            [self.call.claims().colleague_key(id).item_key(), Key::credential(id).item_key()]
        }));
        self.call.reread(item_keys).await?;
        kept.update(self.call.stored())?;
        self.call.authenticate()?;
        let now = self.call.now;

        let (mut renewals, mut others) = (Vec::new(), Vec::new());
        for ((number, imported), (_, person)) in ids.into_iter().zip(people) {
            let line = imported.line;
            // The version is from the same read as the other items.
            let version = kept.added(line).map_or(imported.credential, |added| added.credential);
            let user = self.call.get(&self.call.claims().colleague_key(&imported.id))?.map(|item| item.user);
            let credential = self.call.get(&Key::credential(&imported.id))?;
            let (Some(before), Some(credential)) = (user.clone(), credential) else {
                others.push((number, user));
                continue;
            };
            let is_first = credential.version == version && before.must_change_password && before.access_version == 1;
            // An invited user has no password to renew, and was sent the invitation.
            if self.is_invited || !is_first || authorize(&self.call.caller.user, &person.action()).is_err() {
                others.push((number, user));
                continue;
            }
            if self.request.time_left(self.call.app) < COMMIT_RESERVE {
                break;
            }
            let issued = Issued::given_or_generated(None, &random::bytes()?);
            let digests = Digests::new(issued.password(), random::bytes()?)?;
            let after = before.changed(now).with_new_password(true, now);
            let renewed = credential.changed(digests, true, now).generated(true);
            renewals.push(Renewal { number, line, before, after, credential, renewed, issued });
        }
        Ok((renewals, others))
    }

    /// Commits the new passwords. Returns the content that the idempotency item then has. A failure also returns it,
    /// because the commit may have succeeded.
    async fn commit_renewals(&self, renewals: &[Renewal]) -> Result<Option<Import>, (Failure, Option<Import>)> {
        if renewals.is_empty() {
            return Ok(None);
        }
        let without = |failure: Failure| (failure, None);
        let mut transaction = self.call.transaction();
        self.call.caller.require_caller(&mut transaction, None);
        for Renewal { before, after, credential, renewed, .. } in renewals {
            transaction.change_user(before, after);
            transaction.change_credential(&before.id, credential, renewed);
            let event = self.call.event(EventAction::PasswordSet, before).map_err(without)?;
            transaction.record(&before.partner_id, &event.changing(Some(before), Some(after)));
        }
        let import = self.kept.as_ref().map(|kept| {
            let changed = renewals.iter().map(|Renewal { line, before, renewed, .. }| Imported {
                line: *line,
                id: before.id.clone(),
                credential: renewed.version,
            });
            kept.keep(&mut transaction, changed)
        });
        match transaction.commit().await {
            Ok(()) => Ok(import),
            Err(error) => Err((error.into(), import)),
        }
    }

    /// Reads the idempotency item, and returns whether it has this content.
    async fn is_kept(&mut self, import: Option<&Import>) -> Result<bool, Failure> {
        let (Some(kept), Some(import)) = (&mut self.kept, import) else { return Ok(false) };
        let stored = self.call.app.store().read(&[kept.item_key()]).await?;
        kept.update(&stored)?;
        Ok(kept.is(import))
    }

    fn committed(&mut self, import: Option<Import>) {
        if let (Some(kept), Some(import)) = (&mut self.kept, import) {
            kept.committed(import);
        }
    }

    /// Marks all remaining rows as failed, or fails when no user has been added.
    fn stop(&mut self, failure: Failure) -> Result<(), Failure> {
        if !self.states.iter().flatten().any(|state| matches!(state, RowState::Added(..))) {
            return Err(failure);
        }
        let outcome = if failure.is_final() { Outcome::Refused } else { Outcome::Unavailable };
        let problem = PartProblem::new(failure, self.request);
        for state in &mut self.states {
            state.get_or_insert_with(|| RowState::Failed(outcome, problem.clone()));
        }
        Ok(())
    }

    fn settle(&mut self, number: usize, state: RowState) {
        if let Some(entry) = self.states.get_mut(number) {
            *entry = Some(state);
        }
    }

    fn answer(mut self, rows: usize, ignored: &[String], people: &[Person]) -> Result<Answer, Failure> {
        let states = mem::take(&mut self.states);
        let results = people.iter().zip(&states).filter_map(|(person, state)| {
            let (outcome, user, issued, problem) = match state.as_ref()? {
                RowState::Added(user, issued) => (Outcome::Added, user.as_deref(), issued.as_ref(), None),
                RowState::Exists => (Outcome::Exists, None, None, None),
                RowState::Failed(outcome, problem) => (*outcome, None, None, Some(problem)),
            };
            let generated_password = issued.and_then(Issued::generated);
            let user = user.map(PublicUser::from);
            let result = RowResult {
                line: person.line,
                email: &person.profile.email,
                outcome,
                user,
                generated_password,
                problem,
            };
            Some((person, result))
        });
        let answer = match self.request.format() {
            Format::Json => {
                let results = results.map(|(_, result)| result).collect();
                Answer::json(200, &Report { dry_run: false, rows, ignored_columns: ignored, results })
            }
            Format::Csv => {
                let rows: Vec<_> = results.map(|(person, result)| CsvRowResult::new(person, &result)).collect();
                Answer::csv("imported-users.csv", &COLUMNS, &rows, self.request, None)
            }
        }?;
        Ok(if self.kept.as_ref().is_some_and(Kept::is_retry) { answer.as_replay() } else { answer })
    }
}

impl RowState {
    fn added(newcomer: Newcomer) -> Self {
        let (user, issued) = newcomer.into();
        Self::Added(Some(Box::new(user)), issued)
    }
}

fn no_time() -> Failure {
    Failure::Unavailable(Cause::of("no time is left to hash more passwords"))
}

async fn within(time: Duration, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let elapsed = |error| Failure::Unavailable(Cause::new("no time is left to add more users", &error));
    tokio::time::timeout(time, work).await.map_err(elapsed)?
}

impl<'a> CsvRowResult<'a> {
    fn new(person: &'a Person, result: &RowResult<'a>) -> Self {
        let Person { line, profile, .. } = person;
        Self {
            line: *line,
            first_name: &profile.first_name,
            last_name: profile.last_name.as_ref(),
            email: &profile.email,
            role: profile.role,
            outcome: result.outcome,
            generated_password: result.generated_password,
        }
    }
}
