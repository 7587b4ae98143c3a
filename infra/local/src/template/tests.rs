//! Tests the reader with small templates and with the deployment template.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::plan::{ConfigurationSet, Function, Identity, LogLevel, MailEvent};

/// A complete template around `functions`, with minimal other sections.
fn template(functions: &str) -> Result<Template, String> {
    let text = format!(
        r"
Parameters:
  LogLevel: {{ Type: String, Default: INFO }}
  Minutes: {{ Type: Number, Default: 15 }}
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 15
    LoggingConfig: {{ LogFormat: JSON, ApplicationLogLevel: WARN }}
    Environment: {{ Variables: {{ LOG_LEVEL: !Ref LogLevel }} }}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            IdentitySource: $request.header.Authorization
            JwtConfiguration:
              issuer: !Sub https://cognito-idp.${{AWS::Region}}.amazonaws.com/${{Pool}}
              audience: [!Ref Client]
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {{ MfaConfiguration: 'OFF' }}
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties: {{ UserPoolId: !Ref Pool, AccessTokenValidity: !Ref Minutes }}
{functions}"
    );
    Template::parse(&text, &BTreeMap::new(), &[]).map_err(|error| error.to_string())
}

fn function(properties: &str) -> Result<Plan, String> {
    let text = format!(
        r"
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{{ AttributeName: pk, AttributeType: S }}]
      KeySchema: [{{ AttributeName: pk, KeyType: HASH }}]
  DoFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/do-it/
{properties}"
    );
    let ids = PoolIds { user_pool: "us-east-1_pool".into(), client: "client".into() };
    template(&text)?.plan(&ids).map_err(|error| error.to_string())
}

#[test]
fn a_function_has_the_globals_unless_it_overrides_them() {
    let plan = function("      MemorySize: 512\n      Environment: { Variables: { TABLE: !Ref Table } }\n").unwrap();
    let [Function { logical_id, name, folder, environment, timeout, memory_mb, log_level, statements }] =
        plan.functions.as_slice()
    else {
        panic!("one function: {plan:?}");
    };
    assert_eq!((logical_id.as_str(), name.as_str(), folder.as_str()), ("DoFunction", "DoFunction", "do-it"));
    assert_eq!((*timeout, *memory_mb), (Duration::from_secs(15), 512));
    assert_eq!(environment["LOG_LEVEL"], "INFO");
    assert_eq!(environment["TABLE"], "portal-local-Table");
    assert_eq!(*log_level, LogLevel::Warn);
    assert!(statements.is_empty());
}

#[test]
fn the_stack_id_ends_with_a_unique_part() {
    let text = "      Environment: { Variables: { ID: !Select [2, !Split ['/', !Ref AWS::StackId]] } }\n";
    let plan = function(text).unwrap();
    assert_eq!(plan.functions[0].environment["ID"], STACK_UUID);
}

#[test]
fn statements_have_resolved_arns() {
    let plan = function(
        "      Policies:\n        - Statement:\n            - Effect: Allow\n              Action: dynamodb:Query\n              \
         Resource: !Sub ${Table.Arn}/index/by_name\n",
    )
    .unwrap();
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/portal-local-Table/index/by_name";
    assert_eq!(plan.functions[0].statements, [json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": arn})]);
}

#[test]
fn a_route_has_the_default_authorizer_or_none() {
    let plan = function(
        r"
      Events:
        A: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: get, Path: '/v1/x/{id}' } }
        B: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /v1/x, Auth: { Authorizer: NONE } } }
",
    )
    .unwrap();
    let [a, b] = plan.routes.as_slice() else { panic!("two routes: {plan:?}") };
    assert_eq!((a.method.as_str(), a.path.as_str(), a.function.as_str()), ("GET", "/v1/x/{id}", "DoFunction"));
    assert_eq!(
        a.authorizer,
        Some(JwtAuthorizer {
            issuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool".into(),
            audience: vec!["client".into()],
        })
    );
    assert_eq!(b.authorizer, None);
}

