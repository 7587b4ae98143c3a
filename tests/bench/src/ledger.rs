//! The ledger of request units: which table and index a call reads or writes, which items it names, and why.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;
use serde_json::Value;

use crate::table::Table;

/// The units of one call in a table or an index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Such as `TransactWriteItems`.
    pub operation: String,
    /// Such as `Users`.
    pub table: String,
    /// Such as `by_name`. `None` for the table itself.
    pub index: Option<String>,
    /// What the call does with the items of this table.
    pub items: Vec<Item>,
    /// Read request units.
    pub read_units: f64,
    /// Write request units.
    pub write_units: f64,
}

/// An item, or the items of a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// What it is. `None` if the keys of no known item begin like this.
    pub name: Option<&'static str>,
    /// What the call does with it.
    pub verb: Verb,
}

/// What a call does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verb {
    /// It reads it by its key.
    Get,
    /// It reads those with this prefix.
    Query,
    /// It writes all of it.
    Put,
    /// It writes some attributes.
    Update,
    /// It deletes it.
    Delete,
    /// It is a condition of a transaction.
    Check,
}

impl Verb {
    const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Query)
    }
}

/// Where the keys of a kind of items begin with its prefix.
#[derive(Clone, Copy)]
enum Key {
    Partition,
    Sort,
}

/// A kind of items, and why calls read, write and check them. `None` if no call does.
struct Kind {
    name: &'static str,
    table: &'static str,
    key: Key,
    prefix: &'static str,
    read: Option<&'static str>,
    write: Option<&'static str>,
    check: Option<&'static str>,
}

/// All kinds of items. The first one that fits counts.
const KINDS: [Kind; 20] = [
    Kind {
        name: "idempotency key",
        table: "Users",
        key: Key::Partition,
        prefix: "IDEMPOTENCY#",
        read: Some("whether the request is a repetition"),
        write: Some("a repetition gets the first response"),
        check: None,
    },
    Kind {
        name: "email",
        table: "Users",
        key: Key::Partition,
        prefix: "EMAIL#",
        read: Some("the users with this email"),
        write: Some("an email is unique within a partner"),
        check: None,
    },
    Kind {
        name: "user",
        table: "Users",
        key: Key::Sort,
        prefix: "USER#",
        read: Some("status, permissions and generation at this moment"),
        write: Some("the user's data; conditions on version, status and generation"),
        check: Some("the user may still do this, or has not changed"),
    },
    Kind {
        name: "removed user",
        table: "Users",
        key: Key::Sort,
        prefix: "REMOVED#",
        read: Some("what a restore needs"),
        write: Some("a removed user can be restored for 30 days"),
        check: None,
    },
    Kind {
        name: "mark of an ended generation",
        table: "Users",
        key: Key::Sort,
        prefix: "ENDED#",
        read: Some("generations whose Cognito users still exist"),
        write: Some("if the calls to Cognito fail, repair-identities repeats them"),
        check: None,
    },
    Kind {
        name: "partner",
        table: "Users",
        key: Key::Sort,
        prefix: "PARTNER",
        read: Some("the settings and the number of users"),
        write: Some("the number of users, or a setting"),
        check: Some("the settings have not changed since they were read"),
    },
    Kind {
        name: "credential",
        table: "Credentials",
        key: Key::Partition,
        prefix: "USER#",
        read: Some("the digests and the second factors"),
        write: Some("the digests or the second factors"),
        check: Some("the password and the factors have not changed since they were read"),
    },
    Kind {
        name: "session",
        table: "Sessions",
        key: Key::Sort,
        prefix: "SESSION#",
        read: Some("whether the session has ended"),
        write: Some("the session begins, is used or ends"),
        check: Some("the session has not ended since it was read"),
    },
    Kind {
        name: "challenge",
        table: "Sessions",
        key: Key::Sort,
        prefix: "CHALLENGE#",
        read: Some("the step of the sign-in"),
        write: Some("a challenge is answered once"),
        check: Some("the challenge has not been answered"),
    },
    Kind {
        name: "choice of a partner",
        table: "Sessions",
        key: Key::Sort,
        prefix: "CHOICE",
        read: Some("the users to choose from"),
        write: Some("a choice is made once"),
        check: None,
    },
    Kind {
        name: "challenge for a passkey",
        table: "Sessions",
        key: Key::Sort,
        prefix: "PASSKEY",
        read: Some("the challenge that the passkey signed"),
        write: Some("a challenge is answered once"),
        check: None,
    },
    Kind {
        name: "count of a limit",
        table: "Sessions",
        key: Key::Sort,
        prefix: "ATTEMPTS",
        read: Some("whether the limit is reached"),
        write: Some("the attempt is counted before its result is known, and taken back if it was right"),
        check: None,
    },
    Kind {
        name: "sources of a user",
        table: "Sessions",
        key: Key::Sort,
        prefix: "SOURCES",
        read: Some("whether the source is known or blocked"),
        write: Some("the attempts of each source, and the known sources"),
        check: None,
    },
    Kind {
        name: "count of wrong codes",
        table: "Sessions",
        key: Key::Sort,
        prefix: "CODES",
        read: Some("whether the user's codes are blocked"),
        write: Some("a code is counted before it is compared"),
        check: None,
    },
    Kind {
        name: "mailed links of a user",
        table: "Sessions",
        key: Key::Sort,
        prefix: "LINKS#",
        read: Some("the valid links"),
        write: Some("a link is valid once, and few are mailed in an hour"),
        check: None,
    },
    Kind {
        name: "mail about a block",
        table: "Sessions",
        key: Key::Sort,
        prefix: "BLOCK_MAIL#",
        read: None,
        write: Some("at most one such mail a day"),
        check: None,
    },
    Kind {
        name: "order of a review",
        table: "Sessions",
        key: Key::Sort,
        prefix: "ORDER#",
        read: Some("the users of the page"),
        write: Some("later pages need not read every user"),
        check: None,
    },
    Kind {
        name: "refused action",
        table: "Audit",
        key: Key::Partition,
        prefix: "REFUSED#",
        read: None,
        write: Some("a repeated refusal is recorded once"),
        check: None,
    },
    Kind {
        name: "event",
        table: "Audit",
        key: Key::Sort,
        prefix: "",
        read: Some("the history"),
        write: Some("each change has an event"),
        check: None,
    },
    Kind {
        name: "mail",
        table: "Outbox",
        key: Key::Partition,
        prefix: "",
        read: Some("the mail to send"),
        write: Some("mail is sent if and only if its change is committed"),
        check: None,
    },
];

