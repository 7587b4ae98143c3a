//! Tests pollers with the embedded DynamoDB and a real function.

use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::lambda::tests::Receiver;
use crate::pattern::Pattern;
use crate::resources;
use crate::servers;
use crate::template::{KeyType, Keys, StreamView, Table};

struct World {
    receiver: Receiver,
    server: Server,
    end: watch::Sender<()>,
    _tasks: JoinSet<()>,
}

fn stream() -> Stream {
    Stream {
        function: Receiver::NAME.to_owned(),
        table: "Outbox".to_owned(),
        arn: "arn:aws:dynamodb:us-east-1:000000000000:table/Outbox/stream/2026".to_owned(),
        batch_size: 10,
        filters: vec![Pattern::read(&json!({ "eventName": ["INSERT"] })).unwrap()],
        max_retries: Some(2),
        max_record_age: None,
        bisects: false,
        reports_failures: true,
        on_failure: Some("arn:aws:sqs:us-east-1:000000000000:Lost".to_owned()),
    }
}

#[test]
fn the_role_of_the_function_lets_lambda_read_the_stream_and_write_to_the_queue() {
    let statement = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let checked =
        |statements: &[Value]| check_role(&stream(), [Policy::read(Receiver::NAME, statements).unwrap()].iter(), None);
    let read = statement("dynamodb:*", &stream().arn);
    let write = statement("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:Lost");
    assert_eq!(checked(&[read.clone(), write.clone()]), Ok(()));
    let lacks = |action: &str| checked(std::slice::from_ref(&read)).is_err_and(|missing| missing.action == action);
    assert!(lacks("sqs:SendMessage"));
    assert!(checked(&[write]).is_err_and(|missing| missing.action == "dynamodb:DescribeStream"));
    assert!(check_role(&stream(), std::iter::empty(), None).is_err());
}

impl World {
    async fn new() -> Self {
        let mut tasks = JoinSet::new();
        let server = servers::dynamodb(None, &mut tasks).await.unwrap();
        let table = Table {
            logical_id: "Outbox".into(),
            name: "Outbox".into(),
            attributes: vec![("pk".into(), KeyType::String)],
            keys: Keys { hash: "pk".into(), range: None },
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            time_to_live: None,
            stream: Some(StreamView::NewImage),
        };
        resources::tables(&server, &[table]).await.unwrap();
        Self { receiver: Receiver::start().await, server, end: watch::Sender::new(()), _tasks: tasks }
    }

    fn poller(&self, stream: Stream, positions: &Positions) -> Poller {
        let (_, wakes) = Wakes::new(std::slice::from_ref(&stream));
        let lambda = self.receiver.lambda.clone();
        let [wake] = wakes.try_into().unwrap();
        Poller::new(stream, self.server.clone(), lambda, wake, positions.clone(), self.end.subscribe()).unwrap()
    }

    /// Writes items, each with its key and other attributes.
    async fn put(&self, items: &[(&str, &[(&str, &str)])]) {
        let client = resources::client(&self.server);
        for (key, attributes) in items {
            let mut put = client.put_item().table_name("Outbox").item("pk", s(key));
            for (name, number) in *attributes {
                put = put.item(*name, aws_sdk_dynamodb::types::AttributeValue::N((*number).to_owned()));
            }
            put.send().await.unwrap();
        }
    }

    /// The keys of the records in each event that the function received.
    fn received(&self) -> Vec<Vec<String>> {
        let keys = |event: &Value| {
            let records = event["Records"].as_array().unwrap().iter();
            records.map(|record| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned()).collect()
        };
        self.receiver.events().iter().map(keys).collect()
    }
}

fn s(text: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())
}

