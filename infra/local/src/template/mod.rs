//! Reads `template.yaml`, the single source of truth for the tables, user pool, functions, routes and schedules.
//! Anything that this module does not support is an error with its location: if it were ignored, something could work
//! here and fail on AWS, or the reverse. The module only reads the template; it creates nothing and calls nothing.

mod function;
mod mail;
mod references;
mod section;
mod sources;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::references::References;
pub(crate) use self::section::TemplateError;
use self::section::{Entry, Place, Section};
pub(crate) use self::table::{Index, KeyType, Keys, Projection, StreamView, Table};
use crate::plan::{Cors, JwtAuthorizer, Mail, Plan};

/// The region of all resources.
pub(crate) const REGION: &str = "us-east-1";
/// The account of all resources.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The name of the stack, which is part of resource names.
pub(crate) const STACK: &str = "partner-portal";
/// On AWS every new stack has a different UUID. Here it is constant.
const STACK_UUID: &str = "5d0f6a3e-8c1b-4f27-9e64-2b7c90d1a8f5";

/// The template after all checks, but with unresolved references: some refer to ids that Cognito generates.
#[derive(Debug)]
pub(crate) struct Template {
    parameters: BTreeMap<String, String>,
    /// The parameters that are numbers.
    numbers: BTreeSet<String>,
    conditions: BTreeMap<String, bool>,
    function_globals: Value,
    api_globals: Value,
    resources: BTreeMap<String, Resource>,
}

#[derive(Debug)]
struct Resource {
    kind: Kind,
    properties: Value,
    /// For a function: the binary that `Metadata` names for SAM's build.
    binary: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    UserPool,
    UserPoolClient,
    HttpApi,
    Function,
    Queue,
    EmailIdentity,
    ConfigurationSet,
    EventDestination,
    StreamMapping,
    /// Logs, alarms and similar resources, which have no meaning on one machine.
    OnlyInAws,
}

/// The ARN of a table.
pub(crate) fn table_arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

/// The ARN of an identity or a configuration set of SES, such as `identity/example.com`.
pub(crate) fn ses_arn(resource: &str) -> String {
    format!("arn:aws:ses:{REGION}:{ACCOUNT}:{resource}")
}

/// The ARN of a user pool.
pub(crate) fn user_pool_arn(id: &str) -> String {
    format!("arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{id}")
}

/// The ids of a user pool and its client.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct PoolIds {
    pub(crate) user_pool: String,
    pub(crate) client: String,
}

impl Template {
    /// Reads the template's text and checks all of it. A parameter has the given value, or else the value for the local
    /// stack, or else its default. Parameters for the local stack need not exist.
    pub(crate) fn parse(
        text: &str,
        given: &BTreeMap<String, String>,
        local: &[(&str, String)],
    ) -> Result<Self, TemplateError> {
        let top = Place::new("");
        let yaml = serde_yaml_ng::from_str(text).map_err(|error| top.error(error.to_string()))?;
        let mut document = Entry::new(top.clone(), references::to_json(yaml, &top)?).section()?;
        document.ignore(&["AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Outputs"]);

        let mut globals = document.section("Globals")?;
        let mut template = Self {
            parameters: BTreeMap::new(),
            numbers: BTreeSet::new(),
            conditions: BTreeMap::new(),
            function_globals: globals.take("Function").map_or_else(empty, |entry| entry.value),
            api_globals: globals.take("HttpApi").map_or_else(empty, |entry| entry.value),
            resources: BTreeMap::new(),
        };
        globals.finish()?;
        for (name, entry) in document.section("Parameters")?.rest() {
            let local = local.iter().find(|(local, _)| *local == name).map(|(_, value)| value);
            let (value, kind) = parameter(entry.section()?, given.get(&name).or(local))?;
            if kind == ParameterKind::Number {
                template.numbers.insert(name.clone());
            }
            template.parameters.insert(name, value);
        }
        if let Some(name) = given.keys().find(|name| !template.parameters.contains_key(*name)) {
            return Err(Place::new("Parameters").error(format!("there is no parameter `{name}`")));
        }
        template.conditions = conditions(template.references(None), document.section("Conditions")?)?;
        check_rules(&template.references(None), document.section("Rules")?)?;
        for (logical_id, entry) in document.require("Resources")?.section()?.rest() {
            // Messages start with the resource's name, without the redundant prefix `Resources.`.
            let entry = Entry::new(Place::new(logical_id.as_str()), entry.value);
            if let Some(resource) = resource(entry.section()?, &template.conditions)? {
                template.resources.insert(logical_id, resource);
            }
        }
        document.finish()?;

        // Resolve everything with placeholder ids, so that every error is found before anything is created.
        let unmade = PoolIds { user_pool: format!("{REGION}_unmade"), client: "unmade".to_owned() };
        template.tables()?;
        template.user_pool()?;
        template.user_pool_client(&unmade.user_pool)?;
        template.plan(&unmade)?;
        Ok(template)
    }

