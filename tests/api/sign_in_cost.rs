//! What a sign-in writes, and which of its calls wait for others. The benchmark's `SIGN_IN.md` explains each write unit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Ledger, Moment, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, User};
use tokio::sync::watch;

/// The units of a sign-in from a known source, with a partner.
const KNOWN: &[(&str, f64)] = &[
    ("Audit", 2.0),
    ("Audit/by_actor", 1.0),
    ("Audit/by_target", 1.0),
    ("Sessions", 4.0),
    ("Users", 2.0),
    ("Users/by_email", 1.0),
    ("Users/by_last_sign_in", 2.0),
    ("Users/by_name", 1.0),
];

/// The units of the request's limits, which count each request from a new source before its password is compared.
const LIMITS: f64 = 4.0;

/// The units of the two placeholders that replace missing users when the request names no partner.
const PLACEHOLDERS: f64 = 2.0;

fn with_sessions(more: f64) -> BTreeMap<String, f64> {
    let units = KNOWN.iter().map(|(place, units)| (*place, if *place == "Sessions" { units + more } else { *units }));
    units.map(|(place, units)| (place.to_owned(), units)).collect()
}

/// Starts two stacks.
#[tokio::test]
async fn a_sign_in_writes_at_most_16_units_from_a_known_source_and_20_from_a_new_one() {
    let stack = FaultyStack::start("sign-in-cost").unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let metered = async |client: &Client, names_partner: bool, password: &str, status: u16| -> Ledger {
        let trace = Trace::new();
        let ledger = stack.faults.meter(&trace);
        let call = if names_partner {
            client.sign_in_at(&ann.partner_id, &ann.email, password)
        } else {
            client.sign_in(&ann.email, password)
        };
        call.within(&trace).await.expect(status);
        stack.faults.quiet().await;
        ledger
    };
    for (names_partner, more) in [(true, 0.0), (false, PLACEHOLDERS)] {
        let client = Client::of(&stack.ready);
        for (is_known, most) in [(false, 20.0), (true, 16.0), (true, 16.0)] {
            let ledger = metered(&client, names_partner, &ann.password, 200).await;
            let limits = if is_known { 0.0 } else { LIMITS };
            assert_eq!(ledger.units(), with_sessions(more + limits), "{names_partner} {is_known}");
            assert!(ledger.total() <= most, "{ledger:?}");
            if names_partner {
                // The email's entry, the user, and the partner, which shows who needs a second factor.
                assert_eq!(ledger.reads().get("Users"), Some(&3.0), "{ledger:?}");
            }
        }
        // A failure from a known source still counts towards the limits: two counters and the user's own count.
        let failed = metered(&client, names_partner, "wrong", 401).await;
        assert_eq!(failed.units().get("Sessions"), Some(&(3.0 + more)), "{failed:?}");
    }
}

/// The calls of a sign-in to Cognito.
async fn cognito_calls(stack: &FaultyStack, user: &User) -> Vec<String> {
    let (trace, calls) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
    let seen_calls = Arc::clone(&calls);
    stack.faults.watch(&trace, move |seen, moment| {
        if moment == Moment::Before && seen.service == Service::Cognito {
            seen_calls.lock().unwrap().push(seen.operation);
        }
        async { Verdict::GoOn }
    });
    let call = Client::of(&stack.ready).sign_in_at(&user.partner_id, &user.email, &user.password);
    call.within(&trace).await.expect(200);
    calls.lock().unwrap().clone()
}

/// Starts two stacks.
#[tokio::test]
async fn only_the_first_sign_in_of_a_generation_creates_a_cognito_user() {
    let stack = FaultyStack::start("first-sign-in").unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let first = ["AdminCreateUser", "AdminSetUserPassword", "AdminInitiateAuth"];
    assert_eq!(cognito_calls(&stack, &ann).await, first);
    assert_eq!(cognito_calls(&stack, &ann).await, ["AdminInitiateAuth"]);

    partner.owner().force_logout(&ann).await.expect(200);
    assert_eq!(cognito_calls(&stack, &ann).await, first);
    assert_eq!(cognito_calls(&stack, &ann).await, ["AdminInitiateAuth"]);

    // The user pool is lost, although the item says that the Cognito user exists.
    Rows::of(&stack.ready).lose_cognito_users(&partner.id).await;
    assert_eq!(cognito_calls(&stack, &ann).await, [&["AdminInitiateAuth"], &first[..]].concat());
    assert_eq!(cognito_calls(&stack, &ann).await, ["AdminInitiateAuth"]);
}

/// Starts two stacks. No count of the attempt is carried out before Cognito is called, so a sign-in that waited for its
/// counts would fail.
#[tokio::test]
async fn tokens_are_issued_while_the_attempt_is_counted() {
    let stack = FaultyStack::start("early-tokens").unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let client = Client::of(&stack.ready);
    for _ in ["from a new source, and the first of its generation", "from a known source"] {
        let (trace, called) = (Trace::new(), watch::Sender::new(false));
        let is_called = called.clone();
        stack.faults.watch(&trace, move |seen, moment| {
            is_called.send_if_modified(|is_called| {
                let is_first = !*is_called && seen.service == Service::Cognito;
                *is_called |= is_first;
                is_first
            });
            let (waits, mut changes) = (moment == Moment::Before && seen.is_single_write(), is_called.subscribe());
            async move {
                if waits {
                    changes.wait_for(|is_called| *is_called).await.unwrap();
                }
                Verdict::GoOn
            }
        });
        client.sign_in_at(&partner.id, &ann.email, &ann.password).within(&trace).await.expect(200);
    }
}
