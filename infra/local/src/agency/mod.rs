//! The agency of `--demo`: 40 users and a year of history, which end at the moment of the start.
//!
//! Functions read the machine's clock, so they cannot make a past. The story is applied in memory instead, with the
//! models and the policy of `portal`, and its result is written with the store of `portal`.

mod history;
mod people;
mod story;

use std::collections::BTreeMap;
use std::time::Duration;

use history::{History, Member};
use people::{PEOPLE, Person};
use portal::clock::Clock;
use portal::error::Failure;
use portal::models::{EventAction, PartnerId, Timestamp, User};
use portal::passwords::{Digests, Password};
use portal::random;
use portal::store::{Store, Table};
use story::{Act, STORY, Step};

use crate::resources;
use crate::servers::Server;

/// The time for which the history keeps a sign-in: the template's default.
const SIGN_IN_RETENTION: Duration = Duration::from_hours(400 * 24);

/// The numbers of users, of their other items, and of events in one transaction, which has at most 100 items.
const USERS_AT_ONCE: usize = 40;
const MEMBERS_AT_ONCE: usize = 30;
const EVENTS_AT_ONCE: usize = 100;

const DAY: Duration = Duration::from_hours(24);

/// The email of the primary admin.
pub(crate) fn primary_admin() -> &'static str {
    let [founder, ..] = &PEOPLE;
    founder.2
}

/// Writes the agency into new tables, which are given with their logical ids. All its users have this password, except
/// for those who have not accepted their invitation.
pub(crate) async fn write(
    server: &Server,
    tables: &BTreeMap<String, String>,
    password: &str,
) -> Result<PartnerId, Failure> {
    let name = |table: Table| match table {
        Table::Users => tables.get("UsersTable").cloned(),
        Table::Credentials => tables.get("CredentialsTable").cloned(),
        Table::Sessions => tables.get("SessionsTable").cloned(),
        Table::Audit => tables.get("AuditTable").cloned(),
        // Nothing of the past sends mail now.
        Table::Outbox => None,
    };
    let store = Store::with_client(resources::client(server), name);
    let password = Password::parse(password).map_err(|_| Failure::bug("the password of the demo is invalid"))?;
    let now = Clock::system().now();
    let history = replay(now, &Digests::new(&password, random::bytes()?)?)?;
    save(&store, &history, now).await?;
    Ok(history.partner_id)
}

/// Applies the whole story.
fn replay(now: Timestamp, digests: &Digests) -> Result<History, Failure> {
    let mut steps: Vec<(Timestamp, Step)> =
        sign_ins().chain(added()).chain(STORY.iter().copied()).map(|step| (time(now, &step), step)).collect();
    steps.sort_by_key(|(at, _)| *at);
    let [founder, ..] = &PEOPLE;
    let mut history = History::begin(time_of(now, founder.5, (9, 0)), digests.clone())?;
    for (at, step) in &steps {
        history.apply(*at, step)?;
    }
    Ok(history)
}

fn added() -> impl Iterator<Item = Step> {
    (0..).zip(&PEOPLE).skip(1).map(|(number, person)| {
        let &Person(.., days, by, _, _) = person;
        Step(days, (8 + number * 7 % 9, number * 37 % 60), by, person.key(), Act::IsAdded)
    })
}

/// Returns the ordinary sign-ins: the first within three days after a person was added, then one in a number of days that
/// varies a little, and the last one.
fn sign_ins() -> impl Iterator<Item = Step> {
    (0..).zip(&PEOPLE).flat_map(|(number, person)| {
        let &Person(.., added, _, _, habit) = person;
        let mut days = Vec::new();
        if let Some((every, last)) = habit {
            let mut day = added.saturating_sub(1 + number / 2 % 3);
            for count in 0.. {
                if day <= last {
                    break;
                }
                days.push(day);
                day = day.saturating_sub(every + (number + count) % 3);
            }
            days.push(last);
        }
        (0..).zip(days).map(move |(count, day)| {
            let minutes =
                if day == 0 { number * 13 % 170 + 6 } else { 450 + (number * 41 + count * (count * 29 + 113)) % 600 };
            Step(day, (minutes / 60, minutes % 60), person.key(), person.key(), Act::SignsIn)
        })
    })
}

fn time(now: Timestamp, step: &Step) -> Timestamp {
    let &Step(days, time, ..) = step;
    time_of(now, days, time)
}

fn time_of(now: Timestamp, days: u32, (hours, minutes): (u32, u32)) -> Timestamp {
    let time = Duration::from_mins(u64::from(hours * 60 + minutes));
    if days == 0 { now.minus(time) } else { now.start_of_day().minus(DAY * days).plus(time) }
}

/// Writes the users and the events. Sessions that have expired are left out. Removed users who can still be restored are
/// added and removed.
async fn save(store: &Store, history: &History, now: Timestamp) -> Result<(), Failure> {
    let History { partner_id, partner, members, removed, events, .. } = history;
    let removed: Vec<_> = removed.iter().filter(|(_, item)| item.is_restorable(now)).collect();
    let members: Vec<&Member> = members.values().chain(removed.iter().map(|(member, _)| member)).collect();
    let (owners, others): (Vec<&User>, Vec<&User>) =
        members.iter().map(|member| &member.user).partition(|user| user.is_primary_admin());
    for owner in owners {
        let mut transaction = store.transaction();
        transaction.add_partner(partner, owner);
        transaction.commit().await?;
    }
    for users in others.chunks(USERS_AT_ONCE) {
        let mut transaction = store.transaction();
        transaction.add_users(partner_id, users.iter().copied());
        transaction.commit().await?;
    }
    for members in members.chunks(MEMBERS_AT_ONCE) {
        let mut transaction = store.transaction();
        for Member { user, credential, sessions, .. } in members {
            transaction.add_credential(&user.id, credential);
            for session in sessions.iter().filter(|session| session.is_live(user, now)) {
                let id = uuid::Builder::from_random_bytes(random::bytes()?).into_uuid().to_string();
                transaction.add_session(&user.id, &id, session);
            }
        }
        transaction.commit().await?;
    }
    for (Member { user, .. }, item) in removed {
        let mut transaction = store.transaction();
        transaction.remove_user(user, item);
        transaction.commit().await?;
    }
    for events in events.chunks(EVENTS_AT_ONCE) {
        let mut transaction = store.transaction();
        for event in events {
            if event.action == EventAction::SessionStarted.as_str() {
                transaction.record_for(SIGN_IN_RETENTION, partner_id, event);
            } else {
                transaction.record(partner_id, event);
            }
        }
        transaction.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The story may depend neither on the day of the start nor on its time of day.
    #[test]
    fn the_whole_story_is_possible_at_any_time() {
        let digests = Digests::without_password([1; 16], [2; 32]);
        for now in ["2026-11-30T00:00:00.000Z", "2026-12-01T11:30:00.000Z", "2028-02-29T23:59:59.999Z"] {
            let now = Timestamp::parse(now).unwrap();
            let history = replay(now, &digests).unwrap();
            assert_eq!(history.members.len(), 40);
            let restorable = history.removed.iter().filter(|(_, item)| item.is_restorable(now)).count();
            assert_eq!((history.removed.len(), restorable), (4, 2), "{now}");
            assert!(history.events.is_sorted_by_key(|event| event.at), "{now}");
            assert!(history.events.last().unwrap().at < now);
        }
    }
}
