//! `cargo bench -p portal-bench`: measures how long every function takes to start and to respond, its resources, its
//! AWS calls and its cost, and compares it with a floor and peers. See the README in tests/bench.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool for developers: any error ends it"
)]

mod build_times;
mod builds;
mod callgrind;
mod cloud;
mod goals;
mod growth;
mod hash;
mod measure;
mod options;
mod people;
mod record;
mod report;
mod resets;
mod scene;
mod stand_in;
mod template;
#[path = "../../../infra/local/src/user_pool/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the local stack uses more of this module")]
mod user_pool;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use tokio::runtime::Handle;
use tokio::task::LocalSet;

use cloud::Cloud;
use measure::{Figures, Subject};
use options::Options;
use portal_bench::ledger::{self, Ledger};
use portal_bench::results::{FIRST_SIGN_IN, SIGN_IN_CODE};
use report::Results;
use scene::{Hands, Scene};
use stand_in::{Process, Program};
use template::{Function, Template};

/// Any error ends the benchmark with a readable message.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(&options, servers.handle()))
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// Returns the folder target/bench/`name`, and creates it if necessary.
fn folder(name: &str) -> Outcome<PathBuf> {
    let folder = root().join("target/bench").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn run(options: &Options, servers: &Handle) -> Outcome<()> {
    if options.build_times {
        return build_times::measure();
    }
    let template = Template::read()?;
    let functions = template.functions();
    if let Some(unknown) = options.only.iter().find(|only| functions.iter().all(|it| it.name != **only)) {
        return Err(format!("there is no function {unknown}").into());
    }
    let selected: Vec<Function> = functions.iter().filter(|it| options.selects(&it.name)).cloned().collect();
    let mut notices = Vec::new();
    let peers = build(options, &selected, &mut notices)?;

    let cloud = Cloud::start(&template, servers).await?;
    let hands = hands(&cloud, &functions).await?;
    let mut scene = Scene::set(cloud, hands).await?;
    let mut subjects = subjects(&scene, &selected, &peers)?;
    if options.ledger {
        return write_ledger(&mut scene, &subjects).await;
    }
    eprintln!("measuring {} programs: starts", subjects.len());
    measure::cold(&mut scene, &mut subjects, options.starts()).await?;
    eprintln!("warm requests");
    measure::warm(&mut scene, &mut subjects, options.requests()).await?;
    eprintln!("sizes and calls");
    let counts_instructions = callgrind::is_there();
    if !counts_instructions {
        notices.push("valgrind is not installed: instructions are not counted.".to_owned());
    }
    for subject in &mut subjects {
        measure::sizes(subject)?;
        if subject.kind != FLOOR {
            subject.figures.calls = measure::calls(&mut scene, subject).await?;
        }
        if counts_instructions && matches!(subject.kind, FLOOR | OURS) {
            subject.figures.instructions = Some(callgrind::instructions(&subject.program).await?);
        }
    }
    slow_cognito(&mut scene, &mut subjects).await?;
    let program = |function: &str| {
        let found = subjects.iter().find(|subject| subject.kind == OURS && subject.function == function);
        found.map(|subject| subject.program.clone())
    };
    let mut hash = Vec::new();
    for function in ["sign-in", "set-password"] {
        if let Some(program) = program(function) {
            eprintln!("hashes: {function}");
            hash.extend(hash::requests(&mut scene, function, &program, options.requests() / 4).await?);
        }
    }
    if !hash.is_empty() {
        hash.insert(0, hash::alone()?);
    }
    let mut resets = Vec::new();
    if let Some(program) = program("request-password-reset") {
        eprintln!("requests to reset a password");
        resets = resets::measure(&mut scene, &program).await?;
    }
    let mut growth = Vec::new();
    if let (Some(list), Some(review)) = (program("list-users"), program("review-access")) {
        eprintln!("lists");
        let sizes = [10, growth::BASE, 1_000, 10_000];
        let (sizes, others) = if options.quick { (&sizes[..3], 10) } else { (&sizes[..], 100) };
        growth = growth::measure(&mut scene, (&list, &review), sizes, others, options.requests()).await?;
    }
    if let Some(program) = program("list-audit-events") {
        eprintln!("history");
        let sizes = [growth::BASE, 10_000, 100_000];
        let sizes = if options.quick { &sizes[..2] } else { &sizes[..] };
        growth.extend(growth::history(&mut scene, &program, sizes, options.requests()).await?);
    }

    let (starts, requests) = (options.starts(), options.requests());
    let results = Results { subjects, growth, hash, resets, notices, starts, requests };
    let folder = folder("")?;
    println!("{}", results.write(&folder)?);
    eprintln!("written to {}results.md and results.json", folder.display());
    Ok(())
}

/// Writes the ledger of request units of all functions that have a request.
async fn write_ledger(scene: &mut Scene, subjects: &[Subject]) -> Outcome<()> {
    let (mut ledgers, mut unexplained) = (vec![ledger::HEAD.to_owned()], Vec::new());
    for subject in subjects.iter().filter(|subject| subject.kind == OURS) {
        let Some(calls) = measure::calls(scene, subject).await? else { continue };
        let ledger = Ledger::new(&subject.function, calls.entries);
        unexplained.extend(ledger.unexplained());
        ledgers.push(ledger.to_string());
    }
    let file = folder("")?.join("ledger.md");
    fs::write(&file, ledgers.join("\n"))?;
    eprintln!("written to {}", file.display());
    if unexplained.is_empty() { Ok(()) } else { Err(format!("no reason for {}", unexplained.join("\n")).into()) }
}

/// Measures our programs that call Cognito with the slow Cognitos of prices.json.
async fn slow_cognito(scene: &mut Scene, subjects: &mut [Subject]) -> Outcome<()> {
    let trips = report::prices()?.assumed_milliseconds;
    for subject in subjects.iter_mut().filter(|subject| subject.kind == OURS && subject.waits_for_cognito()) {
        eprintln!("slow Cognito: {}", subject.function);
        for milliseconds in [trips.cognito, trips.cognito_slow] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "30 and 200")]
            let milliseconds = milliseconds as u64;
            let sample = measure::slow_cognito(scene, subject, milliseconds).await?;
            subject.figures.slow_cognito.insert(milliseconds, sample);
        }
    }
    Ok(())
}

