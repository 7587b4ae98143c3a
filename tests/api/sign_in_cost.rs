//! What a sign-in writes. The benchmark's `SIGN_IN.md` explains each unit.

use std::collections::BTreeMap;

use portal_tests::faults::{FaultyStack, Ledger, Trace};
use portal_tests::{Client, Partner};

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
        }
        // A failure from a known source still counts towards the limits: two counters and the user's own count.
        let failed = metered(&client, names_partner, "wrong", 401).await;
        assert_eq!(failed.units()["Sessions"], 3.0 + more, "{failed:?}");
    }
}
