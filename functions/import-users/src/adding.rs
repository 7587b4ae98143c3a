//! Adds people, as many at once as one transaction takes, as long as there is time.
//!
//! Whatever happens once somebody is added, the answer tells it: it alone has the passwords. What stands against all that are
//! left ends the request as it would any other only while nobody is.

use std::mem;
use std::time::Duration;

use portal::Portal;
use portal::actions::{ADDED_AT_ONCE, Context, Newcomer};
use portal::error::{Cause, Failure};
use portal::http::{Answer, DECISIONS, Format, PartProblem, Request};
use portal::models::{Email, PersonName, PublicUser, Role};
use portal::policy::{Wish, authorize};
use portal::session::{Caller, Claims};
use serde::Serialize;

use crate::input::{Input, Person};

/// Kept back from the function's time when another password is hashed, to commit whom it is for.
const TIME_TO_COMMIT: Duration = Duration::from_secs(4);

/// Kept back from that, to answer with what is committed.
const TIME_TO_TELL: Duration = Duration::from_millis(500);

/// What a table of the answer has.
const COLUMNS: [&str; 7] = ["line", "first_name", "last_name", "email", "role", "outcome", "generated_password"];

#[derive(Serialize)]
struct Imported<'a> {
    dry_run: bool,
    rows: usize,
    results: Vec<Told<'a>>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Added,
    /// The partner has a user with this email.
    Exists,
    /// It may not be.
    Refused,
    /// Not known to be added. Safe to ask for again.
    Unavailable,
}

/// What a client is told of one row.
#[derive(Serialize)]
struct Told<'a> {
    line: u64,
    email: &'a Email,
    outcome: Outcome,
    user: Option<PublicUser<'a>>,
    generated_password: Option<&'a str>,
    problem: Option<&'a PartProblem>,
}

/// The same as a row of a table.
#[derive(Serialize)]
struct ToldInTable<'a> {
    line: u64,
    first_name: &'a PersonName,
    last_name: &'a PersonName,
    email: &'a Email,
    role: Role,
    outcome: Outcome,
    generated_password: Option<&'a str>,
}

/// What became of one row.
enum Fate {
    Added(Box<Newcomer>),
    Exists,
    Failed(Outcome, PartProblem),
}

/// Whose turn it is, by number.
type Turn = (usize, Newcomer);

pub(crate) struct Adding<'a> {
    portal: &'a Portal,
    request: &'a Request,
    claims: Claims,
    /// As read last.
    caller: Caller,
    /// Of each row, in order; none for those whose turn has not come.
    fates: Vec<Option<Fate>>,
}

impl<'a> Adding<'a> {
    pub(crate) fn new(portal: &'a Portal, request: &'a Request, claims: Claims, caller: Caller) -> Self {
        Self { portal, request, claims, caller, fates: Vec::new() }
    }

    /// Adds all but those in the lines that are `taken`.
    pub(crate) async fn run(mut self, input: Input, taken: &[u64]) -> Result<Answer, Failure> {
        let Input { rows, people, .. } = input;
        self.fates = people.iter().map(|person| taken.contains(&person.line).then_some(Fate::Exists)).collect();
        let free: Vec<(usize, &Person)> =
            people.iter().enumerate().filter(|(_, person)| !taken.contains(&person.line)).collect();
        for people in free.chunks(ADDED_AT_ONCE) {
            if let Err(failure) = self.add(people).await {
                self.stop(failure)?;
                break;
            }
        }
        self.answer(rows, &people)
    }

    /// Adds these. Those whose passwords there is no time to hash are left over, and a failure.
    async fn add(&mut self, people: &[(usize, &Person)]) -> Result<(), Failure> {
        let mut turns = Vec::with_capacity(people.len());
        for (number, person) in people {
            if self.request.time_left(self.portal) < TIME_TO_COMMIT {
                break;
            }
            turns.push((*number, self.context().newcomer(person.profile.clone(), None)?));
        }
        let is_time_up = turns.len() < people.len();
        let time = self.request.time_left(self.portal).saturating_sub(TIME_TO_TELL);
        match tokio::time::timeout(time, self.commit(turns)).await {
            Ok(Ok(())) if is_time_up => Err(Failure::Unavailable(Cause::of("no time for more passwords"))),
            Ok(result) => result,
            Err(elapsed) => Err(Failure::Unavailable(Cause::new("no time for more users", &elapsed))),
        }
    }

