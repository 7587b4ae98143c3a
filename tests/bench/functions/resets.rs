//! Measures that the time of a request to reset a password does not depend on the email.

use portal_bench::statistics::Sample;
use serde::Serialize;

use crate::Outcome;
use crate::measure::milliseconds;
use crate::scene::{Account, Scene, answered};
use crate::stand_in::{Process, Program};

/// The number of requests for each kind of email.
const REQUESTS: usize = 500;
/// The number of rounds before the measurement.
const WARM_UP: usize = 20;

/// The results for one kind of email.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) email: &'static str,
    pub(crate) time: Sample,
    /// The difference to the request for an unknown email in the same round.
    pub(crate) difference: Sample,
}

/// Sends requests in rounds of one for each kind of email. Each round begins with another kind, and every request has a new
/// email and a new address, so that no limit counts.
pub(crate) async fn measure(scene: &mut Scene, program: &Program) -> Outcome<Vec<Row>> {
    // Mail is off in the other measurements, and the key is a part of the id of a deployed stack.
    let mut program = program.clone();
    for (name, value) in [("OUTBOX_TABLE", "OutboxTable"), ("EMAIL_HASH_KEY", "the-key-of-the-benchmark")] {
        program.environment.insert(name.to_owned(), value.to_owned());
    }
    let process = Process::start(&program).await?.0;
    let kinds = [
        (Account::None, "unknown"),
        (Account::Active, "of an active user"),
        (Account::Suspended, "of a suspended user"),
        (Account::AtTwoPartners, "at two partners"),
    ];
    let (mut times, mut differences) = (kinds.map(|_| Vec::new()), kinds.map(|_| Vec::new()));
    let mut response = None;
    for round in 0..WARM_UP + REQUESTS {
        // The users are written before, so that this work comes before all requests of the round.
        let mut requests = Vec::new();
        for (account, _) in kinds {
            requests.push(scene.reset(account).await?);
        }
        // The first request after that work would take longer.
        answered(&process.invoke(&scene.reset(Account::None).await?).await?.body)?;
        let mut of_round = kinds.map(|_| 0.0);
        for turn in 0..kinds.len() {
            let number = (round + turn) % kinds.len();
            let answer = process.invoke(&requests[number]).await?;
            answered(&answer.body)?;
            let first = response.get_or_insert_with(|| answer.body.clone());
            if *first != answer.body {
                return Err(format!("another response: {}", String::from_utf8_lossy(&answer.body)).into());
            }
            of_round[number] = milliseconds(answer.after);
        }
        if round >= WARM_UP {
            for (number, time) in of_round.into_iter().enumerate() {
                times[number].push(time);
                differences[number].push(time - of_round[0]);
            }
        }
    }
    let rows = kinds.into_iter().zip(times).zip(differences);
    let row =
        |(((_, email), time), difference)| Row { email, time: Sample::new(time), difference: Sample::new(difference) };
    Ok(rows.map(row).collect())
}
