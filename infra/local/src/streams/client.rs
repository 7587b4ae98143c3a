//! The API of DynamoDB Streams (`DynamoDBStreams_20120810`). Its records stay JSON: Lambda passes them on as they are.

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::servers::Server;
use crate::signature::{self, NotSigned, Signable};

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The code of the server's error.
    #[error("the server responded {0}")]
    Refused(String),
}

impl StreamError {
    /// Whether the error has this code.
    pub(super) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(found) if found == code)
    }
}

/// A server's streams.
pub(super) struct Client {
    server: Server,
    http: reqwest::Client,
}

/// The records that follow in a shard.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) records: Vec<Value>,
    /// `None` at the end of a closed shard.
    pub(super) next_shard_iterator: Option<String>,
}

impl Client {
    pub(super) fn new(server: Server) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { server, http })
    }

    /// The ARN of a table's stream. `None` if the table has no stream.
    pub(super) async fn stream_of(&self, table: &str) -> Result<Option<String>, StreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Streams {
            #[serde(default)]
            streams: Vec<Stream>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Stream {
            stream_arn: String,
        }
        let answer: Streams = self.call("ListStreams", &json!({ "TableName": table })).await?;
        // A table whose stream was disabled and enabled again has several. The last one is the current one.
        Ok(answer.streams.into_iter().next_back().map(|stream| stream.stream_arn))
    }

    /// The ids of the shards of a stream, oldest first.
    pub(super) async fn shards(&self, stream: &str) -> Result<Vec<String>, StreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Described {
            stream_description: Description,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Description {
            #[serde(default)]
            shards: Vec<Shard>,
            last_evaluated_shard_id: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Shard {
            shard_id: String,
        }
        let mut all = Vec::new();
        let mut request = json!({ "StreamArn": stream });
        loop {
            let answer: Described = self.call("DescribeStream", &request).await?;
            all.extend(answer.stream_description.shards.into_iter().map(|shard| shard.shard_id));
            match answer.stream_description.last_evaluated_shard_id {
                None => return Ok(all),
                Some(last) => request = json!({ "StreamArn": stream, "ExclusiveStartShardId": last }),
            }
        }
    }

    /// A position in a shard: after a record, or before the oldest one.
    pub(super) async fn iterator(&self, stream: &str, shard: &str, after: Option<&str>) -> Result<String, StreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Iterator {
            shard_iterator: String,
        }
        let mut request = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        if let (Some(after), Some(fields)) = (after, request.as_object_mut()) {
            fields.insert("ShardIteratorType".to_owned(), "AFTER_SEQUENCE_NUMBER".into());
            fields.insert("SequenceNumber".to_owned(), after.into());
        }
        let answer: Iterator = self.call("GetShardIterator", &request).await?;
        Ok(answer.shard_iterator)
    }

    pub(super) async fn records(&self, iterator: &str, limit: usize) -> Result<Page, StreamError> {
        self.call("GetRecords", &json!({ "ShardIterator": iterator, "Limit": limit })).await
    }

    async fn call<T: for<'de> Deserialize<'de>>(&self, operation: &str, request: &Value) -> Result<T, StreamError> {
        let target = format!("DynamoDBStreams_20120810.{operation}");
        let body = request.to_string();
        let signable = Signable { service: "dynamodb", path: "/", target: Some(&target), body: body.as_bytes() };
        let mut call = self.http.post(format!("{}/", self.server.url)).header("x-amz-target", &target);
        for (name, value) in signature::headers(&self.server, &signable)? {
            call = call.header(name, value);
        }
        let answer = call.header(CONTENT_TYPE, "application/x-amz-json-1.0").body(body).send().await?;
        if answer.status().is_success() {
            return Ok(answer.json().await?);
        }
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        let code = problem.get("__type").and_then(Value::as_str).unwrap_or_default();
        let code = code.rsplit('#').next().filter(|code| !code.is_empty());
        Err(StreamError::Refused(code.map_or_else(|| status.to_string(), str::to_owned)))
    }
}
