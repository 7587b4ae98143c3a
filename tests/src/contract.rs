//! The API's contract: `shared/openapi.yaml`, with which the harness compares every request under `/v1` and its response.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Registry, ValidationError, Validator};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method, Request};
use serde_json::{Map, Value, json};

use crate::{Answer, stack, template, workspace};

/// The name of the document among the schemas.
const DOCUMENT: &str = "urn:contract";
const GATEWAY_MESSAGE: &str = "/components/schemas/GatewayMessage";
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// Response headers that mean something to a client: a response may have them only where the contract documents them.
const DOCUMENTED_HEADERS: [&str; 8] = [
    "content-disposition",
    "etag",
    "idempotent-replayed",
    "link",
    "location",
    "retry-after",
    "set-cookie",
    "www-authenticate",
];

/// What the contract documents, with all schemas compiled.
struct Contract {
    operations: Vec<Operation>,
    /// By JSON pointer.
    validators: BTreeMap<String, Validator>,
}

struct Operation {
    id: String,
    method: Method,
    segments: Vec<String>,
    parameters: Vec<Parameter>,
    request: Option<RequestBody>,
    /// The fields of a JSON request body.
    fields: BTreeSet<String>,
    /// By status.
    responses: BTreeMap<u16, Response>,
}

struct Parameter {
    place: String,
    name: String,
    value: Field,
}

struct RequestBody {
    is_required: bool,
    /// JSON pointers of schemas by media type.
    content: BTreeMap<String, String>,
}

struct Response {
    headers: Vec<(String, Field)>,
    content: BTreeMap<String, String>,
}

/// A parameter's or a header's value.
struct Field {
    is_required: bool,
    /// The JSON pointer of its schema.
    schema: String,
    /// The schema's type.
    kind: String,
}

/// Records the operation and the status of a request and its response, which must be as the contract documents them.
pub(crate) fn check(request: &Request, answer: &Answer) {
    if !request.url().path().starts_with("/v1") {
        return;
    }
    match contract().operation_of(request, answer) {
        Ok(None) => {}
        Ok(Some(operation)) => record(&operation.id, answer.status),
        Err(mismatch) => panic!("{mismatch}, which is not what shared/openapi.yaml documents"),
    }
}

/// How a request or its response differs from the contract, if they do. Values are left out: they may be secrets.
pub fn mismatch(request: &Request, answer: &Answer) -> Option<String> {
    contract().operation_of(request, answer).err()
}

/// Every documented status of every operation.
pub fn documented() -> BTreeSet<(String, u16)> {
    let operations = contract().operations.iter();
    operations.flat_map(|operation| operation.responses.keys().map(|status| (operation.id.clone(), *status))).collect()
}

/// What the contract documents about a route.
#[derive(Debug)]
pub struct Documented {
    /// The status of a success.
    pub success: u16,
    /// Whether a request may have `If-Match`.
    pub is_conditional: bool,
    /// The fields of a JSON request body.
    pub fields: BTreeSet<String>,
}

/// What the contract documents about each route, such as `GET /v1/users/{user_id}`.
pub fn routes() -> BTreeMap<String, Documented> {
    let documented = |operation: &Operation| Documented {
        success: *operation.responses.keys().find(|status| (200..300).contains(*status)).unwrap(),
        is_conditional: operation.parameters.iter().any(|parameter| parameter.name == "If-Match"),
        fields: operation.fields.clone(),
    };
    let operations = contract().operations.iter();
    operations.map(|one| (format!("{} {}", one.method, one.segments.join("/")), documented(one))).collect()
}

/// The folder in which every test process records the operations and statuses that it has seen.
pub fn records() -> PathBuf {
    workspace().join("target/contract")
}