#[test]
fn a_schedule_is_a_rate_with_an_input() {
    for (event, expected) in [
        ("Schedule, Properties: { Schedule: rate(1 minute) }", vec![(60, json!({}))]),
        ("ScheduleV2, Properties: { ScheduleExpression: rate(2 hours), Input: '[1]' }", vec![(7200, json!([1]))]),
        ("Schedule, Properties: { Schedule: rate(1 day), Enabled: false }", vec![]),
    ] {
        let plan = function(&format!("      Events: {{ A: {{ Type: {event} }} }}\n")).unwrap();
        let found: Vec<_> = plan.schedules.into_iter().map(|s| (s.every.as_secs(), s.input)).collect();
        assert_eq!(found, expected, "{event}");
    }
}

#[test]
fn an_unsupported_template_is_an_error_that_names_the_place() {
    for (properties, expected) in [
        ("      Layers: [x]", "DoFunction.Properties.Layers: the local stack does not support this property"),
        ("      Timeout: soon", "DoFunction.Properties.Timeout: expected a whole number, found `soon`"),
        (
            "      Policies: [AmazonS3FullAccess]",
            "DoFunction.Properties.Policies[0]: the local stack supports only inline policies with statements",
        ),
        (
            "      Events: { A: { Type: S3 } }",
            "DoFunction.Properties.Events.A.Type: the local stack supports only events of type HttpApi, Schedule, \
             ScheduleV2 and EventBridgeRule",
        ),
        (
            "      Events: { A: { Type: Schedule, Properties: { Schedule: cron(0 10 * * ? *) } } }",
            "DoFunction.Properties.Events.A.Properties.Schedule: the local stack supports only rates such as \
             rate(5 minutes), not `cron(0 10 * * ? *)`",
        ),
        (
            "      Events: { A: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /, Auth: { Authorizer: \
             Other } } } }",
            "DoFunction.Properties.Events.A.Properties.Auth.Authorizer: there is no authorizer `Other`",
        ),
        (
            "      Environment: { Variables: { A: !Ref Missing } }",
            "DoFunction.Properties.Environment.Variables.A: there is no parameter or resource `Missing`",
        ),
        (
            "      LoggingConfig: { ApplicationLogLevel: LOUD }",
            "DoFunction.Properties.LoggingConfig.ApplicationLogLevel: `LOUD` is not a level of Lambda's logs",
        ),
        (
            "    Metadata: { BuildProperties: { Binary: other } }",
            "DoFunction.Properties.CodeUri: the folder is `do-it`, but \
             the binary is `other`",
        ),
        ("    Condition: Always", "DoFunction.Condition: there is no condition `Always`"),
        (
            "  Bucket: { Type: AWS::S3::Bucket }",
            "Bucket.Type: the local stack does not support the type AWS::S3::Bucket",
        ),
        (
            "  Pool2: { Type: AWS::Cognito::UserPool }",
            "Resources: the local stack needs exactly one resource of kind UserPool",
        ),
        ("Mappings: {}", "Mappings: the local stack does not support this property"),
        ("Conditions: { Always: true }", "Conditions.Always: expected a condition"),
    ] {
        assert_eq!(function(properties).map(drop), Err(expected.to_owned()));
    }
    assert!(Template::parse("Resources: [", &BTreeMap::new(), &[]).is_err());
    assert_eq!(
        Template::parse("{}", &BTreeMap::new(), &[]).map(drop).map_err(|error| error.to_string()),
        Err("`Resources` is missing".into())
    );
}

#[test]
fn a_resource_whose_condition_is_false_is_ignored() {
    let text = r"
    Condition: IsLoud
Conditions:
  IsLoud: !Equals [!Ref LogLevel, DEBUG]
";
    assert!(function(text).unwrap().functions.is_empty());
    assert_eq!(function(&text.replace("DEBUG", "INFO")).unwrap().functions.len(), 1);
}

