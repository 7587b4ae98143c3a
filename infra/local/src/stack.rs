//! The whole stack: starts its parts in order, reports their addresses, and stops them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::builder::{self, BuildError};
use crate::demo::{Demo, DemoError};
use crate::gateway;
use crate::iam::{Policy, PolicyError, Record};
use crate::lambda::{self, Lambda, log};
use crate::mail::{self, Mailbox};
use crate::plan::{Function, Mail, Plan, Schedule, Stream};
use crate::proxy::{Backends, Proxy};
use crate::resources::{self, Pool, ResourceError};
use crate::servers::{self, Server, ServerError};
use crate::streams::{self, MissingPermission, Poller, Positions, Wakes};
use crate::template::{REGION, Template, TemplateError};
use crate::workspace::{self, DataFolder, Memory, WorkspaceError};

/// The time for requests to end, and then for processes. The sum is well under the five seconds that Ctrl-C may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The key under which the ids of an embedded server are stored.
const EMBEDDED: &str = "embedded";
/// The sender of all mail.
const MAIL_FROM: &str = "portal@example.com";
/// The maximum number of attempts to find a port that is free on both loopback addresses.
const PORT_ATTEMPTS: u32 = 16;

/// The options for starting the stack.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each one is an option of the command line")]
pub(crate) struct Choices {
    /// 0 selects a free port.
    pub(crate) port: u16,
    /// Whether to keep all data in memory.
    pub(crate) ephemeral: bool,
    /// Whether to start with the demo agency.
    pub(crate) demo: bool,
    /// The folder for all data. `None` selects `.portal/` in the repository.
    pub(crate) data: Option<PathBuf>,
    /// The URL of a DynamoDB that replaces the embedded one.
    pub(crate) dynamodb: Option<String>,
    /// The URL of a Cognito that replaces the embedded one.
    pub(crate) cognito: Option<String>,
    /// The URL of an SES that replaces the embedded one.
    pub(crate) ses: Option<String>,
    /// Values for the template's parameters. Others have their defaults.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The file that records the permissions and calls of the functions.
    pub(crate) record: Option<PathBuf>,
    /// Whether no function runs on a schedule.
    pub(crate) no_schedules: bool,
    /// Whether no function processes the stream of a table.
    pub(crate) no_streams: bool,
}

