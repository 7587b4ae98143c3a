//! Reads a table of the template: its keys, its indexes and its time to live.

use super::section::{Entry, Section, TemplateError};

/// One table, as `CreateTable` and `UpdateTimeToLive` need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Such as `UsersTable`.
    pub(crate) logical_id: String,
    /// Such as `portal-local-UsersTable`.
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, KeyType)>,
    pub(crate) keys: Keys,
    pub(crate) local_indexes: Vec<Index>,
    pub(crate) global_indexes: Vec<Index>,
    /// The attribute that holds the time at which an item expires.
    pub(crate) time_to_live: Option<String>,
    /// What the records of its stream contain. `None` if it has no stream.
    pub(crate) stream: Option<StreamView>,
}

/// The images of an item that a record of a stream contains besides the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamView {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    String,
    Number,
    Binary,
}

/// The key of a table or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) keys: Keys,
    pub(crate) projection: Projection,
}

/// The attributes that an index holds besides the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Projection {
    All,
    KeysOnly,
    Include(Vec<String>),
}

/// The name of the table itself.
pub(super) fn physical_name(logical_id: &str) -> String {
    format!("portal-local-{logical_id}")
}

pub(super) fn read(logical_id: &str, mut properties: Section) -> Result<Table, TemplateError> {
    // These properties concern billing, encryption, backups and protection.
    properties.ignore(&[
        "BillingMode",
        "DeletionProtectionEnabled",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TableClass",
        "Tags",
    ]);
    let table = Table {
        logical_id: logical_id.to_owned(),
        name: physical_name(logical_id),
        attributes: properties.list("AttributeDefinitions")?.into_iter().map(attribute).collect::<Result<_, _>>()?,
        keys: keys(properties.require("KeySchema")?)?,
        local_indexes: indexes(properties.list("LocalSecondaryIndexes")?)?,
        global_indexes: indexes(properties.list("GlobalSecondaryIndexes")?)?,
        time_to_live: properties.take("TimeToLiveSpecification").map_or(Ok(None), time_to_live)?,
        stream: properties.take("StreamSpecification").map(stream).transpose()?,
    };
    properties.finish()?;
    Ok(table)
}

fn attribute(entry: Entry) -> Result<(String, KeyType), TemplateError> {
    let mut section = entry.section()?;
    let name = section.require("AttributeName")?.text()?;
    let kind = section.require("AttributeType")?;
    let kind = match kind.value.as_str() {
        Some("S") => KeyType::String,
        Some("N") => KeyType::Number,
        Some("B") => KeyType::Binary,
        _ => return Err(kind.error("expected S, N or B")),
    };
    section.finish()?;
    Ok((name, kind))
}

fn keys(entry: Entry) -> Result<Keys, TemplateError> {
    let place = entry.place.clone();
    let (mut hash, mut range) = (None, None);
    for entry in entry.list()? {
        let mut section = entry.section()?;
        let name = section.require("AttributeName")?.text()?;
        let kind = section.require("KeyType")?;
        let previous = match kind.value.as_str() {
            Some("HASH") => hash.replace(name),
            Some("RANGE") => range.replace(name),
            _ => return Err(kind.error("expected HASH or RANGE")),
        };
        if previous.is_some() {
            return Err(kind.error("there is already one"));
        }
        section.finish()?;
    }
    let hash = hash.ok_or_else(|| place.error("there is no HASH key"))?;
    Ok(Keys { hash, range })
}

fn indexes(entries: Vec<Entry>) -> Result<Vec<Index>, TemplateError> {
    entries.into_iter().map(index).collect()
}

fn index(entry: Entry) -> Result<Index, TemplateError> {
    let mut section = entry.section()?;
    let name = section.require("IndexName")?.text()?;
    let keys = keys(section.require("KeySchema")?)?;
    let mut projection = section.require("Projection")?.section()?;
    let kind = projection.require("ProjectionType")?;
    let projected = match kind.value.as_str() {
        Some("ALL") => Projection::All,
        Some("KEYS_ONLY") => Projection::KeysOnly,
        Some("INCLUDE") => {
            let names = projection.require("NonKeyAttributes")?.list()?;
            Projection::Include(names.into_iter().map(Entry::text).collect::<Result<_, _>>()?)
        }
        _ => return Err(kind.error("expected ALL, KEYS_ONLY or INCLUDE")),
    };
    projection.finish()?;
    section.finish()?;
    Ok(Index { name, keys, projection: projected })
}

fn time_to_live(entry: Entry) -> Result<Option<String>, TemplateError> {
    let mut section = entry.section()?;
    let enabled = section.require("Enabled")?.flag()?;
    let attribute = section.require("AttributeName")?.text()?;
    section.finish()?;
    Ok(enabled.then_some(attribute))
}

fn stream(entry: Entry) -> Result<StreamView, TemplateError> {
    let mut section = entry.section()?;
    let view = section.require("StreamViewType")?;
    let view = match view.value.as_str() {
        Some("KEYS_ONLY") => StreamView::KeysOnly,
        Some("NEW_IMAGE") => StreamView::NewImage,
        Some("OLD_IMAGE") => StreamView::OldImage,
        Some("NEW_AND_OLD_IMAGES") => StreamView::NewAndOldImages,
        _ => return Err(view.error("expected KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES")),
    };
    section.finish()?;
    Ok(view)
}
