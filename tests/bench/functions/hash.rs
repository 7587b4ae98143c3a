//! Measures the cost of a password hash compared with the rest of a request, and that a history of passwords adds
//! nothing.

use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use portal_bench::statistics::Sample;
use serde::Serialize;

use crate::Outcome;
use crate::measure::milliseconds;
use crate::scene::{History, Scene, answered};
use crate::stand_in::{Process, Program};

/// The portal's parameters, from OWASP's Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASHES: usize = 25;
const TURN: usize = 5;

/// The results of a hash alone, or of requests that hash.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) time: Sample,
    /// The processor time of one request.
    pub(crate) processor: Option<f64>,
}

/// Measures Argon2id alone, with the portal's parameters.
pub(crate) fn alone() -> Outcome<Row> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut times = Vec::new();
    for _ in 0..HASHES {
        let mut hash = [0; 32];
        let began = Instant::now();
        argon2
            .hash_password_into(b"copper-Lantern-meadow-84", &[7; 16], &mut hash)
            .map_err(|error| error.to_string())?;
        times.push(milliseconds(began.elapsed()));
    }
    Ok(Row { what: "Argon2id alone".to_owned(), time: Sample::new(times), processor: None })
}

/// Measures requests that hash, for users without and with a history of passwords.
pub(crate) async fn requests(scene: &mut Scene, function: &str, program: &Program, count: usize) -> Outcome<Vec<Row>> {
    let process = Process::start(program).await?.0;
    let histories = [History::None, History::Full];
    let mut times = [Vec::new(), Vec::new()];
    let mut processor = [0.0, 0.0];
    for round in 0..=count.div_ceil(TURN) {
        for (number, history) in histories.into_iter().enumerate() {
            for _ in 0..TURN {
                let request = match function {
                    "sign-in" => scene.sign_in(history).await?,
                    _ => scene.set_password(history).await?,
                };
                let before = process.processor_time()?;
                let answer = process.invoke(&request).await?;
                answered(&answer.body)?;
                if round > 0 {
                    times[number].push(milliseconds(answer.after));
                    processor[number] += process.processor_time()? - before;
                }
            }
        }
    }
    let mut rows = Vec::new();
    for ((history, times), processor) in histories.into_iter().zip(times).zip(processor) {
        let words = match history {
            History::None => "no earlier password",
            History::Full => "5 earlier passwords",
        };
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let mean = processor / times.len() as f64;
        rows.push(Row { what: format!("{function}, {words}"), time: Sample::new(times), processor: Some(mean) });
    }
    Ok(rows)
}
