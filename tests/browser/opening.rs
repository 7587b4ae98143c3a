//! The requests that open the page.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use portal_tests::browser::{Browser, Language};
use portal_tests::stack;
use tokio::net::TcpListener;

/// A server in front of the portal that records the paths of requests, and rejects the request of one number with 503, as API
/// Gateway does when Lambda has no execution left.
struct Gate {
    url: String,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    async fn new(rejected: Option<usize>) -> Self {
        let paths = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&paths);
        let app = Router::new().fallback(move |request: Request| {
            let path = request.uri().path().to_owned();
            let number = {
                let mut paths = recorded.lock().unwrap();
                paths.push(path);
                paths.len() - 1
            };
            async move { if Some(number) == rejected { unavailable() } else { forwarded(request).await } }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, paths }
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from("{\"message\":\"Service Unavailable\"}"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn forwarded(request: Request) -> Response<Body> {
    let url = format!("{}{}", stack().ready.url, request.uri());
    let mut headers = request.headers().clone();
    headers.remove(header::HOST);
    let answer = reqwest::Client::new().request(request.method().clone(), url).headers(headers).send().await.unwrap();
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
    let (gate, browser) = (Gate::new(None).await, Browser::new(Language::English).await);
    browser.goto(&gate.url).await;
    is_open(&browser).await;
    let paths = gate.paths();
    assert!(paths.len() <= 4, "a document, a script, a style sheet and an icon: {paths:?}");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_opens_after_any_response_for_one_of_its_files_is_lost() {
    for rejected in 1..4 {
        let (gate, browser) = (Gate::new(Some(rejected)).await, Browser::new(Language::English).await);
        browser.goto(&gate.url).await;
        is_open(&browser).await;
    }
}
