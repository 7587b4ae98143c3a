//! The requests that open the page and its views.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner, stack};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The number of executions that Lambda has for the portal in a new AWS account.
const MAX_EXECUTIONS: usize = 10;

/// The request that a gate rejects.
#[derive(Debug, Clone, Copy)]
enum Rejected {
    None,
    /// The request of this number, from 0.
    Number(usize),
    /// The first request whose path has this end.
    FirstOf(&'static str),
}

/// A server in front of the portal that records the paths of requests, and rejects a request with 503, as API Gateway does when
/// Lambda has no execution left.
struct Gate {
    url: String,
    state: Arc<State>,
}

struct State {
    rejected: Rejected,
    paths: Mutex<Vec<String>>,
    running: AtomicUsize,
    /// The number of requests for files of the page, and the number from which on they are answered.
    requested: watch::Sender<usize>,
    held: usize,
    /// Whether another version of the page was deployed, which the browser has not requested yet.
    is_replaced: AtomicBool,
}

impl Gate {
    async fn new(rejected: Rejected) -> Self {
        Self::with(rejected, 0).await
    }

    /// A gate that answers no request for a file before the browser has requested all files that the page names.
    async fn of_simultaneous_requests() -> Self {
        let page = Client::new().get("/").await.expect(200).text;
        let files = page.split('"').filter(|text| is_file(text)).count();
        assert!(files > 1, "{page}");
        Self::with(Rejected::None, files).await
    }