/// Why the stack could not be started. The message is one line for the developer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error("port {port} cannot be used: {source}; choose another with --port")]
    Port { port: u16, source: io::Error },
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("template.yaml: {0}")]
    Template(#[from] TemplateError),
    #[error("template.yaml: {0}")]
    Policy(#[from] PolicyError),
    #[error("{} cannot be written: {source}", path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("cannot create a client for AWS calls: {0}")]
    Client(#[from] reqwest::Error),
    #[error("template.yaml: {0}")]
    Role(#[from] MissingPermission),
    #[error("the positions in streams cannot be read: {0}: remove the folder to start with an empty portal")]
    Positions(#[source] io::Error),
    #[error(transparent)]
    Lambda(#[from] lambda::StartError),
    #[error("cannot create the demo partner: {0}")]
    Demo(#[from] DemoError),
    #[error("the data folder is not new: start without --demo, or with another folder")]
    NotNew,
}

impl From<io::Error> for StartError {
    fn from(source: io::Error) -> Self {
        Self::Server(source.into())
    }
}

/// The addresses and names that `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ready {
    pub(crate) url: String,
    pub(crate) lambda_url: String,
    pub(crate) dynamodb_url: String,
    pub(crate) cognito_url: String,
    pub(crate) ses_url: String,
    /// The mailbox. `None` if mail is off or another SES sends it.
    pub(crate) mail_url: Option<String>,
    pub(crate) user_pool_id: String,
    pub(crate) client_id: String,
    pub(crate) tables: Vec<String>,
    pub(crate) partner_id: String,
    pub(crate) primary_admin: PrimaryAdmin,
}

/// The credentials for the first sign-in.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PrimaryAdmin {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// A running stack.
pub(crate) struct Stack {
    pub(crate) ready: Ready,
    /// The data folder, or `None` if all data is in memory.
    pub(crate) data: Option<PathBuf>,
    lambda: Lambda,
    /// The tasks that serve the API and read streams. They end after `end_sources` is signalled.
    sources: JoinSet<()>,
    end_sources: watch::Sender<()>,
    /// All other tasks. They end when this value is dropped.
    tasks: JoinSet<()>,
    /// The folder stays locked until the stack is dropped.
    _folder: Option<DataFolder>,
}

/// The servers and resources that the functions use, and the plan.
struct Cloud {
    dynamodb: Server,
    cognito: Server,
    pool: Pool,
    plan: Plan,
    /// The policy of each function, by its access key.
    policies: BTreeMap<String, Policy>,
    tables: Vec<String>,
    /// Whether a table was created, so that the demo partner of an earlier start does not exist.
    is_new: bool,
}

impl Stack {
    /// Starts everything and returns when the API responds.
    pub(crate) async fn start(choices: &Choices) -> Result<Self, StartError> {
        let root = workspace::root()?;
        let folder = if choices.ephemeral {
            None
        } else {
            Some(DataFolder::open(choices.data.as_deref().unwrap_or(&root.join(".portal")))?)
        };
        let listeners = bind(choices.port).await.map_err(|source| StartError::Port { port: choices.port, source })?;
        let url = match listeners.first() {
            Some(listener) => format!("http://localhost:{}", listener.local_addr()?.port()),
            None => String::new(),
        };
        let path = root.join("template.yaml");
        let text = std::fs::read_to_string(&path).map_err(|source| StartError::Unreadable { path, source })?;
        let template = Template::parse(&text, &choices.parameters, &local_parameters(&url))?;

        let mut memory = folder.as_ref().map_or_else(|| Ok(Memory::default()), DataFolder::recall)?;
        let mut tasks = JoinSet::new();
        let (binaries, cloud) = tokio::try_join!(
            async { Ok(builder::build(&root).await?) },
            make_cloud(choices, &template, folder.as_ref(), &mut memory, &mut tasks),
        )?;
        if choices.demo && !cloud.is_new {
            return Err(StartError::NotNew);
        }

        let record = match &choices.record {
            None => None,
            Some(path) => {
                let record = Record::create(path, cloud.policies.values());
                Some(record.map_err(|source| StartError::Record { path: path.clone(), source })?)
            }
        };
        let post_office = PostOffice::open(choices, cloud.plan.mail.clone(), &mut tasks).await?;
        for stream in &cloud.plan.streams {
            streams::check_role(stream, cloud.policies.values(), record.as_ref())?;
        }
        let streams = if choices.no_streams { Vec::new() } else { cloud.plan.streams };
        let (wakes, pollers) = Wakes::new(&streams);
        let backends =
            Backends { dynamodb: cloud.dynamodb.clone(), cognito: cloud.cognito.clone(), ses: post_office.ses.clone() };
        let proxy = Proxy::new(backends, cloud.policies, cloud.plan.mail, wakes, record)?;
        let proxy_url = servers::serve("proxy", proxy.router(), &mut tasks).await?;
        let environment = Box::new(move |function: &Function| environment(function, &proxy_url));
        let lambda = Lambda::start(cloud.plan.functions, lambda::Settings { binaries, environment }).await?;
        let lambda_url = servers::serve("lambda", lambda.router(), &mut tasks).await?;

        let remember = |memory: &Memory| folder.as_ref().map_or(Ok(()), |folder| folder.remember(memory));
        let server = key_of(choices.dynamodb.as_deref());
        let mut demo = match memory.partners.remove(server) {
            Some(demo) if !cloud.is_new => demo,
            Some(_) | None if choices.demo => Demo::plan_agency().map_err(DemoError::from)?,
            Some(_) | None => Demo::plan(cloud.is_new).map_err(DemoError::from)?,
        };
        memory.partners.insert(server.to_owned(), demo.clone());
        remember(&memory)?;
        let partner_id = if choices.demo {
            demo.write_agency(&cloud.dynamodb, &template.tables()?).await?
        } else {
            demo.make(&lambda).await?
        };
        memory.partners.insert(server.to_owned(), demo.clone());
        remember(&memory)?;
        tasks.spawn(mail::deliver(post_office.events, cloud.plan.rules, lambda.clone()));
        let (end_sources, ended) = watch::channel(());
        let mut sources = JoinSet::new();
        let positions = Positions::open(folder.as_ref().map(DataFolder::streams)).map_err(StartError::Positions)?;
        for (stream, wake) in streams.into_iter().zip(pollers) {
            let server = cloud.dynamodb.clone();
            let notice = without_stream(&stream);
            let mut poller = Poller::new(stream, server, lambda.clone(), wake, positions.clone(), ended.clone())?;
            if poller.is_available().await {
                sources.spawn(poller.run());
            } else {
                log::line("streams", &notice);
            }
        }
        if !choices.no_schedules {
            for schedule in cloud.plan.schedules {
                tasks.spawn(fire(schedule, lambda.clone()));
            }
        }

        let keys = gateway::Keys::new(cloud.cognito.url.clone());
        let router = gateway::router(cloud.plan.routes, cloud.plan.cors, lambda.clone(), keys);
        for listener in listeners {
            sources.spawn(serve_api(listener, router.clone(), ended.clone()));
        }
        let ready = Ready {
            url,
            lambda_url,
            dynamodb_url: cloud.dynamodb.url,
            cognito_url: cloud.cognito.url,
            ses_url: post_office.ses.url,
            mail_url: post_office.mailbox,
            user_pool_id: cloud.pool.ids.user_pool,
            client_id: cloud.pool.ids.client,
            tables: cloud.tables,
            partner_id,
            primary_admin: PrimaryAdmin { email: demo.email, password: demo.password },
        };
        let data = folder.as_ref().map(|folder| folder.path().to_owned());
        Ok(Self { ready, data, lambda, sources, end_sources, tasks, _folder: folder })
    }

    /// Gives requests a short time to finish, then ends everything, the functions' processes first.
    pub(crate) async fn stop(mut self) {
        self.end_sources.send_replace(());
        let finished = async { while self.sources.join_next().await.is_some() {} };
        // Requests that have not finished by then are cut off.
        let _ = timeout(PATIENCE, finished).await;
        let _ = timeout(PATIENCE, self.lambda.stop()).await;
        self.sources.shutdown().await;
        self.tasks.shutdown().await;
    }
}

/// The values of the template's parameters here, unless others are given. Mail is on, and its links lead to this portal.
pub(crate) fn local_parameters(url: &str) -> Vec<(&'static str, String)> {
    vec![("MailFrom", MAIL_FROM.to_owned()), ("PortalUrl", url.to_owned())]
}

/// The notice for a mapping whose server has no such stream.
fn without_stream(stream: &Stream) -> String {
    let Stream { function, table, .. } = stream;
    format!("this DynamoDB has no stream of {table}: nothing invokes {function} after a write; schedules do its work")
}

/// The SES that the functions use.
struct PostOffice {
    ses: Server,
    /// The URL of the mailbox.
    mailbox: Option<String>,
    events: mpsc::UnboundedReceiver<Value>,
}

impl PostOffice {
    async fn open(choices: &Choices, mail: Mail, tasks: &mut JoinSet<()>) -> io::Result<Self> {
        // With another SES, the sender is dropped and no events come.
        let (sender, events) = mpsc::unbounded_channel();
        if let Some(url) = &choices.ses {
            return Ok(Self { ses: Server::external(url.clone()), mailbox: None, events });
        }
        let messages = Arc::new(Mailbox::new());
        let is_on = !mail.identities.is_empty();
        let url = servers::serve("ses", mail::ses_router(mail, Arc::clone(&messages), sender), tasks).await?;
        let mailbox = if is_on {
            let serve = |address| mail::mailbox_router(messages, address);
            Some(servers::serve_at_its_address("mailbox", serve, tasks).await?)
        } else {
            None
        };
        Ok(Self { ses: Server::embedded(url), mailbox, events })
    }
}

/// Starts the servers, creates the tables and the pool, and returns them with the plan.
async fn make_cloud(
    choices: &Choices,
    template: &Template,
    folder: Option<&DataFolder>,
    memory: &mut Memory,
    tasks: &mut JoinSet<()>,
) -> Result<Cloud, StartError> {
    let dynamodb = match &choices.dynamodb {
        Some(url) => Server::external(url.clone()),
        None => servers::dynamodb(folder.map(DataFolder::dynamodb).as_deref(), tasks).await?,
    };
    let cognito = match &choices.cognito {
        Some(url) => Server::external(url.clone()),
        None => servers::user_pool(folder.map(DataFolder::user_pool).as_deref(), tasks).await?,
    };
    let tables = template.tables()?;
    let server = key_of(choices.cognito.as_deref());
    let (is_new, pool) = tokio::try_join!(
        resources::tables(&dynamodb, &tables),
        resources::user_pool(&cognito, template, memory.pools.get(server)),
    )?;
    memory.pools.insert(server.to_owned(), pool.clone());

    let mut plan = template.plan(&pool.ids)?;
    let read =
        |function: &Function| Ok((access_key(function), Policy::read(&function.logical_id, &function.statements)?));
    let policies = plan.functions.iter().map(read).collect::<Result<_, PolicyError>>()?;
    if choices.cognito.is_some()
        && let Some(issuer) = resources::issuer(&cognito, &pool.ids.user_pool).await
    {
        for authorizer in plan.routes.iter_mut().filter_map(|route| route.authorizer.as_mut()) {
            authorizer.issuer.clone_from(&issuer);
        }
    }
    let tables = tables.into_iter().map(|table| table.name).collect();
    Ok(Cloud { dynamodb, cognito, pool, plan, policies, tables, is_new })
}

fn key_of(endpoint: Option<&str>) -> &str {
    endpoint.unwrap_or(EMBEDDED)
}

/// The proxy identifies a function by its access key. Logical ids consist of letters and digits, as access keys must.
fn access_key(function: &Function) -> String {
    function.logical_id.clone()
}

/// The variables that a function gets from Lambda and its role on AWS. Here the endpoints are the proxy's.
fn environment(function: &Function, proxy_url: &str) -> BTreeMap<String, String> {
    [
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key(function)),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", proxy_url.to_owned()),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", proxy_url.to_owned()),
        ("AWS_ENDPOINT_URL_SESV2", proxy_url.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Binds the port on 127.0.0.1 and, if IPv6 is available, on `::1`. `localhost` may be either address, and neither must
/// reach another program.
async fn bind(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut attempts = PORT_ATTEMPTS;
    loop {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), v4.local_addr()?.port());
        match TcpListener::bind(v6).await {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                attempts -= 1;
                if port != 0 || attempts == 0 {
                    return Err(error);
                }
            }
            Err(_) => return Ok(vec![v4]),
        }
    }
}

async fn serve_api(listener: TcpListener, router: Router, mut ended: watch::Receiver<()>) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async move {
        // An error means that the stack is gone, so the server ends too.
        let _ = ended.changed().await;
    };
    if let Err(problem) = axum::serve(listener, service).with_graceful_shutdown(stop).await {
        log::line("gateway", &problem.to_string());
    }
}

/// Invokes the schedule's function periodically, for the first time after one whole period.
async fn fire(schedule: Schedule, lambda: Lambda) {
    let mut tick = interval_at(Instant::now() + schedule.every, schedule.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let input = schedule.input.to_string();
    loop {
        tick.tick().await;
        match lambda.invoke(&schedule.function, input.clone().into()).await {
            Ok(answer) if answer.function_error.is_none() => {}
            Ok(_) => log::line("schedule", &format!("{} failed: see its log above", schedule.function)),
            Err(problem) => log::line("schedule", &format!("{} failed: {problem}", schedule.function)),
        }
    }
}