/// An index, with why calls read it, and why its entries change.
struct Index {
    table: &'static str,
    name: &'static str,
    item: &'static str,
    read: &'static str,
    write: &'static str,
}

const INDEXES: [Index; 8] = [
    Index {
        table: "Users",
        name: "by_name",
        item: "user",
        read: "a page in the order of names",
        write: "lists by name show the user",
    },
    Index {
        table: "Users",
        name: "by_email",
        item: "user",
        read: "a page in the order of emails",
        write: "lists by email show the user",
    },
    Index {
        table: "Users",
        name: "by_last_sign_in",
        item: "user",
        read: "a page in the order of last sign-ins, or the users of a review",
        write: "lists by last sign-in and reviews show the user. A changed sort key is two entries",
    },
    Index {
        table: "Users",
        name: "by_role",
        item: "user",
        read: "a search compares every user of the partner",
        write: "searches find the user. A changed sort key is two entries",
    },
    Index {
        table: "Users",
        name: "by_repair_due",
        item: "mark of an ended generation",
        read: "the marks that are due",
        write: "repair-identities finds the mark",
    },
    Index {
        table: "Audit",
        name: "by_target",
        item: "event",
        read: "the history of a user",
        write: "the history of the user concerned",
    },
    Index {
        table: "Audit",
        name: "by_actor",
        item: "event",
        read: "the actions of a user",
        write: "the actions of the user who acted",
    },
    Index {
        table: "Audit",
        name: "by_review",
        item: "event",
        read: "the decisions of a review",
        write: "the record of a review",
    },
];