const OURS: &str = "ours";
const NAIVE: &str = "naive";
const NODE: &str = "node";
const PYTHON: &str = "python";
const FLOOR: &str = "floor";

/// The functions that prepare the scene.
const HANDS: [&str; 6] = ["create-partner", "sign-in", "add-user", "set-password", "start-totp", "confirm-totp"];
/// The functions that have peers: a naive build, and programs in other languages.
const WITH_PEERS: [&str; 4] = ["get-user", "list-users", "add-user", "force-logout"];

/// The available peers, with the interpreters of Node and Python.
#[derive(Default)]
struct Peers {
    naive: bool,
    node: Option<PathBuf>,
    python: Option<PathBuf>,
}

fn build(options: &Options, selected: &[Function], notices: &mut Vec<String>) -> Outcome<Peers> {
    let ours = builds::programs(OURS)?;
    let names: Vec<String> = selected.iter().map(|function| function.name.clone()).collect();
    if !options.no_build {
        // With `--quick`, the functions of the scene may come from an earlier build.
        let is_there =
            |hand: &str| names.iter().any(|name| name == hand) || (options.quick && ours.join(hand).exists());
        let hands = HANDS.iter().filter(|hand| !is_there(hand)).map(|hand| (*hand).to_owned());
        let all: Vec<String> = names.iter().cloned().chain(hands).collect();
        builds::release(OURS, root(), &all, &["--locked"])?;
    }
    if options.ledger {
        return Ok(Peers::default());
    }
    builds::floor(options.no_build)?;
    if options.no_peers {
        return Ok(Peers::default());
    }
    let compared: Vec<String> = names.into_iter().filter(|name| WITH_PEERS.contains(&name.as_str())).collect();
    builds::naive(&compared, options.no_build)?;
    let peers = Peers { naive: true, node: builds::node(options.no_build)?, python: builds::python(options.no_build)? };
    for (name, found) in [("node", &peers.node), ("python3", &peers.python)] {
        if found.is_none() {
            notices.push(format!("{name} is not installed: its peers are skipped."));
        }
    }
    Ok(peers)
}