#[test]
fn a_given_parameter_must_exist_and_have_an_allowed_value() {
    let text = "
Parameters: { Level: { Type: String, Default: INFO, AllowedValues: [INFO, WARN] } }
Resources: {}
";
    for (name, value, expected) in [
        ("Levle", "WARN", "Parameters: there is no parameter `Levle`"),
        ("Level", "LOUD", "Parameters.Level.Default: `LOUD` is not allowed; expected one of INFO, WARN"),
        ("Level", "WARN", "Resources: the local stack needs exactly one resource of kind UserPool"),
    ] {
        let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let found = Template::parse(text, &given, &[]).map(drop).map_err(|error| error.to_string());
        assert_eq!(found, Err(expected.to_owned()));
    }
}

#[test]
fn other_origins_cannot_have_credentials_or_wildcards() {
    let read = |cors: &str| {
        let yaml = serde_yaml_ng::from_str(&format!("CorsConfiguration: {{ {cors} }}")).unwrap();
        let place = Place::new("Api");
        let properties = Entry::new(place.clone(), references::to_json(yaml, &place).unwrap()).section().unwrap();
        read_api("Api", properties).map(|api| api.cors.unwrap()).map_err(|error| error.to_string())
    };
    let cors = read(
        "AllowOrigins: ['https://one.example'], AllowMethods: [GET, PUT], AllowHeaders: [if-match], ExposeHeaders: \
         [etag], AllowCredentials: false, MaxAge: 600",
    )
    .unwrap();
    assert_eq!(
        cors,
        Cors {
            origins: vec!["https://one.example".into()],
            methods: vec!["GET".into(), "PUT".into()],
            headers: vec!["if-match".into()],
            exposed_headers: vec!["etag".into()],
            max_age: Some(600),
        }
    );
    for (cors, expected) in [
        (
            "AllowOrigins: ['*']",
            "Api.CorsConfiguration.AllowOrigins[0]: the local stack does not support wildcards here",
        ),
        (
            "AllowCredentials: true",
            "Api.CorsConfiguration.AllowCredentials: the local stack does not support credentials for other origins",
        ),
        (
            "AllowEverything: true",
            "Api.CorsConfiguration.AllowEverything: the local stack does not support this property",
        ),
    ] {
        assert_eq!(read(cors).map(drop), Err(expected.to_owned()));
    }
}

/// A value for this parameter that differs from its default.
fn another_value(name: &str, parameter: &serde_yaml_ng::Value) -> String {
    let text = |value: &serde_yaml_ng::Value| match value {
        serde_yaml_ng::Value::String(text) => text.clone(),
        other => other.as_u64().unwrap().to_string(),
    };
    let default = text(&parameter["Default"]);
    if let Some(allowed) = parameter["AllowedValues"].as_sequence() {
        return allowed.iter().map(text).find(|value| *value != default).unwrap();
    }
    if parameter["Type"] == "Number" {
        return (default.parse::<u64>().unwrap() + 1).to_string();
    }
    match name {
        "AlarmEmail" => "operations@example.com".into(),
        "AllowedOrigins" => "https://one.example,https://two.example".into(),
        "CertificateArn" => "arn:aws:acm:us-east-1:000000000000:certificate/1".into(),
        "DomainName" => "portal.example.com".into(),
        "EdgeTruststore" => "s3://a-bucket/edge.pem".into(),
        "MailFrom" => "portal@example.com".into(),
        "OriginSecretDigests" => format!("{0},{0}", "0a".repeat(32)),
        "PortalUrl" => "https://portal.example.com".into(),
        _ => panic!("this test needs a value for {name}"),
    }
}