    /// The tables to create.
    pub(crate) fn tables(&self) -> Result<Vec<Table>, TemplateError> {
        let references = self.references(None);
        self.of_kind(Kind::Table)
            .map(|(logical_id, resource)| table::read(logical_id, properties(&references, logical_id, resource)?))
            .collect()
    }

    /// The user pool's properties, which are the fields of `CreateUserPool`.
    pub(crate) fn user_pool(&self) -> Result<Value, TemplateError> {
        let (logical_id, resource) = self.the_one(Kind::UserPool)?;
        let properties = properties(&self.references(None), logical_id, resource)?;
        Ok(properties.rest().map(|(key, entry)| (key, entry.value)).collect())
    }

    /// The client's properties, which are the fields of `CreateUserPoolClient`.
    pub(crate) fn user_pool_client(&self, user_pool: &str) -> Result<Value, TemplateError> {
        let (logical_id, resource) = self.the_one(Kind::UserPoolClient)?;
        let ids = PoolIds { user_pool: user_pool.to_owned(), client: String::new() };
        let properties = properties(&self.references(Some(&ids)), logical_id, resource)?;
        Ok(properties.rest().map(|(key, entry)| (key, entry.value)).collect())
    }

    /// Functions, routes and schedules, with every reference resolved.
    pub(crate) fn plan(&self, pool: &PoolIds) -> Result<Plan, TemplateError> {
        let references = self.references(Some(pool));
        let (api, resource) = self.the_one(Kind::HttpApi)?;
        let globals = references.resolve(&self.api_globals, &Place::new("Globals.HttpApi"))?;
        let own = references.resolve(&resource.properties, &properties_of(api))?;
        let api = read_api(api, Entry::new(properties_of(api), merged(globals, own)).section()?)?;

        let mut plan = Plan {
            functions: Vec::new(),
            routes: Vec::new(),
            schedules: Vec::new(),
            streams: Vec::new(),
            rules: Vec::new(),
            mail: self.mail(&references)?,
            cors: api.cors.clone(),
        };
        let globals = references.resolve(&self.function_globals, &Place::new("Globals.Function"))?;
        for (logical_id, resource) in self.of_kind(Kind::Function) {
            let own = references.resolve(&resource.properties, &properties_of(logical_id))?;
            let properties = Entry::new(properties_of(logical_id), merged(globals.clone(), own)).section()?;
            function::read(logical_id, resource.binary.as_deref(), properties, &api, &mut plan)?;
        }
        let with_stream = self.of_kind(Kind::Table).filter(|(_, resource)| has_stream(resource));
        let streams = with_stream.map(|(id, _)| (stream_arn(id), table::physical_name(id))).collect();
        for (logical_id, resource) in self.of_kind(Kind::StreamMapping) {
            let mapping = properties(&references, logical_id, resource)?;
            plan.streams.extend(sources::stream(mapping, &plan.functions, &streams)?);
        }
        Ok(plan)
    }

    /// The configuration of SES.
    fn mail(&self, references: &References) -> Result<Mail, TemplateError> {
        let read = |kind| {
            self.of_kind(kind)
                .map(|(id, resource)| Ok((id, properties(references, id, resource)?)))
                .collect::<Result<Vec<_>, _>>()
        };
        mail::read(read(Kind::EmailIdentity)?, read(Kind::ConfigurationSet)?, read(Kind::EventDestination)?)
    }