/// The records of a table with these items, as a poller would process them.
async fn processed(stream: Stream, items: &[(&str, &[(&str, &str)])]) -> (Vec<Vec<String>>, Vec<Discarded>) {
    let world = World::new().await;
    world.put(items).await;
    let poller = world.poller(stream, &Positions::open(None).unwrap());
    let arn = poller.client.stream_of("Outbox").await.unwrap().unwrap();
    let shard = poller.client.shards(&arn).await.unwrap().remove(0);
    let iterator = poller.client.iterator(&arn, &shard, None).await.unwrap();
    let records = poller.client.records(&iterator, 100).await.unwrap().records;
    let (progress, discarded) = poller.process_batch(records).await;
    assert_eq!(progress, Progress::Done);
    (world.received(), discarded)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_gets_the_records_that_pass_the_filter_once_and_in_batches() {
    let world = World::new().await;
    let positions = Positions::open(None).unwrap();
    let mut poller = world.poller(Stream { batch_size: 2, ..stream() }, &positions);
    assert!(poller.is_available().await);
    world.put(&[("a", &[]), ("b", &[]), ("a", &[("n", "1")]), ("c", &[])]).await;
    assert_eq!(poller.catch_up().await.unwrap(), Progress::Done);
    assert_eq!(world.received(), [vec!["a", "b"], vec!["c"]]);
    world.put(&[("d", &[])]).await;
    assert_eq!(poller.catch_up().await.unwrap(), Progress::Done);
    assert_eq!(world.received().pop(), Some(vec!["d".to_owned()]));

    // Another poller continues at the saved position.
    let mut next = world.poller(stream(), &positions);
    assert_eq!(next.catch_up().await.unwrap(), Progress::Done);
    assert_eq!(world.received().len(), 3);
    let mut first = world.poller(stream(), &Positions::open(None).unwrap());
    assert_eq!(first.catch_up().await.unwrap(), Progress::Done);
    assert_eq!(world.received().pop().unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_the_form_that_lambda_documents() {
    let world = World::new().await;
    world.put(&[("a", &[("n", "7")])]).await;
    let mut poller = world.poller(stream(), &Positions::open(None).unwrap());
    poller.catch_up().await.unwrap();
    let event = world.receiver.events().remove(0);
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["eventVersion"], "1.1");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["eventSourceARN"], "arn:aws:dynamodb:us-east-1:000000000000:table/Outbox/stream/2026");
    assert!(record["eventID"].is_string());
    let change = &record["dynamodb"];
    assert_eq!(change["Keys"], json!({ "pk": { "S": "a" } }));
    assert_eq!(change["NewImage"], json!({ "pk": { "S": "a" }, "n": { "N": "7" } }));
    assert_eq!(change["StreamViewType"], "NEW_IMAGE");
    assert!(change["SequenceNumber"].is_string() && change["ApproximateCreationDateTime"].is_number());
    assert!(change["SizeBytes"].is_u64() && change.get("OldImage").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_from_the_first_reported_failure_on_are_retried() {
    let (received, discarded) = processed(stream(), &[("a", &[]), ("b", &[("fails", "1")]), ("c", &[])]).await;
    assert_eq!(received, [vec!["a", "b", "c"], vec!["b", "c"]]);
    assert_eq!(discarded, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_discarded_after_the_last_retry() {
    let (received, discarded) = processed(stream(), &[("a", &[]), ("b", &[("fails", "9")]), ("c", &[])]).await;
    assert_eq!(received, [vec!["a", "b", "c"], vec!["b", "c"], vec!["b", "c"]]);
    let expected = Discarded { condition: "RetryAttemptsExhausted", records: 2, attempts: 3 };
    assert_eq!(discarded, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_retries_the_whole_batch_or_its_halves() {
    let items: &[(&str, &[(&str, &str)])] = &[("a", &[]), ("b", &[]), ("c", &[("crashes", "9")]), ("d", &[])];
    let (received, discarded) = processed(Stream { max_retries: Some(0), ..stream() }, items).await;
    assert_eq!(received, [vec!["a", "b", "c", "d"]]);
    assert_eq!(discarded, [Discarded { condition: "RetryAttemptsExhausted", records: 4, attempts: 1 }]);

    let bisecting = Stream { bisects: true, max_retries: Some(1), ..stream() };
    let (received, discarded) = processed(bisecting, items).await;
    let expected = [vec!["a", "b", "c", "d"], vec!["a", "b"], vec!["c", "d"], vec!["c"], vec!["c"], vec!["d"]];
    assert_eq!(received, expected);
    assert_eq!(discarded, [Discarded { condition: "RetryAttemptsExhausted", records: 1, attempts: 4 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_old_is_not_retried() {
    let aging = Stream { max_retries: None, max_record_age: Some(Duration::ZERO), ..stream() };
    let (received, discarded) = processed(aging, &[("a", &[("crashes", "9")])]).await;
    assert_eq!(received, [vec!["a"]]);
    assert_eq!(discarded, [Discarded { condition: "RecordAgeExceeded", records: 1, attempts: 1 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_failures_is_a_success_and_a_malformed_one_is_a_failure() {
    let record = |number: &str| json!({ "dynamodb": { "SequenceNumber": number } });
    let records = [record("1"), record("2"), record("3")];
    for (answer, expected) in [
        ("null", None),
        ("{}", None),
        ("nonsense", None),
        (r#"{"batchItemFailures": null}"#, None),
        (r#"{"batchItemFailures": []}"#, None),
        (r#"{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}"#, Some(1)),
        (r#"{"batchItemFailures": [{"itemIdentifier": "4"}]}"#, Some(0)),
        (r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#, Some(0)),
        (r#"{"batchItemFailures": [{"id": "2"}]}"#, Some(0)),
        (r#"{"batchItemFailures": "2"}"#, Some(0)),
    ] {
        assert_eq!(first_failure(&records, answer.as_bytes()), expected, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_wakes_the_poller_and_the_end_of_the_stack_ends_it() {
    let world = World::new().await;
    let stream = stream();
    let (wakes, notifies) = Wakes::new(std::slice::from_ref(&stream));
    let [wake] = notifies.try_into().unwrap();
    let need = |action: &str, table: &str| Need { action: action.to_owned(), resource: table_arn(table) };
    for (action, table, expected) in [
        ("dynamodb:PutItem", "Outbox", true),
        ("dynamodb:BatchWriteItem", "Outbox", true),
        ("dynamodb:GetItem", "Outbox", false),
        ("dynamodb:PutItem", "Users", false),
    ] {
        wakes.after(&BTreeSet::from([need(action, table)]));
        let woken = futures::FutureExt::now_or_never(wake.notified()).is_some();
        assert_eq!(woken, expected, "{action} {table}");
    }

    let poller = world.poller(stream, &Positions::open(None).unwrap());
    let running = tokio::spawn(poller.run());
    world.put(&[("a", &[])]).await;
    while world.received().is_empty() {
        tokio::task::yield_now().await;
    }
    world.end.send_replace(());
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_stream_is_not_available() {
    let mut tasks = JoinSet::new();
    let world = World::new().await;
    let empty = servers::dynamodb(None, &mut tasks).await.unwrap();
    for server in [empty, Server::embedded("http://127.0.0.1:1".to_owned())] {
        let mut poller = world.poller(stream(), &Positions::open(None).unwrap());
        poller.client = Client::new(server).unwrap();
        assert!(!poller.is_available().await);
    }
}
