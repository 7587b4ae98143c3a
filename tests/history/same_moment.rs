//! Two sign-ins with the same timestamp. A change of the password must notice the second one, although it does not
//! change the time of the last sign-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portal_tests::faults::{Faults, Moment, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, secrets};
use serde_json::json;
use tokio::sync::oneshot;

use crate::stack;

/// A request whose first transaction waits before it is carried out.
struct Held {
    trace: Trace,
    /// Receives the time in the transaction, once the transaction waits.
    decided_at: oneshot::Receiver<String>,
    release: oneshot::Sender<()>,
}

impl Held {
    fn by(faults: &Faults) -> Self {
        let trace = Trace::new();
        let (sender, decided_at) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let waits = std::sync::Mutex::new(Some((sender, released)));
        let is_first = Arc::new(AtomicBool::new(true));
        faults.watch(&trace, move |seen, moment| {
            let is_it = moment == Moment::Before
                && seen.operation == "TransactWriteItems"
                && is_first.swap(false, Ordering::Relaxed);
            let wait = if is_it { waits.lock().unwrap().take() } else { None };
            async move {
                if let Some((sender, released)) = wait {
                    let items = seen.body["TransactItems"].as_array().cloned().unwrap_or_default();
                    let at = items.iter().find_map(|item| item["Put"]["Item"]["at"]["S"].as_str());
                    sender.send(at.unwrap_or_default().to_owned()).unwrap();
                    released.await.unwrap();
                }
                Verdict::GoOn
            }
        });
        Self { trace, decided_at, release }
    }
}

#[tokio::test]
async fn a_new_password_ends_a_concurrent_sign_in_with_the_same_timestamp() {
    let stack = stack();
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.new_user("viewer").await;
    let client = Client::of(&stack.ready);

    let (sign_in, change) = (Held::by(&stack.faults), Held::by(&stack.faults));
    let signing_in = tokio::spawn(client.sign_in(&ann.email, &ann.password).within(&sign_in.trace).into_future());
    let at = sign_in.decided_at.await.unwrap();
    Rows::of(&stack.ready).set_last_sign_in(&ann, &at).await;
    let new = secrets::password();
    let body = json!({ "current_password": ann.password });
    let changing = tokio::spawn(ann.set_password(&ann, &new, &body).within(&change.trace).into_future());
    change.decided_at.await.unwrap();
    sign_in.release.send(()).unwrap();
    let signed_in = signing_in.await.unwrap().expect(200);
    change.release.send(()).unwrap();
    changing.await.unwrap().expect(204);

    Actor::from_answer(client, ann.user.clone(), &signed_in).is_signed_out().await;
    ann.is_signed_in().await;
}