async fn hands(cloud: &Cloud, functions: &[Function]) -> Outcome<Hands> {
    let mut processes = BTreeMap::new();
    for hand in HANDS {
        let function = functions
            .iter()
            .find(|function| function.name == hand)
            .ok_or("a function of the scene is not in the template")?;
        processes.insert(hand, Process::start(&binary(OURS, function, cloud)?).await?.0);
    }
    let mut hand = |name: &str| processes.remove(name).ok_or("a function of the scene is missing");
    Ok(Hands {
        create_partner: hand("create-partner")?,
        sign_in: hand("sign-in")?,
        add_user: hand("add-user")?,
        set_password: hand("set-password")?,
        start_totp: hand("start-totp")?,
        confirm_totp: hand("confirm-totp")?,
    })
}

fn binary(kind: &str, function: &Function, cloud: &Cloud) -> Outcome<Program> {
    program(kind, function, cloud, vec![builds::programs(kind)?.join(&function.name).into()])
}

fn program(kind: &str, function: &Function, cloud: &Cloud, command: Vec<OsString>) -> Outcome<Program> {
    Ok(Program {
        name: format!("{kind} {}", function.name),
        command,
        environment: cloud.environment(function),
        log: folder("logs")?.join(format!("{kind}-{}.log", function.name)),
    })
}

fn subjects(scene: &Scene, selected: &[Function], peers: &Peers) -> Outcome<Vec<Subject>> {
    let cloud = &scene.cloud;
    let mut subjects = Vec::new();
    let mut add = |kind: &'static str, function: &str, memory_mb: u32, program: Program, files: Vec<PathBuf>| {
        let function = function.to_owned();
        subjects.push(Subject { kind, function, memory_mb, program, files, figures: Figures::default() });
    };
    let [one, all] = scene.raw_reads()?;
    for (name, file, read) in
        [("floor", "floor", None), ("floor-read", "floor-read", Some(one)), ("floor-batch", "floor-read", Some(all))]
    {
        let function = Function { name: file.to_owned(), memory_mb: 256, environment: BTreeMap::new() };
        let mut program = binary(FLOOR, &function, cloud)?;
        if let Some((operation, body)) = read {
            let address = cloud.dynamodb.trim_start_matches("http://").to_owned();
            let variables = [("READ_ADDRESS", address), ("READ_OPERATION", operation.to_owned()), ("READ_BODY", body)];
            program.environment.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        }
        add(FLOOR, name, 256, program, vec![builds::programs(FLOOR)?.join(file)]);
    }
    let naive = builds::programs(NAIVE)?;
    for function in selected {
        let memory = function.memory_mb;
        add(
            OURS,
            &function.name,
            memory,
            binary(OURS, function, cloud)?,
            vec![builds::programs(OURS)?.join(&function.name)],
        );
        // The same program with another request. Its sizes are in the row of the function.
        let other = match function.name.as_str() {
            "sign-in" => Some(FIRST_SIGN_IN),
            "answer-challenge" => Some(SIGN_IN_CODE),
            _ => None,
        };
        if let Some(other) = other {
            add(OURS, other, memory, binary(OURS, function, cloud)?, Vec::new());
        }
        if !WITH_PEERS.contains(&function.name.as_str()) {
            continue;
        }
        if peers.naive {
            add(NAIVE, &function.name, memory, binary(NAIVE, function, cloud)?, vec![naive.join(&function.name)]);
        }
        if let Some(node) = &peers.node {
            let bundle = folder("node")?.join(format!("dist/{}.cjs", function.name));
            let command = vec![node.into(), (&bundle).into()];
            add(NODE, &function.name, memory, program(NODE, function, cloud, command)?, vec![bundle]);
        }
        if let Some(python) = &peers.python {
            let script = folder("python")?.join(format!("{}.py", function.name));
            let command = vec![python.into(), script.into()];
            add(PYTHON, &function.name, memory, program(PYTHON, function, cloud, command)?, Vec::new());
        }
    }
    Ok(subjects)
}