#[test]
fn every_parameter_of_the_deployment_template_can_have_another_value() {
    let text = deployed_template();
    let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let ids = PoolIds { user_pool: "us-east-1_pool".into(), client: "client".into() };
    let mut all = BTreeMap::new();
    for (name, parameter) in yaml["Parameters"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let value = another_value(name, parameter);
        all.insert(name.to_owned(), value.clone());
        let given = BTreeMap::from([(name.to_owned(), value.clone())]);
        let plan = Template::parse(&text, &given, &local_parameters()).and_then(|template| template.plan(&ids));
        assert_eq!(plan.map(drop), Ok(()), "{name}={value}");
    }
    let plan = Template::parse(&text, &all, &local_parameters()).unwrap().plan(&ids).unwrap();
    assert_eq!(plan.cors.unwrap().origins, ["https://one.example", "https://two.example"]);
}

/// The parameters that the local stack sets.
fn local_parameters() -> Vec<(&'static str, String)> {
    crate::stack::local_parameters("http://localhost:3000")
}

fn deployed_template() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    std::fs::read_to_string(root.join("template.yaml")).unwrap()
}

#[test]
fn a_table_has_its_keys_indexes_and_time_to_live() {
    let text = r"
  Rows:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      TimeToLiveSpecification: { AttributeName: expires, Enabled: true }
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: n, AttributeType: N }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      LocalSecondaryIndexes:
        - IndexName: by_n
          KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: n, KeyType: RANGE }]
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [a, b] }
      GlobalSecondaryIndexes:
        - IndexName: all_by_n
          KeySchema: [{ AttributeName: n, KeyType: HASH }]
          Projection: { ProjectionType: KEYS_ONLY }
";
    let keys = |hash: &str, range: Option<&str>| Keys { hash: hash.into(), range: range.map(Into::into) };
    assert_eq!(
        template(text).unwrap().tables().unwrap(),
        [Table {
            logical_id: "Rows".into(),
            name: "portal-local-Rows".into(),
            attributes: vec![("pk".into(), KeyType::String), ("n".into(), KeyType::Number)],
            keys: keys("pk", None),
            local_indexes: vec![Index {
                name: "by_n".into(),
                keys: keys("pk", Some("n")),
                projection: Projection::Include(vec!["a".into(), "b".into()]),
            }],
            global_indexes: vec![Index {
                name: "all_by_n".into(),
                keys: keys("n", None),
                projection: Projection::KeysOnly,
            }],
            time_to_live: Some("expires".into()),
            stream: None,
        }]
    );
    let unknown = text.replace("BillingMode: PAY_PER_REQUEST", "TableName: rows");
    assert_eq!(
        template(&unknown).map(drop),
        Err("Rows.Properties.TableName: the local stack does not support this property".into())
    );
}

#[test]
fn the_pool_and_its_client_are_passed_on_as_written() {
    let template = template("").unwrap();
    assert_eq!(template.user_pool().unwrap(), json!({"MfaConfiguration": "OFF"}));
    assert_eq!(template.user_pool_client("p").unwrap(), json!({"UserPoolId": "p", "AccessTokenValidity": 15}));
}

#[test]
fn the_deployment_template_is_supported_and_every_function_has_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let text = std::fs::read_to_string(root.join("template.yaml")).unwrap();
    // With mail, which some functions and resources need.
    let template = Template::parse(&text, &BTreeMap::new(), &local_parameters()).unwrap();
    let plan = template.plan(&PoolIds { user_pool: "us-east-1_pool".into(), client: "client".into() }).unwrap();

    let mut folders: Vec<_> = std::fs::read_dir(root.join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut named: Vec<_> = plan.functions.iter().map(|function| function.folder.clone()).collect();
    named.sort();
    assert_eq!(named, folders);
    for function in &plan.functions {
        let needs_nothing = function.folder == "portal-page";
        assert_eq!(function.statements.is_empty(), needs_nothing, "{}", function.logical_id);
    }
    for function in &plan.functions {
        assert_eq!(function.name, format!("{STACK}-{}", function.folder));
    }
    assert!(plan.routes.iter().any(|route| route.authorizer.is_none()));
    assert!(plan.routes.iter().any(|route| route.authorizer.is_some()));
    assert!(!plan.schedules.is_empty());
    assert!(!template.tables().unwrap().is_empty());
    assert!(!plan.streams.is_empty() && !plan.rules.is_empty() && !plan.mail.identities.is_empty());
}