impl Entry {
    /// The reason for these units. `None` if the tables of this module have none.
    pub fn reason(&self) -> Option<String> {
        if let Some(index) = &self.index {
            let index = INDEXES.iter().find(|known| known.table == self.table && known.name == index)?;
            return Some((if self.read_units > 0.0 { index.read } else { index.write }).to_owned());
        }
        let mut reasons = Vec::new();
        for item in &self.items {
            let kind = KINDS.iter().find(|kind| kind.table == self.table && Some(kind.name) == item.name)?;
            let reason = match item.verb {
                Verb::Get | Verb::Query => kind.read,
                Verb::Put | Verb::Update | Verb::Delete => kind.write,
                Verb::Check => kind.check,
            }?;
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

impl Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = format!("{:?}", self.verb).to_lowercase();
        write!(formatter, "{} ({verb})", self.name.unwrap_or("?"))
    }
}

/// Returns the units of a call by table and index. The response must report them (`ReturnConsumedCapacity` with `INDEXES`).
/// `DynamoDB` also charges a write whose condition fails, but the error does not report it: this counts one unit, because
/// all items that single writes of the portal concern have less than 1 KB.
pub fn entries(operation: &str, input: &Value, answer: &Value) -> Vec<Entry> {
    let items = items(operation, input);
    let is_read = items.values().flatten().all(|item| item.verb.is_read());
    let mut entries = Vec::new();
    let mut enter = |table: &str, index: Option<&str>, units: f64| {
        if units > 0.0 {
            let (read_units, write_units) = if is_read { (units, 0.0) } else { (0.0, units) };
            let mut items = items.get(table).cloned().unwrap_or_default();
            items.sort();
            let (operation, table, index) = (operation.to_owned(), short(table).to_owned(), index.map(str::to_owned));
            entries.push(Entry { operation, table, index, items, read_units, write_units });
        }
    };
    if answer["__type"].as_str().is_some_and(|code| code.ends_with("ConditionalCheckFailedException")) {
        enter(input["TableName"].as_str().unwrap_or_default(), None, 1.0);
    }
    let consumed = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().collect(),
        table => vec![table],
    };
    for table in consumed {
        let name = table["TableName"].as_str().unwrap_or_default();
        let units = |place: &Value| place["CapacityUnits"].as_f64().unwrap_or_default();
        enter(name, None, units(&table["Table"]));
        for indexes in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
            for (index, place) in table[indexes].as_object().into_iter().flatten() {
                enter(name, Some(index), units(place));
            }
        }
    }
    // The order of tables in a response is random.
    entries.sort_by(|one, other| (&one.table, &one.index).cmp(&(&other.table, &other.index)));
    entries
}

/// Returns what a call does with which items, by table.
fn items(operation: &str, input: &Value) -> BTreeMap<String, Vec<Item>> {
    let mut items: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    let mut add = |table: &str, verb: Verb, keys: &Value| {
        let name = name(short(table), keys);
        items.entry(table.to_owned()).or_default().push(Item { name, verb });
    };
    let table = input["TableName"].as_str().unwrap_or_default();
    match operation {
        "BatchGetItem" => {
            for (table, wanted) in input["RequestItems"].as_object().into_iter().flatten() {
                for key in wanted["Keys"].as_array().into_iter().flatten() {
                    add(table, Verb::Get, key);
                }
            }
        }
        "TransactWriteItems" => {
            for write in input["TransactItems"].as_array().into_iter().flatten() {
                for (word, request) in write.as_object().into_iter().flatten() {
                    let (verb, keys) = match word.as_str() {
                        "Put" => (Verb::Put, &request["Item"]),
                        "Update" => (Verb::Update, &request["Key"]),
                        "Delete" => (Verb::Delete, &request["Key"]),
                        _ => (Verb::Check, &request["Key"]),
                    };
                    add(request["TableName"].as_str().unwrap_or_default(), verb, keys);
                }
            }
        }
        "PutItem" => add(table, Verb::Put, &input["Item"]),
        "UpdateItem" => add(table, Verb::Update, &input["Key"]),
        "DeleteItem" => add(table, Verb::Delete, &input["Key"]),
        "GetItem" => add(table, Verb::Get, &input["Key"]),
        _ => {
            let item = Item { name: queried(short(table), input), verb: Verb::Query };
            items.entry(table.to_owned()).or_default().push(item);
        }
    }
    items
}

