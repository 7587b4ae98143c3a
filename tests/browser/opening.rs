//! The requests that open the page and its views.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use portal_tests::browser::{Browser, Language};
use portal_tests::stack;
use serde_json::json;
use tokio::net::TcpListener;

/// The request that a gate rejects.
#[derive(Debug, Clone, Copy)]
enum Rejected {
    None,
    /// The request of this number, from 0.
    Number(usize),
    /// The first request whose path has this end.
    FirstOf(&'static str),
}

/// A server in front of the portal that records the paths of requests, and rejects one request with 503, as API Gateway does
/// when Lambda has no execution left.
struct Gate {
    url: String,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    async fn new(rejected: Rejected) -> Self {
        let paths = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&paths);
        let app = Router::new().fallback(move |request: Request| {
            let path = request.uri().path().to_owned();
            let mut paths = recorded.lock().unwrap();
            let is_rejected = match rejected {
                Rejected::None => false,
                Rejected::Number(number) => paths.len() == number,
                Rejected::FirstOf(end) => path.ends_with(end) && !paths.contains(&path),
            };
            paths.push(path);
            async move { if is_rejected { unavailable() } else { forwarded(request).await } }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, paths }
    }

    /// The names of the files that were requested, without the icon, which a browser may request at any time.
    fn files(&self) -> Vec<String> {
        let paths = self.paths.lock().unwrap();
        let files = paths.iter().filter(|path| path.starts_with("/assets/") && !path.ends_with(".svg"));
        files.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
    }

    /// Forgets the requests so far.
    fn forget(&self) {
        self.paths.lock().unwrap().clear();
    }
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from("{\"message\":\"Service Unavailable\"}"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
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
    let paths = gate.paths.lock().unwrap().clone();
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
    assert_eq!(gate.files().iter().filter(|name| *name == "fr.js").count(), 2, "the second request is a retry");

    gate.forget();
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    assert!(!gate.files().contains(&"fr.js".to_owned()), "{:?}", gate.files());
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