#[test]
fn an_empty_sender_turns_mail_off() {
    let off = BTreeMap::from([("MailFrom".to_owned(), String::new())]);
    let template = Template::parse(&deployed_template(), &off, &local_parameters()).unwrap();
    let plan = template.plan(&PoolIds { user_pool: "us-east-1_pool".into(), client: "client".into() }).unwrap();
    assert!(plan.mail.identities.is_empty() && plan.streams.is_empty() && plan.rules.is_empty());
}

/// A template with mail: a table with a stream, SES, a queue, and the two functions that they invoke.
const MAIL: &str = r#"
  Outbox:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_IMAGE }
  Lost: { Type: AWS::SQS::Queue, Properties: { MessageRetentionPeriod: 1209600 } }
  Sender:
    Type: AWS::SES::EmailIdentity
    Condition: HasMail
    Properties:
      EmailIdentity: !Ref MailFrom
      DkimSigningAttributes: { NextSigningKeyLength: RSA_2048_BIT }
  Set: { Type: AWS::SES::ConfigurationSet, Condition: HasMail }
  Destination:
    Type: AWS::SES::ConfigurationSetEventDestination
    Condition: HasMail
    Properties:
      ConfigurationSetName: !Ref Set
      EventDestination:
        Enabled: true
        MatchingEventTypes: [bounce, COMPLAINT, deliveryDelay]
        EventBridgeDestination: { EventBusArn: !Sub "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default" }
  SendFunction:
    Type: AWS::Serverless::Function
    Condition: HasMail
    Properties:
      CodeUri: functions/send/
      Environment: { Variables: { FROM: !Ref Sender, SET: !Ref Set } }
  Sending:
    Type: AWS::Lambda::EventSourceMapping
    Condition: HasMail
    Properties:
      FunctionName: !Ref SendFunction
      EventSourceArn: !GetAtt Outbox.StreamArn
      StartingPosition: TRIM_HORIZON
      BatchSize: 10
      MaximumBatchingWindowInSeconds: 1
      MaximumRetryAttempts: 3
      MaximumRecordAgeInSeconds: 3600
      BisectBatchOnFunctionError: true
      FunctionResponseTypes: [ReportBatchItemFailures]
      FilterCriteria: { Filters: [{ Pattern: '{"eventName": ["INSERT"]}' }] }
      DestinationConfig: { OnFailure: { Destination: !GetAtt Lost.Arn } }
  NoteFunction:
    Type: AWS::Serverless::Function
    Condition: HasMail
    Properties:
      CodeUri: functions/note/
      Events:
        Ses:
          Type: EventBridgeRule
          Properties:
            Pattern:
              source: [aws.ses]
              detail-type: [Email Bounced, Email Complaint Received]
              resources: [!Sub "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${Set}"]
            DeadLetterConfig: { Arn: !GetAtt Lost.Arn }
Conditions:
  HasMail: !Not [!Equals [!Ref LogLevel, DEBUG]]
"#;

fn mail(changed: &str, to: &str) -> Result<(Template, Plan), String> {
    assert!(MAIL.contains(changed), "{changed}");
    let text = MAIL.replace(changed, to).replace("!Ref MailFrom", "portal@example.com");
    let template = template(&text)?;
    let ids = PoolIds { user_pool: "us-east-1_pool".into(), client: "client".into() };
    let plan = template.plan(&ids).map_err(|error| error.to_string())?;
    Ok((template, plan))
}