/// What the items with these keys are.
fn name(table: &str, keys: &Value) -> Option<&'static str> {
    let fits = |kind: &&Kind| {
        let key = match kind.key {
            Key::Partition => &keys["pk"],
            Key::Sort => &keys["sk"],
        };
        kind.table == table && key["S"].as_str().is_some_and(|text| text.starts_with(kind.prefix))
    };
    KINDS.iter().find(fits).map(|kind| kind.name)
}

/// What the items of a query are. A value of its condition is the start of their keys.
fn queried(table: &str, query: &Value) -> Option<&'static str> {
    if let Some(index) = query["IndexName"].as_str() {
        return INDEXES.iter().find(|known| known.table == table && known.name == index).map(|index| index.item);
    }
    let values = query["ExpressionAttributeValues"].as_object();
    let texts: Vec<&str> = values.into_iter().flatten().filter_map(|(_, value)| value["S"].as_str()).collect();
    let fits = |kind: &&Kind| kind.table == table && texts.iter().any(|text| text.starts_with(kind.prefix));
    KINDS.iter().find(fits).map(|kind| kind.name)
}

/// The name of a table without `Table`: `Users`.
fn short(table: &str) -> &str {
    table.trim_end_matches("Table")
}

/// The beginning of the page with all ledgers.
pub const HEAD: &str = "\
# The ledger of request units

`cargo bench -p portal-bench -- --ledger` wrote this page. It has the units of one warm request of each function to which
the benchmark sends requests. A read unit (RRU) is a strongly consistent read of 4 KB, and a write unit (WRU) is a write of
1 KB. A transaction takes two units for each item. The rows of an index have no items, because DynamoDB reports only their
sum.
";

/// The ledger of a function: its units, each with a reason.
#[derive(Debug, Clone)]
pub struct Ledger<'a> {
    function: &'a str,
    /// The number of equal calls, with their sum.
    entries: Vec<(usize, Entry)>,
}

impl<'a> Ledger<'a> {
    /// The ledger of all calls of one request.
    pub fn new(function: &'a str, all: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<(usize, Entry)> = Vec::new();
        for entry in all {
            let place = |entry: &Entry| {
                (entry.operation.clone(), entry.table.clone(), entry.index.clone(), entry.items.clone())
            };
            match entries.iter_mut().find(|(_, other)| place(other) == place(&entry)) {
                Some((count, sum)) => {
                    *count += 1;
                    sum.read_units += entry.read_units;
                    sum.write_units += entry.write_units;
                }
                None => entries.push((1, entry)),
            }
        }
        Self { function, entries }
    }

    /// Returns the units without a reason, as a text for each.
    pub fn unexplained(&self) -> Vec<String> {
        let unexplained = self.entries.iter().filter(|(_, entry)| entry.reason().is_none());
        unexplained.map(|(_, entry)| format!("{}: {entry:?}", self.function)).collect()
    }
}

impl Display for Ledger<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |units: fn(&Entry) -> f64| self.entries.iter().fold(0.0, |sum, (_, entry)| sum + units(entry));
        let (reads, writes) = (sum(|entry| entry.read_units), sum(|entry| entry.write_units));
        let mut table = Table::new(&["call", "table", "index", "items", "RRU", "WRU", "reason"]);
        for (count, entry) in &self.entries {
            let operation = &entry.operation;
            let units = |amount: f64| (amount > 0.0).then(|| amount.to_string());
            // The entries of an index have no other names than their items.
            let items = entry.index.is_none().then(|| named(&entry.items));
            table.row(&[
                Some(if *count == 1 { operation.clone() } else { format!("{count} × {operation}") }),
                Some(entry.table.clone()),
                entry.index.clone(),
                items,
                units(entry.read_units),
                units(entry.write_units),
                entry.reason(),
            ]);
        }
        write!(formatter, "## {}\n\n{reads} RRU, {writes} WRU\n", self.function)?;
        if table.is_empty() { Ok(()) } else { write!(formatter, "\n{table}\n") }
    }
}