    /// One transaction; another one, of those who are still to be added, when what it rested on moved.
    async fn commit(&mut self, mut turns: Vec<Turn>) -> Result<(), Failure> {
        let mut last = Failure::Conflict;
        for decision in 0..DECISIONS {
            if decision > 0 {
                turns = self.decide_anew(turns).await?;
            }
            if turns.is_empty() {
                return Ok(());
            }
            let (numbers, newcomers): (Vec<usize>, Vec<Newcomer>) = turns.into_iter().unzip();
            let committed = self.context().adding(&newcomers)?.commit().await;
            turns = numbers.into_iter().zip(newcomers).collect();
            match committed.map_err(Failure::from) {
                Ok(()) => {
                    for (number, newcomer) in turns {
                        self.settle(number, Fate::Added(Box::new(newcomer)));
                    }
                    return Ok(());
                }
                Err(Failure::Moved | Failure::EmailTaken) => last = Failure::Conflict,
                // It may have been committed all the same, and nobody else knows the passwords: look.
                Err(failure @ Failure::Unavailable(_)) => last = failure,
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    /// Reads the caller and the emails again. Answers who is still to be added.
    async fn decide_anew(&mut self, turns: Vec<Turn>) -> Result<Vec<Turn>, Failure> {
        let mut places = self.claims.places().to_vec();
        places.extend(turns.iter().map(|(_, newcomer)| self.claims.email_key(&newcomer.user.email).place()));
        let rows = self.portal.store().read(&places).await?;
        // First who was added, if it is us who did it: then the caller had the right to.
        let mut left = Vec::with_capacity(turns.len());
        for (number, newcomer) in turns {
            match rows.get(&self.claims.email_key(&newcomer.user.email))? {
                Some(entry) if entry.user_id == newcomer.user.id => {
                    self.settle(number, Fate::Added(Box::new(newcomer)));
                }
                Some(_) => self.settle(number, Fate::Exists),
                None => left.push((number, newcomer)),
            }
        }
        if left.is_empty() {
            return Ok(left);
        }
        self.caller = self.claims.caller(&rows, self.portal.now())?;
        let mut allowed = Vec::with_capacity(left.len());
        for (number, newcomer) in left {
            let (role, permissions) = (newcomer.user.role, &newcomer.user.permissions);
            match authorize(&self.caller.user, &Wish::AddUser { role, permissions }) {
                Ok(()) => allowed.push((number, newcomer)),
                Err(denied) => {
                    let problem = PartProblem::new(denied.into(), self.request);
                    self.settle(number, Fate::Failed(Outcome::Refused, problem));
                }
            }
        }
        Ok(allowed)
    }

    /// Settles all that are left, or fails when nobody is added.
    fn stop(&mut self, failure: Failure) -> Result<(), Failure> {
        if !self.fates.iter().flatten().any(|fate| matches!(fate, Fate::Added(_))) {
            return Err(failure);
        }
        let outcome = if failure.is_final() { Outcome::Refused } else { Outcome::Unavailable };
        let problem = PartProblem::new(failure, self.request);
        for fate in &mut self.fates {
            fate.get_or_insert_with(|| Fate::Failed(outcome, problem.clone()));
        }
        Ok(())
    }

    fn settle(&mut self, number: usize, fate: Fate) {
        if let Some(place) = self.fates.get_mut(number) {
            *place = Some(fate);
        }
    }

    fn context(&self) -> Context<'_> {
        Context { portal: self.portal, request: self.request, caller: &self.caller, now: self.portal.now() }
    }

    fn answer(mut self, rows: usize, people: &[Person]) -> Result<Answer, Failure> {
        let fates = mem::take(&mut self.fates);
        let told = people.iter().zip(&fates).filter_map(|(person, fate)| {
            let (outcome, newcomer, problem) = match fate.as_ref()? {
                Fate::Added(newcomer) => (Outcome::Added, Some(newcomer), None),
                Fate::Exists => (Outcome::Exists, None, None),
                Fate::Failed(outcome, problem) => (*outcome, None, Some(problem)),
            };
            let generated_password = newcomer.and_then(|newcomer| newcomer.generated_password());
            let user = newcomer.map(|newcomer| PublicUser::from(&newcomer.user));
            let told =
                Told { line: person.line, email: &person.profile.email, outcome, user, generated_password, problem };
            Some((person, told))
        });
        match self.request.format() {
            Format::Json => {
                Answer::json(200, &Imported { dry_run: false, rows, results: told.map(|(_, told)| told).collect() })
            }
            Format::Csv => {
                let rows: Vec<_> = told.map(|(person, told)| ToldInTable::new(person, &told)).collect();
                Answer::csv("imported-users.csv", &COLUMNS, &rows, self.request, None)
            }
        }
    }
}

impl<'a> ToldInTable<'a> {
    fn new(person: &'a Person, told: &Told<'a>) -> Self {
        let Person { line, profile } = person;
        Self {
            line: *line,
            first_name: &profile.first_name,
            last_name: &profile.last_name,
            email: &profile.email,
            role: profile.role,
            outcome: told.outcome,
            generated_password: told.generated_password,
        }
    }
}