#[test]
fn a_stream_invokes_a_function() {
    let (template, plan) = mail("BatchSize: 10", "BatchSize: 10").unwrap();
    assert_eq!(template.tables().unwrap()[0].stream, Some(StreamView::NewImage));
    let [stream] = plan.streams.as_slice() else { panic!("one stream: {plan:?}") };
    assert_eq!((stream.function.as_str(), stream.table.as_str()), ("SendFunction", "portal-local-Outbox"));
    assert!(stream.arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/portal-local-Outbox/stream/"));
    assert_eq!((stream.batch_size, stream.max_retries), (10, Some(3)));
    assert_eq!(stream.max_record_age, Some(Duration::from_hours(1)));
    assert!(stream.bisects && stream.reports_failures);
    assert_eq!(stream.on_failure.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:Lost"));
    let [filter] = stream.filters.as_slice() else { panic!("one filter: {stream:?}") };
    assert!(filter.matches(&json!({ "eventName": "INSERT" })) && !filter.matches(&json!({ "eventName": "MODIFY" })));

    let (_, plan) = mail("BatchSize: 10", "Enabled: false").unwrap();
    assert!(plan.streams.is_empty());
}

#[test]
fn ses_has_identities_and_configuration_sets_whose_events_invoke_functions() {
    let (_, plan) = mail("BatchSize: 10", "BatchSize: 10").unwrap();
    assert_eq!(plan.mail.identities, [Identity { name: "portal@example.com".into(), configuration_set: None }]);
    let events = BTreeSet::from([MailEvent::Bounce, MailEvent::Complaint, MailEvent::Other]);
    assert_eq!(plan.mail.configuration_sets, [ConfigurationSet { name: "portal-local-Set".into(), events }]);
    let function = plan.functions.iter().find(|function| function.folder == "send").unwrap();
    assert_eq!(function.environment["FROM"], "portal@example.com");
    assert_eq!(function.environment["SET"], "portal-local-Set");
    let [rule] = plan.rules.as_slice() else { panic!("one rule: {plan:?}") };
    assert_eq!(rule.function, "NoteFunction");
    let event = json!({
        "source": "aws.ses",
        "detail-type": "Email Bounced",
        "resources": ["arn:aws:ses:us-east-1:000000000000:configuration-set/portal-local-Set"],
    });
    assert!(rule.pattern.matches(&event));

    let named = "Set: { Type: AWS::SES::ConfigurationSet, Condition: HasMail, Properties: { Name: mail } }";
    let (_, plan) = mail("Set: { Type: AWS::SES::ConfigurationSet, Condition: HasMail }", named).unwrap();
    assert_eq!(plan.mail.configuration_sets[0].name, "mail");
    let (_, plan) = mail("Enabled: true", "Enabled: false").unwrap();
    assert!(plan.mail.configuration_sets[0].events.is_empty());
    let default =
        "EmailIdentity: portal@example.com\n      ConfigurationSetAttributes: { ConfigurationSetName: !Ref Set }";
    let (_, plan) = mail("EmailIdentity: !Ref MailFrom", default).unwrap();
    assert_eq!(plan.mail.identities[0].configuration_set.as_deref(), Some("portal-local-Set"));
}

#[test]
fn without_the_condition_there_is_no_mail() {
    let (_, plan) = mail("LogLevel, DEBUG", "LogLevel, INFO").unwrap();
    assert!(plan.mail.identities.is_empty() && plan.mail.configuration_sets.is_empty());
    assert!(plan.streams.is_empty() && plan.rules.is_empty() && plan.functions.is_empty());
}

#[test]
fn unsupported_mail_is_an_error_that_names_the_place() {
    let stream = "Sending.Properties";
    for (changed, to, expected) in [
        (
            "StartingPosition: TRIM_HORIZON",
            "StartingPosition: LATEST",
            format!("{stream}.StartingPosition: the local stack supports only TRIM_HORIZON"),
        ),
        (
            "StreamViewType: NEW_IMAGE",
            "StreamViewType: ALL",
            "Outbox.Properties.StreamSpecification.StreamViewType: expected \
          KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES"
                .into(),
        ),
        (
            "!GetAtt Outbox.StreamArn",
            "!GetAtt Outbox.Arn",
            format!("{stream}.EventSourceArn: this is not the stream of a table in the template"),
        ),
        ("BatchSize: 10", "BatchSize: 0", format!("{stream}.BatchSize: expected 1 to 10000, found `0`")),
        (
            "BatchSize: 10",
            "ParallelizationFactor: 2",
            format!("{stream}.ParallelizationFactor: the local stack does not support this property"),
        ),
        (
            "[ReportBatchItemFailures]",
            "[Other]",
            format!("{stream}.FunctionResponseTypes[0]: expected ReportBatchItemFailures"),
        ),
        (
            "[\"INSERT\"]",
            "\"INSERT\"",
            format!(
                "{stream}.FilterCriteria.Filters[0].Pattern: the local stack does not support `eventName` in a pattern"
            ),
        ),
        (
            "Destination: !GetAtt Lost.Arn",
            "Destination: !GetAtt Outbox.Arn",
            format!("{stream}.DestinationConfig.OnFailure.Destination: this is not the ARN of a queue"),
        ),
        (
            "FunctionName: !Ref SendFunction",
            "FunctionName: !Ref Lost",
            format!("{stream}.FunctionName: this is not a function in the template"),
        ),
        (
            "source: [aws.ses]",
            "source: [aws.s3]",
            "NoteFunction.Properties.Events.Ses.Properties.Pattern: the local stack \
          has only events with the source aws.ses"
                .into(),
        ),
        (
            "ConfigurationSetName: !Ref Set",
            "ConfigurationSetName: other",
            "Destination.Properties.ConfigurationSetName: there \
          is no configuration set `other`"
                .into(),
        ),
        (
            "[bounce, ",
            "[bounced, ",
            "Destination.Properties.EventDestination.MatchingEventTypes[0]: the local stack does not \
          support events of type `bounced`"
                .into(),
        ),
        (
            "event-bus/default",
            "event-bus/other",
            "Destination.Properties.EventDestination.EventBridgeDestination.EventBusArn: \
          SES sends events only to the default event bus"
                .into(),
        ),
    ] {
        assert_eq!(mail(changed, to).map(drop), Err(expected), "{changed} {to}");
    }
}

#[test]
fn a_rule_of_the_template_rejects_values_of_parameters() {
    let rules = r"
Rules:
  Names:
    RuleCondition: !Equals [!Ref LogLevel, INFO]
    Assertions:
      - { Assert: !Not [!Equals [!Ref Minutes, 15]], AssertDescription: Fifteen is wrong. }
";
    let expected = "Rules.Names.Assertions[0].Assert: Fifteen is wrong.";
    assert_eq!(template(rules).map(drop), Err(expected.into()));
    assert_eq!(template(&rules.replace("INFO", "WARN")).map(drop), Ok(()));
    assert_eq!(template(&rules.replace("15]]", "16]]")).map(drop), Ok(()));
}

#[test]
fn conditions_may_refer_to_later_ones() {
    let text = r"
Conditions:
  A: !And [!Condition B, !Not [!Condition C]]
  B: !Equals [!Ref LogLevel, INFO]
  C: !Condition D
  D: !Equals [a, b]
";
    let conditions = template(text).unwrap().conditions;
    assert_eq!(conditions.into_values().collect::<Vec<_>>(), [true, true, false, false]);
    let circle = text.replace("D: !Equals [a, b]", "D: !Condition C");
    assert_eq!(template(&circle).map(drop), Err("Conditions.A: there is no condition `C`".into()));
}