    /// The names of identities and configuration sets, by logical id. Invalid ones are missing here and reported when
    /// they are read.
    fn mail_names(&self, references: &References) -> BTreeMap<&str, String> {
        let named = |kind, key| {
            self.of_kind(kind).filter_map(move |(id, resource)| {
                let name = references.resolve(resource.properties.get(key)?, &properties_of(id)).ok()?;
                Some((id, name.as_str()?.to_owned()))
            })
        };
        let unnamed = self.of_kind(Kind::ConfigurationSet).map(|(id, _)| (id, mail::physical_name(id)));
        unnamed
            .chain(named(Kind::EmailIdentity, "EmailIdentity"))
            .chain(named(Kind::ConfigurationSet, "Name"))
            .collect()
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&str, &Resource)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource.kind == kind)
            .map(|(logical_id, resource)| (logical_id.as_str(), resource))
    }

    fn the_one(&self, kind: Kind) -> Result<(&str, &Resource), TemplateError> {
        let mut all = self.of_kind(kind);
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one),
            _ => {
                Err(Place::new("Resources")
                    .error(format!("the local stack needs exactly one resource of kind {kind:?}")))
            }
        }
    }

    /// The values of the template's names. References to the pool are errors until it exists.
    fn references(&self, pool: Option<&PoolIds>) -> References {
        let mut references = References {
            names: self.parameters.clone(),
            numbers: self.numbers.clone(),
            conditions: self.conditions.clone(),
            ..References::default()
        };
        for (name, value) in [
            ("AWS::AccountId", ACCOUNT),
            ("AWS::Partition", "aws"),
            ("AWS::Region", REGION),
            ("AWS::StackId", &format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/{STACK_UUID}")),
            ("AWS::StackName", STACK),
            ("AWS::URLSuffix", "amazonaws.com"),
        ] {
            references.names.insert(name.to_owned(), value.to_owned());
        }
        let names = self.mail_names(&references);
        for (id, resource) in &self.resources {
            let (name, arn) = match resource.kind {
                Kind::Table => {
                    let name = table::physical_name(id);
                    let arn = table_arn(&name);
                    if has_stream(resource) {
                        references.attributes.insert(format!("{id}.StreamArn"), stream_arn(id));
                    }
                    (Some(name), Some(arn))
                }
                Kind::Queue => {
                    references.only_in_aws.insert(id.clone());
                    (Some(id.clone()), Some(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{id}")))
                }
                Kind::EmailIdentity => {
                    // DNS records, which only AWS needs.
                    references.only_in_aws.insert(id.clone());
                    (names.get(id.as_str()).cloned(), None)
                }
                Kind::ConfigurationSet => (names.get(id.as_str()).cloned(), None),
                Kind::UserPool => {
                    let name = pool.map(|pool| pool.user_pool.clone());
                    let arn = name.as_deref().map(user_pool_arn);
                    (name, arn)
                }
                Kind::UserPoolClient => (pool.map(|pool| pool.client.clone()), None),
                Kind::Function => (Some(id.clone()), Some(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{id}"))),
                Kind::HttpApi | Kind::EventDestination | Kind::StreamMapping => (Some(id.clone()), None),
                Kind::OnlyInAws => {
                    references.only_in_aws.insert(id.clone());
                    (Some(id.clone()), None)
                }
            };
            references.names.extend(name.map(|name| (id.clone(), name)));
            references.attributes.extend(arn.map(|arn| (format!("{id}.Arn"), arn)));
        }
        references
    }
}

/// Whether a table has a stream.
fn has_stream(resource: &Resource) -> bool {
    resource.properties.get("StreamSpecification").is_some()
}

/// The ARN of a table's stream. On AWS it ends with the time at which the stream was created.
fn stream_arn(logical_id: &str) -> String {
    format!("{}/stream/2026-01-01T00:00:00.000", table_arn(&table::physical_name(logical_id)))
}

/// Evaluates conditions, which may refer to each other in any order.
fn conditions(mut references: References, section: Section) -> Result<BTreeMap<String, bool>, TemplateError> {
    let mut open: BTreeMap<_, _> = section.rest().collect();
    loop {
        let mut failed = None;
        let before = open.len();
        open.retain(|name, entry| match references.condition(&entry.value, &entry.place) {
            Ok(holds) => {
                references.conditions.insert(name.clone(), holds);
                false
            }
            Err(problem) => {
                failed.get_or_insert(problem);
                true
            }
        });
        match failed {
            None => return Ok(references.conditions),
            Some(problem) if open.len() == before => return Err(problem),
            Some(_) => {}
        }
    }
}

/// Checks the rules for the values of parameters, which `CloudFormation` checks before a deployment.
fn check_rules(references: &References, section: Section) -> Result<(), TemplateError> {
    for (_, entry) in section.rest() {
        let mut rule = entry.section()?;
        let applies =
            rule.take("RuleCondition").map(|entry| references.condition(&entry.value, &entry.place)).transpose()?;
        for assertion in rule.require("Assertions")?.list()? {
            let mut assertion = assertion.section()?;
            let assert = assertion.require("Assert")?;
            let description = assertion.take("AssertDescription").map(Entry::text).transpose()?;
            assertion.finish()?;
            if applies != Some(false) && !references.condition(&assert.value, &assert.place)? {
                return Err(assert.error(description.unwrap_or_else(|| "this assertion does not hold".to_owned())));
            }
        }
        rule.finish()?;
    }
    Ok(())
}

/// The part of the HTTP API's configuration that functions need.
#[derive(Debug)]
struct Api {
    logical_id: String,
    authorizers: BTreeMap<String, JwtAuthorizer>,
    default_authorizer: Option<String>,
    cors: Option<Cors>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn properties_of(logical_id: &str) -> Place {
    Place::new(logical_id).key("Properties")
}

fn properties(references: &References, logical_id: &str, resource: &Resource) -> Result<Section, TemplateError> {
    let place = properties_of(logical_id);
    Entry::new(place.clone(), references.resolve(&resource.properties, &place)?).section()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParameterKind {
    String,
    Number,
}

fn parameter(mut section: Section, given: Option<&String>) -> Result<(String, ParameterKind), TemplateError> {
    section.ignore(&[
        "Description",
        "AllowedPattern",
        "ConstraintDescription",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
        "NoEcho",
    ]);
    let kind = section.require("Type")?;
    let kind = match kind.value.as_str() {
        Some("String") => ParameterKind::String,
        Some("Number") => ParameterKind::Number,
        _ => return Err(kind.error("the local stack supports only parameters of type String and Number")),
    };
    let default = section.require("Default")?;
    let place = default.place.clone();
    let default = default.text()?;
    let allowed = section.list("AllowedValues")?.into_iter().map(Entry::text).collect::<Result<Vec<_>, _>>()?;
    let value = given.unwrap_or(&default);
    if !allowed.is_empty() && !allowed.contains(value) {
        return Err(place.error(format!("`{value}` is not allowed; expected one of {}", allowed.join(", "))));
    }
    section.finish()?;
    Ok((value.clone(), kind))
}

/// Returns `None` if the resource's condition is false.
fn resource(mut section: Section, conditions: &BTreeMap<String, bool>) -> Result<Option<Resource>, TemplateError> {
    section.ignore(&["DeletionPolicy", "UpdateReplacePolicy", "DependsOn"]);
    let kind = section.require("Type")?;
    let kind = match kind.value.as_str() {
        Some("AWS::DynamoDB::Table") => Kind::Table,
        Some("AWS::Cognito::UserPool") => Kind::UserPool,
        Some("AWS::Cognito::UserPoolClient") => Kind::UserPoolClient,
        Some("AWS::Serverless::HttpApi") => Kind::HttpApi,
        Some("AWS::Serverless::Function") => Kind::Function,
        Some("AWS::Lambda::EventSourceMapping") => Kind::StreamMapping,
        Some("AWS::SQS::Queue") => Kind::Queue,
        Some("AWS::SES::EmailIdentity") => Kind::EmailIdentity,
        Some("AWS::SES::ConfigurationSet") => Kind::ConfigurationSet,
        Some("AWS::SES::ConfigurationSetEventDestination") => Kind::EventDestination,
        Some(
            "AWS::ApiGatewayV2::ApiMapping"
            | "AWS::ApiGatewayV2::DomainName"
            | "AWS::CloudFormation::Stack"
            | "AWS::Logs::LogGroup"
            | "AWS::SQS::QueuePolicy",
        ) => Kind::OnlyInAws,
        Some(other) => return Err(kind.error(format!("the local stack does not support the type {other}"))),
        None => return Err(kind.error("expected a string")),
    };
    let properties = section.take("Properties").map_or_else(empty, |entry| entry.value);
    let mut metadata = section.section("Metadata")?;
    let binary = metadata.section("BuildProperties")?.take("Binary").map(Entry::text).transpose()?;
    let holds = match section.take("Condition") {
        None => true,
        Some(condition) => {
            let place = condition.place.clone();
            let name = condition.text()?;
            *conditions.get(&name).ok_or_else(|| place.error(format!("there is no condition `{name}`")))?
        }
    };
    section.finish()?;
    Ok(holds.then_some(Resource { kind, properties, binary }))
}

fn read_api(logical_id: &str, mut properties: Section) -> Result<Api, TemplateError> {
    properties.ignore(&[
        "AccessLogSettings",
        "DefaultRouteSettings",
        "Description",
        "DisableExecuteApiEndpoint",
        "FailOnWarnings",
        "Name",
        "RouteSettings",
        "Tags",
    ]);
    let cors = properties.take("CorsConfiguration").map(|entry| read_cors(entry.section()?)).transpose()?;
    let mut auth = properties.section("Auth")?;
    let mut authorizers = BTreeMap::new();
    for (name, entry) in auth.section("Authorizers")?.rest() {
        let mut authorizer = entry.section()?;
        let source = authorizer.require("IdentitySource")?;
        if source.value.as_str() != Some("$request.header.Authorization") {
            return Err(source.error("the local stack supports only $request.header.Authorization"));
        }
        let mut jwt = authorizer.require("JwtConfiguration")?.section()?;
        let issuer = jwt.require("issuer")?.text()?;
        let audience = jwt.require("audience")?.list()?.into_iter().map(Entry::text).collect::<Result<_, _>>()?;
        jwt.finish()?;
        authorizer.finish()?;
        authorizers.insert(name, JwtAuthorizer { issuer, audience });
    }
    let default_authorizer = match auth.take("DefaultAuthorizer") {
        None => None,
        Some(entry) => {
            let place = entry.place.clone();
            let name = entry.text()?;
            if !authorizers.contains_key(&name) {
                return Err(place.error(format!("there is no authorizer `{name}`")));
            }
            Some(name)
        }
    };
    auth.finish()?;
    properties.finish()?;
    Ok(Api { logical_id: logical_id.to_owned(), authorizers, default_authorizer, cors })
}

fn read_cors(mut cors: Section) -> Result<Cors, TemplateError> {
    if let Some(credentials) = cors.take("AllowCredentials") {
        let place = credentials.place.clone();
        if credentials.flag()? {
            return Err(place.error("the local stack does not support credentials for other origins"));
        }
    }
    let mut names = |key: &str| {
        let name = |entry: Entry| {
            let place = entry.place.clone();
            let name = entry.text()?;
            if name == "*" { Err(place.error("the local stack does not support wildcards here")) } else { Ok(name) }
        };
        cors.list(key)?.into_iter().map(name).collect::<Result<Vec<_>, _>>()
    };
    let cors_of = Cors {
        origins: names("AllowOrigins")?,
        methods: names("AllowMethods")?,
        headers: names("AllowHeaders")?,
        exposed_headers: names("ExposeHeaders")?,
        max_age: cors.take("MaxAge").map(Entry::number).transpose()?,
    };
    cors.finish()?;
    Ok(cors_of)
}

/// SAM's rule for globals: objects are merged, lists are joined, and any other value of the resource replaces the
/// global one.
fn merged(global: Value, own: Value) -> Value {
    match (global, own) {
        (Value::Object(mut global), Value::Object(own)) => {
            for (key, value) in own {
                let value = match global.remove(&key) {
                    Some(inherited) => merged(inherited, value),
                    None => value,
                };
                global.insert(key, value);
            }
            Value::Object(global)
        }
        (Value::Array(mut global), Value::Array(own)) => {
            global.extend(own);
            Value::Array(global)
        }
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests;