    async fn with(rejected: Rejected, held: usize) -> Self {
        let state = Arc::new(State {
            rejected,
            paths: Mutex::default(),
            running: AtomicUsize::new(0),
            requested: watch::Sender::new(0),
            held,
            is_replaced: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let app = Router::new().fallback(move |request: Request| {
            let state = Arc::clone(&shared);
            async move { state.answer(request).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, state }
    }

    fn paths(&self) -> Vec<String> {
        self.state.paths.lock().unwrap().clone()
    }

    /// The number of requests for a file of the page.
    fn count(&self, name: &str) -> usize {
        self.paths().iter().filter(|path| path.rsplit('/').next() == Some(name)).count()
    }

    /// Forgets the requests so far.
    fn forget(&self) {
        self.state.paths.lock().unwrap().clear();
    }

    /// From now on the files of the page are gone, until the browser requests the page.
    fn replace(&self) {
        self.state.is_replaced.store(true, Ordering::SeqCst);
    }
}

impl State {
    async fn answer(&self, request: Request) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let is_file = is_file(&path);
        let is_rejected = {
            let mut paths = self.paths.lock().unwrap();
            let is_rejected = match self.rejected {
                Rejected::None => false,
                Rejected::Number(number) => paths.len() == number,
                Rejected::FirstOf(end) => path.ends_with(end) && !paths.contains(&path),
            };
            paths.push(path.clone());
            is_rejected
        };
        if path == "/" {
            self.is_replaced.store(false, Ordering::SeqCst);
        } else if is_file {
            self.requested.send_modify(|requested| *requested += 1);
        }
        if is_file && self.is_replaced.load(Ordering::SeqCst) {
            return rejection(StatusCode::NOT_FOUND);
        }
        if is_rejected {
            return rejection(StatusCode::SERVICE_UNAVAILABLE);
        }
        if self.running.fetch_add(1, Ordering::SeqCst) >= MAX_EXECUTIONS {
            self.running.fetch_sub(1, Ordering::SeqCst);
            return rejection(StatusCode::SERVICE_UNAVAILABLE);
        }
        let response = forwarded(request).await;
        if is_file {
            self.requested.subscribe().wait_for(|requested| *requested >= self.held).await.unwrap();
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        response
    }
}

/// Whether this is the path of a file of the page, except the icon, which browsers request at any time.
fn is_file(path: &str) -> bool {
    path.starts_with("/assets/") && path.rsplit('.').next() != Some("svg")
}

fn rejection(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from("{\"message\":\"rejected\"}"));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sends a request to the portal, with the gate's host, which is the origin of the page.
async fn forwarded(request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let url = format!("{}{}", stack().ready.url, parts.uri);
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let request = reqwest::Client::new().request(parts.method, url).headers(parts.headers).body(body);
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Waits until the sign-in is there, with its style. The page may reload in the meantime, and then it shows the sign-in twice.
async fn is_open(browser: &Browser) {
    browser.is_styled().await;
    browser.reads("sign_in.do").await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_opens_with_four_requests() {
    let (gate, browser) = (Gate::new(Rejected::None).await, Browser::new(Language::French).await);
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    let paths = gate.paths();
    assert!(paths.len() <= 4, "a document, a script, a style sheet and an icon: {paths:?}");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_opens_after_any_response_for_one_of_its_files_is_lost() {
    for number in 1..4 {
        let (gate, browser) = (Gate::new(Rejected::Number(number)).await, Browser::new(Language::English).await);
        browser.goto(&gate.url).await;
        is_open(&browser).await;
    }
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_opens_in_the_stored_language_without_another_request() {
    let (gate, mut browser) = (Gate::new(Rejected::FirstOf("/fr.js")).await, Browser::new(Language::English).await);
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    browser.choose_language(Language::French).await;
    is_open(&browser).await;
    assert_eq!(gate.count("fr.js"), 2, "the second request is a retry");

    gate.forget();
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    assert_eq!(gate.count("fr.js"), 0);
    browser.choose_language(Language::English).await;
    is_open(&browser).await;

    // The browser has lost the cookie, as some do after days.
    browser.choose_language(Language::French).await;
    is_open(&browser).await;
    browser.script("document.cookie = 'language=; path=/; max-age=0; secure'", json!([])).await;
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    let page = browser.script("return [document.documentElement.lang, document.cookie]", json!([])).await;
    assert_eq!(page, json!(["fr", "language=fr"]));
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_opens_behind_ten_concurrent_executions() {
    let partner = Partner::new().await;
    let (gate, browser) = (Gate::of_simultaneous_requests().await, Browser::new(Language::English).await);
    signed_in(&browser, &gate, &partner).await;
    browser.is_styled().await;
    browser.press("nav.history").await;
    browser.reads("history.when").await;
    assert_eq!(gate.count("main.js"), 1, "the page did not have to reload");
    browser.is_sound().await;
}

/// Signs the owner in through a gate.
async fn signed_in(browser: &Browser, gate: &Gate, partner: &Partner) {
    let owner = partner.owner();
    browser.goto(&format!("{}?partner={}", gate.url, owner.partner_id)).await;
    browser.sign_in(&owner.email, &owner.password).await;
    browser.reads("users.add").await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_other_views_load_one_script_which_is_requested_again_if_its_response_is_lost() {
    let partner = Partner::new().await;
    let (gate, browser) = (Gate::new(Rejected::FirstOf("/views-en.js")).await, Browser::new(Language::English).await);
    signed_in(&browser, &gate, &partner).await;
    assert_eq!(gate.count("views-en.js"), 0);

    for (entry, text) in [("nav.history", "history.when"), ("nav.review", "review.record"), ("nav.users", "users.add")]
    {
        browser.press(entry).await;
        browser.reads(text).await;
    }
    browser.press("users.import").await;
    browser.reads("import.title").await;
    assert_eq!(gate.count("views-en.js"), 2, "the second request is a retry");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_view_that_cannot_be_loaded_offers_a_retry() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::French).await;
    browser.signed_in(partner.owner()).await;
    browser.offline(true).await;
    browser.press("users.import").await;
    browser.announces(&browser.text("fault.passing")).await;
    browser.press("nav.history").await;
    browser.reads("history.fault").await;
    browser.has_focus_on(&browser.text("nav.history")).await;
    browser.is_accessible("view-fault").await;
    browser.press("nav.users").await;
    browser.reads("users.fault.title").await;
    browser.press("nav.history").await;
    browser.reads("history.fault").await;
    browser.offline(false).await;
    browser.press("try_again").await;
    browser.reads("history.when").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_page_of_an_older_version_reloads_when_a_view_is_opened() {
    let partner = Partner::new().await;
    let (gate, browser) = (Gate::new(Rejected::None).await, Browser::new(Language::English).await);
    signed_in(&browser, &gate, &partner).await;
    gate.forget();
    gate.replace();
    browser.press("nav.history").await;
    browser.reads("history.when").await;
    assert_eq!(gate.paths().iter().filter(|path| *path == "/").count(), 1);
    assert_eq!(browser.path().await, "/?view=history");
    browser.is_sound().await;
}