/// The items in one line, equal ones once.
fn named(items: &[Item]) -> String {
    let mut counts: BTreeMap<&Item, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let words = counts.into_iter().map(|(item, count)| match count {
        1 => item.to_string(),
        count => format!("{count} × {item}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transaction_has_a_row_for_each_table_and_index() {
        let input = json!({ "TransactItems": [
            { "Update": { "TableName": "UsersTable", "Key": { "pk": { "S": "PARTNER#p" }, "sk": { "S": "USER#u" } } } },
            { "ConditionCheck": { "TableName": "UsersTable", "Key": { "pk": { "S": "PARTNER#p" }, "sk": { "S": "USER#v" } } } },
            { "Put": { "TableName": "AuditTable", "Item": { "pk": { "S": "PARTNER#p" }, "sk": { "S": "evt" } } } },
        ] });
        let answer = json!({ "ConsumedCapacity": [
            { "TableName": "UsersTable", "Table": { "CapacityUnits": 4 }, "LocalSecondaryIndexes": { "by_name": { "CapacityUnits": 1 } } },
            { "TableName": "AuditTable", "Table": { "CapacityUnits": 2 } },
        ] });
        let ledger = Ledger::new("edit-user", entries("TransactWriteItems", &input, &answer));
        assert_eq!(ledger.unexplained(), [""; 0]);
        assert_eq!(
            ledger.to_string(),
            "## edit-user\n\n0 RRU, 7 WRU\n\n\
             | call | table | index | items | RRU | WRU | reason |\n|---|---|---|---|---|---|---|\n\
             | TransactWriteItems | Audit | – | event (put) | – | 2 | each change has an event |\n\
             | TransactWriteItems | Users | – | user (update), user (check) | – | 4 | the user's data; conditions on version, status and generation; the user may still do this, or has not changed |\n\
             | TransactWriteItems | Users | by_name | – | – | 1 | lists by name show the user |\n"
        );
    }

    #[test]
    fn a_write_whose_condition_fails_takes_a_unit() {
        let input =
            json!({ "TableName": "SessionsTable", "Key": { "pk": { "S": "USER#u" }, "sk": { "S": "SOURCES" } } });
        let failed = json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException" });
        let twice = [entries("UpdateItem", &input, &failed), entries("UpdateItem", &input, &failed)].concat();
        let ledger = Ledger::new("sign-in", twice).to_string();
        assert!(ledger.contains("| 2 × UpdateItem | Sessions | – | sources of a user (update) | – | 2 |"), "{ledger}");
    }

    #[test]
    fn queries_have_the_reason_of_their_index_or_of_their_keys() {
        let reason = |table: &str, index: Option<&str>, values: &[&str]| {
            let mut input = json!({ "TableName": table, "ExpressionAttributeValues": {} });
            for (number, value) in values.iter().enumerate() {
                input["ExpressionAttributeValues"][format!(":{number}")] = json!({ "S": value });
            }
            let mut consumed = json!({ "TableName": table });
            match index {
                Some(index) => {
                    input["IndexName"] = json!(index);
                    consumed["LocalSecondaryIndexes"] = json!({ index: { "CapacityUnits": 9 } });
                }
                None => consumed["Table"] = json!({ "CapacityUnits": 9 }),
            }
            let all = entries("Query", &input, &json!({ "ConsumedCapacity": consumed }));
            let [entry] = &all[..] else { panic!("{all:?}") };
            assert_eq!((entry.read_units, entry.write_units), (9.0, 0.0));
            entry.reason()
        };
        assert_eq!(reason("UsersTable", Some("by_name"), &["PARTNER#p"]).unwrap(), "a page in the order of names");
        assert_eq!(reason("UsersTable", None, &["EMAIL#e"]).unwrap(), "the users with this email");
        assert_eq!(reason("SessionsTable", None, &["USER#u", "SESSION#"]).unwrap(), "whether the session has ended");
        assert_eq!(reason("UsersTable", None, &["OTHER#"]), None);
    }
}