/// Adds a line to this process's record, once.
fn record(operation: &str, status: u16) {
    static SEEN: Mutex<BTreeSet<(String, u16)>> = Mutex::new(BTreeSet::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.insert((operation.to_owned(), status)) {
        return;
    }
    fs::create_dir_all(records()).unwrap();
    let path = records().join(format!("{}-{}.txt", stack::suite(), std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{operation} {status}").unwrap();
}

fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| Contract::new(&serde_yaml_ng::from_value(template::read("shared/openapi.yaml")).unwrap()))
}

impl Contract {
    fn new(document: &Value) -> Self {
        let mut reader = Reader { document, schemas: BTreeSet::from([GATEWAY_MESSAGE.to_owned()]) };
        let operations = reader.operations();
        let schemas = reader.schemas;
        let registry = Registry::new().draft(Draft::Draft202012).add(DOCUMENT, document).unwrap().prepare().unwrap();
        let validators = schemas.into_iter().map(|pointer| {
            let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({ "$ref": format!("{DOCUMENT}#{fragment}") });
            let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&registry);
            let validator = options.should_validate_formats(true).build(&schema);
            let validator = validator.unwrap_or_else(|error| panic!("the schema at {pointer}: {error}"));
            (pointer, validator)
        });
        Self { operations, validators: validators.collect() }
    }

    /// The most specific operation of this method and path.
    fn find(&self, method: &Method, path: &str) -> Option<&Operation> {
        let path: Vec<String> =
            path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let fits = |segments: &[String]| {
            let pairs = || segments.iter().zip(&path);
            segments.len() == path.len()
                && pairs().all(|(segment, part)| if is_parameter(segment) { !part.is_empty() } else { segment == part })
        };
        let operations = self.operations.iter().filter(|operation| operation.method == *method);
        let operations = operations.filter(|operation| fits(&operation.segments));
        operations
            .min_by_key(|operation| operation.segments.iter().map(|segment| is_parameter(segment)).collect::<Vec<_>>())
    }

    /// The operation of a request, if it and its response are as documented; `None` if the API has no such operation.
    fn operation_of(&self, request: &Request, answer: &Answer) -> Result<Option<&Operation>, String> {
        let (method, path, status) = (request.method(), request.url().path(), answer.status);
        let Some(operation) = self.find(method, path) else {
            let found =
                self.unknown_operation(method, answer).map_err(|found| format!("{method} {path}: {status}: {found}"));
            return found.map(|()| None);
        };
        let named = |found: String| format!("{}: {status}: {found}", operation.id);
        self.response(operation, answer).map_err(named)?;
        if (200..300).contains(&status) {
            self.request(operation, request).map_err(named)?;
        }
        Ok(Some(operation))
    }

    /// API Gateway's own response to a preflight request or to an unknown route.
    fn unknown_operation(&self, method: &Method, answer: &Answer) -> Result<(), String> {
        if *method == Method::OPTIONS && answer.status == 204 && answer.text.is_empty() {
            return Ok(());
        }
        if !(400..500).contains(&answer.status) {
            return Err("an unknown operation succeeds".to_owned());
        }
        let content = [("application/json".to_owned(), GATEWAY_MESSAGE.to_owned())];
        self.body(&content.into(), &answer.headers, answer.text.as_bytes())
    }

    fn response(&self, operation: &Operation, answer: &Answer) -> Result<(), String> {
        let response = operation.responses.get(&answer.status).ok_or("an undocumented status")?;
        if response.content.is_empty() {
            if !answer.text.is_empty() {
                return Err("an undocumented body".to_owned());
            }
        } else {
            self.body(&response.content, &answer.headers, answer.text.as_bytes())?;
        }
        for (name, field) in &response.headers {
            let values = answer.headers.get_all(name);
            if field.is_required && values.iter().next().is_none() {
                return Err(format!("the header {name} is missing"));
            }
            for value in values {
                let value = value.to_str().map_err(|_| format!("the header {name} is not text"))?;
                self.field(field, value).map_err(|found| format!("the header {name}: {found}"))?;
            }
        }
        let documented = |name: &str| response.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        for name in DOCUMENTED_HEADERS {
            if answer.headers.contains_key(name) && !documented(name) {
                return Err(format!("the undocumented header {name}"));
            }
        }
        // API Gateway itself says nothing about caches.
        let is_of_the_gateway = answer.status >= 400 && media_type(&answer.headers) == "application/json";
        if !is_of_the_gateway && answer.headers.get("cache-control").is_none_or(|value| value != "no-store") {
            return Err("Cache-Control is not no-store".to_owned());
        }
        Ok(())
    }

    /// A request that succeeded must be one that the contract allows.
    fn request(&self, operation: &Operation, request: &Request) -> Result<(), String> {
        let path = request.url().path().split('/').zip(&operation.segments);
        let path = path.filter_map(|(part, segment)| Some((segment.strip_prefix('{')?.strip_suffix('}')?, part)));
        let mut found: Vec<(&str, String, String)> =
            path.map(|(name, part)| ("path", name.to_owned(), part.to_owned())).collect();
        for (name, value) in request.url().query_pairs() {
            if !operation.parameters.iter().any(|known| known.place == "query" && known.name == name) {
                return Err(format!("the undocumented parameter {name}"));
            }
            // An empty parameter counts as absent.
            if !value.is_empty() {
                found.push(("query", name.into_owned(), value.into_owned()));
            }
        }
        for (name, value) in request.headers() {
            let value = value.to_str().map_err(|_| format!("the request's header {name} is not text"))?;
            found.push(("header", name.as_str().to_owned(), value.to_owned()));
        }
        for Parameter { place, name, value } in &operation.parameters {
            let same =
                found.iter().filter(|(found_in, found, _)| found_in == place && name.eq_ignore_ascii_case(found));
            let same: Vec<_> = same.collect();
            if value.is_required && same.is_empty() {
                return Err(format!("the parameter {name} is missing"));
            }
            for (_, _, text) in same {
                self.field(value, text).map_err(|found| format!("the parameter {name}: {found}"))?;
            }
        }
        let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
        match &operation.request {
            // A request that needs no body may also send an empty object or null.
            None if body.is_empty() => Ok(()),
            None if serde_json::from_slice(body).is_ok_and(|body| [json!({}), Value::Null].contains(&body)) => Ok(()),
            None => Err("an undocumented request body".to_owned()),
            Some(documented) if body.is_empty() && !documented.is_required => Ok(()),
            Some(documented) => self
                .body(&documented.content, request.headers(), body)
                .map_err(|found| format!("the request's body: {found}")),
        }
    }

    /// A body must have a documented media type and fit its schema. The content of CSV is not compared.
    fn body(&self, content: &BTreeMap<String, String>, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let media_type = media_type(headers);
        let schema = content.get(&media_type).ok_or_else(|| format!("the undocumented media type {media_type:?}"))?;
        if media_type == "text/csv" {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON".to_owned())?;
        self.valid(schema, &body)
    }

    fn field(&self, field: &Field, text: &str) -> Result<(), String> {
        let value = match field.kind.as_str() {
            "integer" | "boolean" => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            _ => text.into(),
        };
        self.valid(&field.schema, &value)
    }

    fn valid(&self, schema: &str, value: &Value) -> Result<(), String> {
        self.validators[schema].validate(value).map_err(|error| located(&error))
    }
}

/// Reads the document, and collects the JSON pointers of the schemas that it uses.
struct Reader<'a> {
    document: &'a Value,
    schemas: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// What is at a JSON pointer, after its references, and where that is.
    fn at(&self, pointer: String) -> (String, &'a Value) {
        let value = self.document.pointer(&pointer).unwrap_or_else(|| panic!("nothing is at {pointer}"));
        match value["$ref"].as_str() {
            None => (pointer, value),
            Some(reference) => self.at(reference.strip_prefix('#').unwrap().to_owned()),
        }
    }

    fn operations(&mut self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for path in keys(&self.document["paths"]) {
            let item = format!("/paths/{}", escaped(path));
            for method in METHODS {
                let pointer = format!("{item}/{}", method.as_str().to_lowercase());
                if let Some(operation) = self.document.pointer(&pointer) {
                    operations.push(Operation {
                        id: operation["operationId"].as_str().unwrap().to_owned(),
                        method,
                        segments: path.split('/').map(str::to_owned).collect(),
                        parameters: [&item, &pointer].into_iter().flat_map(|owner| self.parameters(owner)).collect(),
                        request: operation.get("requestBody").map(|_| self.request(&pointer)),
                        fields: self.fields(&pointer),
                        responses: self.responses(&format!("{pointer}/responses")),
                    });
                }
            }
        }
        operations
    }

    fn parameters(&mut self, owner: &str) -> Vec<Parameter> {
        let list = format!("{owner}/parameters");
        let count = self.document.pointer(&list).and_then(Value::as_array).map_or(0, Vec::len);
        let parameters = (0..count).map(|index| {
            let (pointer, parameter) = self.at(format!("{list}/{index}"));
            let text = |key: &str| parameter[key].as_str().unwrap().to_owned();
            Parameter { place: text("in"), name: text("name"), value: self.field(&pointer) }
        });
        parameters.collect()
    }

    fn field(&mut self, owner: &str) -> Field {
        let schema = format!("{owner}/schema");
        let kind = self.at(schema.clone()).1["type"].as_str().unwrap_or_default().to_owned();
        self.schemas.insert(schema.clone());
        Field { is_required: self.at(owner.to_owned()).1["required"] == true, schema, kind }
    }

    fn request(&mut self, operation: &str) -> RequestBody {
        let (pointer, request) = self.at(format!("{operation}/requestBody"));
        RequestBody { is_required: request["required"] == true, content: self.content(&pointer) }
    }

    fn fields(&self, operation: &str) -> BTreeSet<String> {
        let schema = format!("{operation}/requestBody/content/application~1json/schema");
        if self.document.pointer(&schema).is_none() {
            return BTreeSet::new();
        }
        keys(&self.at(schema).1["properties"]).map(str::to_owned).collect()
    }

    fn responses(&mut self, list: &str) -> BTreeMap<u16, Response> {
        let statuses = keys(self.document.pointer(list).unwrap()).map(|status| {
            let (pointer, response) = self.at(format!("{list}/{status}"));
            let headers = keys(&response["headers"]).map(|name| {
                let (pointer, _) = self.at(format!("{pointer}/headers/{name}"));
                (name.to_owned(), self.field(&pointer))
            });
            let headers = headers.collect();
            (status.parse().unwrap(), Response { headers, content: self.content(&pointer) })
        });
        statuses.collect()
    }

    fn content(&mut self, owner: &str) -> BTreeMap<String, String> {
        let list = format!("{owner}/content");
        let Some(content) = self.document.pointer(&list) else { return BTreeMap::new() };
        let content = keys(content).map(|media_type| {
            let schema = format!("{list}/{}/schema", escaped(media_type));
            self.schemas.insert(schema.clone());
            (media_type.to_owned(), schema)
        });
        content.collect()
    }
}

fn keys(object: &Value) -> impl Iterator<Item = &str> {
    object.as_object().into_iter().flat_map(Map::keys).map(String::as_str)
}

/// A part of a JSON pointer.
fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// The media type without its parameters; empty if there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_lowercase()
}

/// Where a value violates which keyword, without the value.
fn located(error: &ValidationError<'_>) -> String {
    format!("at {:?} the keyword {}", error.instance_path().as_str(), error.schema_path())
}
