//! Drives a real browser through `WebDriver` (W3C). Elements are found as a user finds them: by their visible text. Nothing
//! sleeps for a fixed time: each method waits for its condition.
//!
//! The browser is Chromium, or Firefox if `PORTAL_BROWSER` is `firefox`. Needs `chromium` and `chromedriver` on the path, and axe-core
//! where `.ci/browser` puts it; or `firefox-esr` and `geckodriver`. Methods that use `DevTools` need Chromium.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::stack::variable;
use crate::{Ready, secrets, stack, workspace};

/// The maximum time to wait for a condition on two busy cores.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The time between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// Where Debian installs Firefox ESR.
const FIREFOX: &str = "/usr/bin/firefox-esr";

/// The states of the main views, which are also checked in a very wide window.
const MAIN_STATES: [&str; 5] = ["users", "user", "review", "history", "account"];

/// The groups of axe's rules for WCAG 2.2 AA and its best practices.
const WCAG: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// The key of a reference to an element in `WebDriver`.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The keys that have no character (`WebDriver`, 17.4.2).
pub mod keys {
    /// Tab.
    pub const TAB: &str = "\u{E004}";
    /// Shift, held for the key that follows.
    pub const SHIFT: &str = "\u{E008}";
    /// Enter.
    pub const ENTER: &str = "\u{E007}";
    /// Space.
    pub const SPACE: &str = " ";
    /// Escape.
    pub const ESCAPE: &str = "\u{E00C}";
    /// Delete.
    pub const DELETE: &str = "\u{E017}";
    /// Arrow down.
    pub const DOWN: &str = "\u{E015}";
    /// Arrow up.
    pub const UP: &str = "\u{E013}";
}

/// Functions for scripts. They find elements where a user would: in the menu or the dialog on top, else anywhere.
const FINDERS: &str = r#"
    const plain = (text) => (text ?? "").replace(/[\s\u00a0\u202f]+/g, " ").trim();
    const top = [...document.querySelectorAll(":popover-open")].at(-1) ??
        [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
    const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });
    const labelOf = (element) => {
        const label = element.labels?.[0];
        return plain(element.ariaLabel ?? (label ? (label.querySelector("span span") ?? label).textContent : element.textContent));
    };
    const button = (name) => [...top.querySelectorAll("button, a, [role=menuitem]")]
        .find((element) => isSeen(element) && !element.disabled && (labelOf(element) === name || plain(element.textContent) === name));
    const field = (name) => [...top.querySelectorAll("input, select")].find((element) => isSeen(element) && labelOf(element) === name);
    const text = () => plain(top.innerText);
    const row = (name) => [...document.querySelectorAll("tbody tr")].find((row) => plain(row.innerText).includes(name));
"#;

/// The languages of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// French.
    French,
}

impl Language {
    /// `en` or `fr`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// Every text, by its key.
    pub fn texts(self) -> Map<String, Value> {
        let path = workspace().join(format!("functions/portal-page/assets/{}.js", self.code()));
        let source = fs::read_to_string(path).unwrap();
        let (_, object) = source.split_once("export default ").unwrap();
        let object = object.trim_end().strip_suffix(';').unwrap();
        serde_json::from_str(object).unwrap_or_else(|error| panic!("{}.js is not plain JSON: {error}", self.code()))
    }

    /// The text for `key`, with spaces instead of no-break spaces.
    #[track_caller]
    pub fn text(self, key: &str) -> String {
        let texts = self.texts();
        let text = texts.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no text {key}"));
        text.replace(['\u{A0}', '\u{202F}'], " ")
    }

    /// The text for `key` with its values. In French "de" is shortened before a vowel.
    #[track_caller]
    pub fn text_with(self, key: &str, values: &[(&str, &str)]) -> String {
        let replaced = |text: String, (name, value): &(&str, &str)| {
            let is_elided = self == Self::French && value.starts_with(['A', 'E', 'I', 'O', 'U', 'É']);
            let text = if is_elided { text.replace(&format!("de {{{name}}}"), &format!("d’{value}")) } else { text };
            text.replace(&format!("{{{name}}}"), value)
        };
        values.iter().fold(self.text(key), replaced)
    }
}

/// What a user does: the clicks, the keys that are commands, and the characters of typed text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Clicks.
    pub clicks: usize,
    /// Keys that are commands, such as Tab, Enter and the shortcuts.
    pub keys: usize,
    /// Characters of typed text.
    pub typed: usize,
}

/// The browsers that can run the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Chromium,
    Firefox,
}

impl Engine {
    /// The browser that the environment selects.
    fn selected() -> Self {
        match variable("PORTAL_BROWSER").as_deref() {
            None | Some("chromium") => Self::Chromium,
            Some("firefox") => Self::Firefox,
            Some(other) => panic!("PORTAL_BROWSER is chromium or firefox, not {other}"),
        }
    }
}

/// A process that drives browsers.
#[derive(Debug)]
struct Driver {
    port: u16,
    /// Ends when its stdin closes: when this value is dropped, or when this process ends.
    _watcher: Child,
    /// Stays open, since the driver may write more.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    /// The driver for a new browser. One chromedriver drives all browsers of this test binary, and a geckodriver drives only one.
    fn of(engine: Engine, profile: &Path) -> Arc<Self> {
        static CHROMEDRIVER: OnceLock<Arc<Driver>> = OnceLock::new();
        match engine {
            Engine::Chromium => {
                CHROMEDRIVER.get_or_init(|| Arc::new(Self::start(&["chromedriver", "--port=0"]))).clone()
            }
            Engine::Firefox => {
                fs::create_dir_all(profile).unwrap();
                let root = format!("--profile-root={}", profile.display());
                Arc::new(Self::start(&["geckodriver", "--port=0", "--websocket-port=0", &root]))
            }
        }
    }

    fn start(command: &[&str]) -> Self {
        const WATCHER: &str =
            r#""$@" </dev/null & driver=$!; exec >&-; read -r _; kill -TERM "$driver"; wait "$driver""#;
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "sh"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(watcher.stdout.take().unwrap());
        // "ChromeDriver was started successfully on port 40123.", or "… Listening on 127.0.0.1:40123".
        let port = output.by_ref().lines().map(Result::unwrap).find_map(|line| {
            let started = line.strip_suffix('.').and_then(|line| line.rsplit_once("on port "));
            started.or_else(|| line.rsplit_once("Listening on 127.0.0.1:"))?.1.parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("{} prints its port; is it installed?", command[0]));
        Self { port, _watcher: watcher, _output: output }
    }
}

/// `target/<profile>/browser/`, for screenshots and axe's results.
fn folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let folder = executable.ancestors().nth(2).unwrap().join("browser");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A browser with a new profile. It closes when this value is dropped.
#[derive(Debug)]
pub struct Browser {
    engine: Engine,
    driver: Arc<Driver>,
    http: reqwest::Client,
    session: String,
    /// The address of the portal for this browser.
    url: String,
    /// The language of its user.
    pub language: Language,
    profile: PathBuf,
    effort: Mutex<Effort>,
}

impl Browser {
    /// Starts a browser in this language.
    pub async fn new(language: Language) -> Self {
        Self::of(&stack().ready, language).await
    }

    /// Starts a browser that uses the portal's own address, to which passkeys are bound.
    pub async fn at_own_address(language: Language) -> Self {
        let ready = &stack().ready;
        let mut browser = Self::of(ready, language).await;
        browser.url.clone_from(&ready.url);
        browser
    }

    /// Adds a device that has passkeys and verifies its user (`WebAuthn`, 11.3). Returns its id.
    pub async fn adds_authenticator(&self) -> String {
        let device = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserConsenting": true,
            "isUserVerified": true,
        });
        self.command("webauthn/authenticator", &device).await.as_str().unwrap().to_owned()
    }

    /// Sets whether a device verifies its user.
    pub async fn verifies_users(&self, device: &str, does_so: bool) {
        self.command(&format!("webauthn/authenticator/{device}/uv"), &json!({ "isUserVerified": does_so })).await;
    }

    /// Starts a browser for the portal of this stack.
    pub async fn of(ready: &Ready, language: Language) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = folder().join(format!("profile-{}-{number}", std::process::id()));
        let engine = Engine::selected();
        let options = match engine {
            Engine::Chromium => Self::chromium(&profile, language),
            Engine::Firefox => Self::firefox(&profile, language),
        };
        let driver = Driver::of(engine, &profile);
        let http = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{}/session", driver.port);
        let capabilities = json!({ "capabilities": { "alwaysMatch": options } });
        let answer: Value = http.post(url).json(&capabilities).send().await.unwrap().json().await.unwrap();
        let session =
            answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}")).to_owned();
        let url = proxy_to_the_portal(ready, number).await;
        let effort = Mutex::default();
        let browser = Self { engine, driver, http, session, url, language, profile, effort };
        browser.command("window/rect", &json!({ "width": 1280, "height": 860 })).await;
        browser
    }

    /// The options of a new Chromium.
    fn chromium(profile: &Path, language: Language) -> Value {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,860",
            &format!("--user-data-dir={}", profile.display()),
        ];
        json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {
                    "intl.accept_languages": language.code(),
                    "credentials_enable_service": false,
                    "download.default_directory": profile.join("downloads"),
                },
            },
        })
    }

    /// The options of a new Firefox.
    fn firefox(profile: &Path, language: Language) -> Value {
        json!({
            "browserName": "firefox",
            "moz:firefoxOptions": {
                "binary": FIREFOX,
                "args": ["-headless"],
                "prefs": {
                    "intl.accept_languages": language.code(),
                    "browser.download.folderList": 2,
                    "browser.download.dir": profile.join("downloads"),
                },
            },
        })
    }

    /// Sends a command of `WebDriver`. Returns its value, or its error message.
    async fn try_command(&self, path: &str, body: &Value) -> Result<Value, String> {
        let response = self.http.post(self.address(path)).json(body).send().await.unwrap();
        let is_good = response.status().is_success();
        let mut answer: Value = response.json().await.unwrap();
        let value = answer["value"].take();
        if is_good { Ok(value) } else { Err(value["message"].as_str().unwrap_or_default().to_owned()) }
    }

    /// The address of a command.
    fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/session/{}/{path}", self.driver.port, self.session)
    }

    /// The value that a command without parameters returns.
    async fn value_of(&self, path: &str) -> Value {
        let answer: Value = self.http.get(self.address(path)).send().await.unwrap().json().await.unwrap();
        answer["value"].clone()
    }

    async fn command(&self, path: &str, body: &Value) -> Value {
        self.try_command(path, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Sends a command of the `DevTools` protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        assert_eq!(self.engine, Engine::Chromium, "{command} needs Chromium");
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// Runs a script on the page and returns its value.
    pub async fn script(&self, script: &str, arguments: Value) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": arguments })).await
    }

    /// Evaluates an expression with one of the page's modules, `module`, and `arguments`. Loads the later scripts.
    pub async fn evaluate(&self, module: &str, expression: &str, arguments: Value) -> Value {
        let script = "return (async (path, ...arguments) => {
            const main = document.querySelector('script[type=module]').src;
            const later = ['account', 'review', 'views'].map((name) => import(new URL(`${name}-${document.documentElement.lang}.js`, main)));
            const { [path]: module } = Object.assign({}, ...await Promise.all([import(main), ...later]));
            return EXPRESSION;
        })(...arguments)"
            .replace("EXPRESSION", expression);
        let Value::Array(mut values) = arguments else { panic!("the arguments are a list") };
        values.insert(0, module.into());
        self.script(&script, values.into()).await
    }

    /// Waits until a script returns a value other than null and false.
    async fn until(&self, what: &str, script: &str, arguments: Value) -> Value {
        let begun = Instant::now();
        let body = json!({ "script": format!("{FINDERS}\n{script}"), "args": arguments });
        loop {
            // The script fails while the page navigates.
            let last = self.try_command("execute/sync", &body).await;
            if let Ok(value) = &last
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return value.clone();
            }
            if begun.elapsed() > WAIT_TIMEOUT {
                self.give_up(what, &format!("{last:?}")).await;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until a script returns a value other than null and false.
    pub async fn waits_for(&self, script: &str, arguments: Value) {
        self.until(script, script, arguments).await;
    }

    async fn give_up(&self, what: &str, last: &str) -> ! {
        self.screenshot("failure").await;
        let shown = self.script(&format!("{FINDERS} return location.href + '\\n' + text()"), json!([])).await;
        panic!("timed out waiting for {what} ({last}); the page shows\n{}", shown.as_str().unwrap_or_default());
    }

    /// Sends a command for an element, and retries if the page changed in the meantime.
    async fn act(&self, what: &str, script: &str, arguments: Value, command: &str, body: &Value) {
        let begun = Instant::now();
        loop {
            let element = self.until(what, script, arguments.clone()).await;
            let id = element[ELEMENT].as_str().unwrap_or_else(|| panic!("{what} is no element: {element}"));
            match self.try_command(&format!("element/{id}/{command}"), body).await {
                Ok(_) => {
                    let typed = body["text"].as_str().unwrap_or_default().chars().count();
                    self.count(Effort { clicks: usize::from(command == "click"), typed, ..Effort::default() });
                    return;
                }
                Err(error) if begun.elapsed() > WAIT_TIMEOUT => self.give_up(what, &error).await,
                Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    }

    fn count(&self, Effort { clicks, keys, typed }: Effort) {
        let mut effort = self.effort.lock().unwrap();
        effort.clicks += clicks;
        effort.keys += keys;
        effort.typed += typed;
    }

    /// What the user did since the last call.
    pub fn effort(&self) -> Effort {
        std::mem::take(&mut self.effort.lock().unwrap())
    }

    /// The text for `key` in this browser's language.
    #[track_caller]
    pub fn text(&self, key: &str) -> String {
        self.language.text(key)
    }

    /// Opens a path of the portal.
    pub async fn goto(&self, path: &str) {
        let url = if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        self.command("url", &json!({ "url": url })).await;
    }

    /// Reloads the page.
    pub async fn reload(&self) {
        self.command("refresh", &json!({})).await;
    }

    /// Goes back, as the browser's own button does.
    pub async fn back(&self) {
        self.command("back", &json!({})).await;
    }

    /// The path and query of the address.
    pub async fn path(&self) -> String {
        self.script("return location.pathname + location.search", json!([])).await.as_str().unwrap().to_owned()
    }

    /// Clicks the button with this name.
    pub async fn click(&self, name: &str) {
        self.act(&format!("a button {name:?}"), "return button(arguments[0])", json!([name]), "click", &json!({}))
            .await;
    }

    /// Clicks the button with the text for `key`.
    pub async fn press(&self, key: &str) {
        self.click(&self.text(key)).await;
    }

    /// Replaces the value of the field with this label.
    pub async fn fill(&self, label: &str, value: &str) {
        let (find, what) = ("return field(arguments[0])", format!("a field {label:?}"));
        self.act(&what, find, json!([label]), "clear", &json!({})).await;
        self.act(&what, find, json!([label]), "value", &json!({ "text": value })).await;
    }

    /// Replaces the value of the field with the label for `key`.
    pub async fn type_in(&self, key: &str, value: &str) {
        self.fill(&self.text(key), value).await;
    }

    /// The value of the field with the label for `key`.
    pub async fn value(&self, key: &str) -> String {
        let script = "const found = field(arguments[0]); return found && { value: found.value }";
        let found = self.until(&format!("a field {key}"), script, json!([self.text(key)])).await;
        found["value"].as_str().unwrap().to_owned()
    }

    /// Waits until the field with the label for `key` has this value.
    pub async fn holds(&self, key: &str, value: &str) {
        self.holds_in(&self.text(key), value).await;
    }

    /// Waits until the field with this label has this value.
    pub async fn holds_in(&self, label: &str, value: &str) {
        let script = "return field(arguments[0])?.value === arguments[1]";
        self.until(&format!("{value:?} in {label:?}"), script, json!([label, value])).await;
    }

    /// Selects a file with this content in the field with the label for `key`.
    pub async fn choose_file(&self, key: &str, name: &str, content: impl AsRef<[u8]>) {
        let path = self.profile.join(name);
        fs::write(&path, content).unwrap();
        let label = self.text(key);
        let body = json!({ "text": path });
        self.act(&format!("a field {label:?}"), "return field(arguments[0])", json!([label]), "value", &body).await;
    }

    /// Returns the content of the downloaded file whose name starts with `name`, and deletes the file.
    pub async fn downloaded(&self, name: &str) -> String {
        let begun = Instant::now();
        loop {
            let files = fs::read_dir(self.profile.join("downloads")).into_iter().flatten();
            let mut names = files.map(|file| file.unwrap().path());
            let is_it = |path: &PathBuf| {
                path.file_name().unwrap().to_str().unwrap().starts_with(name)
                    && path.extension().is_some_and(|extension| extension == "csv" || extension == "txt")
            };
            // The file is empty until the download is complete.
            if let Some(path) = names.find(is_it)
                && let Ok(text) = fs::read_to_string(&path)
                && !text.is_empty()
            {
                fs::remove_file(&path).unwrap();
                return text;
            }
            if begun.elapsed() > WAIT_TIMEOUT {
                self.give_up(&format!("a file {name}"), "no such file").await;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Sets the date field with the label for `key`, by script, since the format to type depends on the machine.
    pub async fn choose_day(&self, key: &str, day: &str) {
        let script = "const found = field(arguments[0]); if (!found) return false;
            found.value = arguments[1];
            found.dispatchEvent(new Event('change', { bubbles: true }));
            return true";
        self.until(&format!("a field {key}"), script, json!([self.text(key), day])).await;
    }

    /// Toggles the checkbox with the label for `key`.
    pub async fn tick(&self, key: &str) {
        self.tick_named(&self.text(key)).await;
    }

    /// Toggles the checkbox with this label.
    pub async fn tick_named(&self, label: &str) {
        self.act(&format!("a box {label:?}"), "return field(arguments[0])", json!([label]), "click", &json!({})).await;
    }

    /// The permissions whose checkboxes are enabled, and those that are checked.
    pub async fn permissions(&self) -> (Vec<String>, Vec<String>) {
        let list =
            |value: &Value| value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
        let script = "
            const seen = [...top.querySelectorAll('input[name=permissions]')].filter(isSeen);
            const values = (boxes) => boxes.map((box) => box.value);
            return [values(seen.filter((box) => !box.disabled)), values(seen.filter((box) => box.checked))];";
        let found = self.until("permissions", script, json!([])).await;
        (list(&found[0]), list(&found[1]))
    }

    /// Selects an option of a field, both given by the keys of their texts.
    pub async fn select(&self, key: &str, option: &str) {
        self.select_named(key, &self.text(option)).await;
    }

    /// Selects the option with this name in the field with the label for `key`.
    pub async fn select_named(&self, key: &str, option: &str) {
        let script = "
            const found = field(arguments[0]);
            return found && [...found.options].find((option) => plain(option.textContent) === arguments[1])";
        let label = self.text(key);
        self.act(&format!("{option:?} in {label:?}"), script, json!([label, option]), "click", &json!({})).await;
        // A user opens the list with another click.
        self.count(Effort { clicks: 1, ..Effort::default() });
    }

    /// Waits until the page shows this text.
    pub async fn sees(&self, text: &str) {
        self.until(&format!("{text:?}"), "return text().includes(arguments[0])", json!([text])).await;
    }

    /// Waits until the page shows the text for `key`.
    pub async fn reads(&self, key: &str) {
        self.sees(&self.text(key)).await;
    }

    /// Waits until the rules of the page's style sheet are there.
    pub async fn is_styled(&self) {
        let script = "return [...document.styleSheets].some((sheet) => sheet.cssRules.length > 100)";
        self.until("the style sheet", script, json!([])).await;
    }

    /// Waits until the page does not show this text.
    pub async fn does_not_see(&self, text: &str) {
        self.until(&format!("no {text:?}"), "return !text().includes(arguments[0])", json!([text])).await;
    }

    /// Waits until the page announces this text.
    pub async fn announces(&self, text: &str) {
        let script = "return [...document.querySelectorAll('[role=status], [role=alert]')]
            .some((element) => isSeen(element) && plain(element.textContent).includes(arguments[0]))";
        self.until(&format!("the announcement {text:?}"), script, json!([text])).await;
    }

    /// Whether there is a button with this name now.
    pub async fn offers(&self, name: &str) -> bool {
        self.script(&format!("{FINDERS} return Boolean(button(arguments[0]))"), json!([name])).await == true
    }

    /// Whether there is a field with this label now.
    pub async fn has_field(&self, name: &str) -> bool {
        self.script(&format!("{FINDERS} return Boolean(field(arguments[0]))"), json!([name])).await == true
    }

    /// Waits until no dialog is open.
    pub async fn is_back_on_the_page(&self) {
        self.until("no dialog", "return !document.querySelector('dialog[open]')", json!([])).await;
    }

    /// Waits until the field with the label for `key` shows this error.
    pub async fn is_marked(&self, key: &str, error: &str) {
        let script = "
            const found = field(arguments[0]);
            const described = found?.getAttribute('aria-describedby')?.split(' ') ?? [];
            return found?.getAttribute('aria-invalid') === 'true' &&
                described.some((id) => plain(document.getElementById(id)?.textContent).includes(arguments[1]))";
        self.until(&format!("{error} at {key}"), script, json!([self.text(key), self.text(error)])).await;
    }

    /// Waits until the page shows whether the new password is long enough.
    pub async fn has_met_the_length(&self, is_met: bool) {
        let key = if is_met { "password.rule.met" } else { "password.rule.open" };
        let script = "return plain(document.querySelector('#password-rule')?.textContent ?? '') === arguments[0]";
        let rule = format!("{}{}", self.text("password.rule.length"), self.text(key));
        self.until(&format!("{key} for the length"), script, json!([rule])).await;
    }

    /// The names in the table, from top to bottom.
    pub async fn names(&self) -> Vec<String> {
        let script = "return document.querySelector('table')?.ariaBusy !== 'true' &&
            [...document.querySelectorAll('tbody tr:not(.placeholder) .name')].map((name) => name.textContent)";
        let names = self.until("the table", script, json!([])).await;
        names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the table has exactly these names, in this order.
    pub async fn lists(&self, names: &[&str]) {
        let script = "return JSON.stringify([...document.querySelectorAll('tbody tr:not(.placeholder) .name')]
            .filter(isSeen).map((name) => name.textContent)) === JSON.stringify(arguments[0])";
        self.until(&format!("exactly {names:?}"), script, json!([names])).await;
    }

    /// The text of the row with this name.
    pub async fn row(&self, name: &str) -> String {
        self.row_with(name, "").await
    }

    /// Waits until the row with this name contains `text`, and returns the row's text.
    pub async fn row_with(&self, name: &str, text: &str) -> String {
        let text = self
            .until(
                &format!("a row {name:?} with {text:?}"),
                "const found = row(arguments[0]); const read = found && plain(found.innerText); \
                 return read && read.includes(arguments[1]) && read",
                json!([name, text]),
            )
            .await;
        text.as_str().unwrap().to_owned()
    }

    /// Opens the menu in the row with this name.
    pub async fn more(&self, name: &str) {
        self.click(&self.language.text_with("users.more_of", &[("name", name)])).await;
        self.until("a menu", "return document.querySelector(':popover-open')?.style.visibility === ''", json!([]))
            .await;
    }

    /// Opens the view of the account of the signed-in user with this name.
    pub async fn opens_account(&self, name: &str) {
        self.click(&self.language.text_with("account.menu", &[("name", name)])).await;
        self.press("nav.account").await;
        self.has_focus_on(&self.text("nav.account")).await;
    }

    /// Opens the dialog that edits the signed-in user with this name.
    pub async fn edit_own(&self, name: &str) {
        self.opens_account(name).await;
        self.press("users.edit").await;
        self.reads("section.person").await;
    }

    /// Opens the dialog that edits the user with this name.
    pub async fn edit(&self, name: &str) {
        self.click(&self.language.text_with("users.edit_of", &[("name", name)])).await;
        self.reads("section.person").await;
    }

    /// Types text into the focused field.
    pub async fn types(&self, text: &str) {
        self.send_keys(text).await;
        self.count(Effort { typed: text.chars().count(), ..Effort::default() });
    }

    /// Sends keys to the focused element, which are commands.
    pub async fn keys(&self, keys: &str) {
        self.send_keys(keys).await;
        let keys = keys.trim_start_matches(keys::SHIFT).chars().count();
        self.count(Effort { keys, ..Effort::default() });
    }

    async fn send_keys(&self, keys: &str) {
        let strokes =
            |kind: &str| keys.chars().map(|key| json!({ "type": kind, "value": key.to_string() })).collect::<Vec<_>>();
        let actions: Vec<Value> = if let Some(shifted) = keys.strip_prefix(keys::SHIFT) {
            let key = |kind: &str, key: &str| json!({ "type": kind, "value": key });
            vec![key("keyDown", keys::SHIFT), key("keyDown", shifted), key("keyUp", shifted), key("keyUp", keys::SHIFT)]
        } else {
            strokes("keyDown").into_iter().zip(strokes("keyUp")).flat_map(|(down, up)| [down, up]).collect()
        };
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// Presses Tab until the element with this name has the focus, which must always be visible.
    pub async fn tab_to(&self, name: &str) {
        let script = "
            const at = document.activeElement;
            const isClear = at === document.body || at.matches('h1, h2, main') || getComputedStyle(at).outlineStyle !== 'none';
            return isClear && { name: labelOf(at) }";
        for _ in 0..60 {
            let at = self.until("a focus that is seen", script, json!([])).await;
            if at["name"] == name {
                return;
            }
            self.keys(keys::TAB).await;
        }
        self.give_up(&format!("the focus on {name:?}"), "60 tabs").await;
    }

    /// Presses Tab until the element with the text for `key` has the focus.
    pub async fn tab_to_text(&self, key: &str) {
        self.tab_to(&self.text(key)).await;
    }

    /// Waits until the element with this name has the focus.
    pub async fn has_focus_on(&self, name: &str) {
        let script =
            "return document.activeElement !== document.body && labelOf(document.activeElement) === arguments[0]";
        self.until(&format!("the focus on {name:?}"), script, json!([name])).await;
    }

    /// Takes the browser offline, or back online.
    pub async fn offline(&self, offline: bool) {
        self.network(offline, 0).await;
    }

    /// Takes the browser offline or online, and delays every response by this many milliseconds.
    pub async fn network(&self, offline: bool, latency: u32) {
        self.devtools("Network.enable", json!({})).await;
        let conditions =
            json!({ "offline": offline, "latency": latency, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", conditions).await;
    }

    /// Sets the color scheme: dark or light.
    pub async fn scheme(&self, scheme: &str) {
        // Without motion, so that checks see final colors.
        let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = json!({ "features": features.map(|(name, value)| json!({ "name": name, "value": value })) });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Sets the size of the window.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Selects another language on the page.
    pub async fn choose_language(&mut self, language: Language) {
        let script = "
            const found = field(arguments[0]);
            return found && [...found.options].find((option) => option.value === arguments[1])";
        let arguments = json!([self.text("language"), language.code()]);
        self.act("another language", script, arguments, "click", &json!({})).await;
        self.language = language;
    }

    /// Opens a second tab at this path and switches to it. Returns the handles of both tabs.
    pub async fn two_tabs(&self, path: &str) -> [String; 2] {
        let handle = |value: &Value| value["handle"].as_str().unwrap().to_owned();
        let first = self.value_of("window").await;
        let second = handle(&self.command("window/new", &json!({ "type": "tab" })).await);
        self.to_tab(&second).await;
        self.goto(path).await;
        [first.as_str().unwrap().to_owned(), second]
    }

    /// Switches to a tab.
    pub async fn to_tab(&self, tab: &str) {
        self.command("window", &json!({ "handle": tab })).await;
    }

    /// Answers the next request for a path with this prefix with 503.
    pub async fn answers_503(&self, path: &str) {
        self.intercept(path, "return new Response('{}', { status: 503, headers: { 'retry-after': '2' } });").await;
    }

    /// Answers the next request for a path with this prefix with 200 and this body.
    pub async fn answers(&self, path: &str, body: &Value) {
        let content = json!(body.to_string());
        let answer =
            format!("return new Response({content}, {{ headers: {{ 'content-type': 'application/json' }} }});");
        self.intercept(path, &answer).await;
    }

    /// Loses the response to the next request for a path with this prefix; the request arrives.
    pub async fn loses_an_answer(&self, path: &str) {
        self.intercept(path, "await real(...request); throw new TypeError('lost');").await;
    }

    /// Never answers the next request for a path with this prefix.
    pub async fn holds_back(&self, path: &str) {
        self.intercept(path, "return new Promise(() => {});").await;
    }

    /// Delays the response to the next request for a path with this prefix until `lets_through`; the request arrives.
    pub async fn delays_an_answer(&self, path: &str) {
        let wait = "const answer = await real(...request); \
            await new Promise((resolve) => { window.letThrough = resolve; }); return answer;";
        self.intercept(path, wait).await;
    }

    /// Waits for the delayed response, and lets it through.
    pub async fn lets_through(&self) {
        self.until("an answer", "window.letThrough?.(); return Boolean(window.letThrough)", json!([])).await;
    }

    /// From now on, requests for paths with this part fail, or none if it is empty. Unlike other faults, this one also affects
    /// requests of a page that is opened later.
    pub async fn blocks(&self, part: &str) {
        self.devtools("Network.enable", json!({})).await;
        let urls = if part.is_empty() { json!([]) } else { json!([format!("*{part}*")]) };
        self.devtools("Network.setBlockedURLs", json!({ "urls": urls })).await;
    }

    /// From now on, exports come in pages of this many lines.
    pub async fn shortens_tables(&self, lines: u32) {
        let script = "const real = window.fetch; window.fetch = (path, request) =>
            real(request?.headers?.accept === 'text/csv' && !path.includes('limit=') ? `${path}&limit=${arguments[0]}` : path, request)"
            .replace("arguments[0]", &lines.to_string());
        self.script(&script, json!([])).await;
    }

    async fn intercept(&self, path: &str, instead: &str) {
        let script = format!(
            "const real = window.fetch; window.fetch = async (...request) => {{
                if (!request[0].startsWith(arguments[0])) return real(...request);
                window.fetch = real;
                {instead}
            }};"
        )
        .replace("arguments[0]", &json!(path).to_string());
        self.script(&script, json!([])).await;
    }

    /// Waits until the table is marked as loading.
    pub async fn is_busy(&self) {
        self.until("a busy table", "return document.querySelector('table')?.ariaBusy === 'true'", json!([])).await;
    }

    /// Waits until this name is first in the table.
    pub async fn until_first(&self, name: &str) {
        let script = "return document.querySelector('tbody .name')?.textContent === arguments[0]";
        self.until(&format!("{name} at the top"), script, json!([name])).await;
    }

    /// Waits until the page says that the session has ended or expired.
    pub async fn until_signed_out(&self) {
        let texts = json!([self.text("sign_in.ended"), self.text("sign_in.expired")]);
        self.until("the end of the session", "return [...arguments].some((over) => text().includes(over))", texts)
            .await;
    }

    /// Signs in on the sign-in page.
    pub async fn sign_in(&self, email: &str, password: &str) {
        self.type_in("user.email", email).await;
        self.type_in("user.password", password).await;
        self.press("sign_in.do").await;
    }

    /// Opens the portal of a user's partner, signs in, and waits for the portal.
    pub async fn signed_in(&self, user: &crate::User) {
        self.goto(&format!("/?partner={}", user.partner_id)).await;
        self.sign_in(&user.email, &user.password).await;
        self.until(
            "the portal",
            "return document.querySelector('table')?.ariaBusy !== 'true' && Boolean(document.querySelector('.portal'))",
            json!([]),
        )
        .await;
    }

    /// Checks that the page violates no rule of WCAG 2.2 AA that axe knows, and none of its best practices, and that nothing
    /// is wider than the window, down to 320 pixels. The dark page differs only in its colours, so only their contrast is
    /// checked there. The French page has the same elements and colours, so only its width is checked. Takes screenshots. The page
    /// has the same elements in Firefox, so only the width in the window as it is, is checked there.
    pub async fn is_accessible(&self, state: &str) {
        let is_main = MAIN_STATES.contains(&state);
        let state = format!("{state}-{}", self.language.code());
        if self.engine == Engine::Firefox {
            self.screenshot(&format!("{state}-firefox")).await;
            self.fits_the_window(&state).await;
            return;
        }
        let size = self.script("return [innerWidth, innerHeight]", json!([])).await;
        let mut windows = vec![("light", 1280, 860), ("light", 320, 700)];
        if self.language == Language::English {
            windows.push(("dark", 1280, 860));
            if is_main {
                windows.push(("light", 2560, 1440));
            }
        }
        for (scheme, width, height) in windows {
            self.scheme(scheme).await;
            self.resize(width, height).await;
            let window = match width {
                320 => "-phone",
                2560 => "-wide",
                _ => "",
            };
            let name = format!("{state}-{scheme}{window}");
            self.screenshot(&name).await;
            let rules: &[&str] = if scheme == "dark" { &["color-contrast"] } else { &WCAG };
            if self.language == Language::English {
                self.passes_axe(&name, rules).await;
            }
            self.fits_the_window(&name).await;
        }
        self.scheme("light").await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        // The next click needs the final positions.
        let is_back = "return innerWidth === arguments[0] && innerHeight === arguments[1]";
        self.until("the window as it was", is_back, size).await;
        let frames =
            "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))).then(() => 0)";
        self.devtools("Runtime.evaluate", json!({ "expression": frames, "awaitPromise": true })).await;
    }

    /// Checks that nothing is wider than the window.
    async fn fits_the_window(&self, name: &str) {
        let script = "const body = document.querySelector('dialog[open] .body') ?? document.body;
            return Math.max(document.documentElement.scrollWidth - innerWidth, body.scrollWidth - body.clientWidth)";
        let wide = self.script(script, json!([])).await;
        assert!(wide.as_i64().unwrap() <= 0, "{name} is {wide} pixels too wide");
    }

    /// Checks these rules or groups of rules.
    async fn passes_axe(&self, name: &str, rules: &[&str]) {
        static AXE: OnceLock<String> = OnceLock::new();
        let axe = AXE.get_or_init(|| {
            let path = workspace().join("target/ci-tools/node_modules/axe-core/axe.min.js");
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; see .ci/browser", path.display()))
        });
        // Through DevTools, since the page's policy allows only its own scripts.
        self.devtools("Runtime.evaluate", json!({ "expression": format!("if (!window.axe) {{ {axe}; }} 0") })).await;
        let run = format!("axe.run(document, {{ runOnly: {}, resultTypes: ['violations'] }}).then((result) => JSON.stringify({{
            passes: result.passes.length, incomplete: [...new Set(result.incomplete.flatMap((rule) => rule.nodes.map((node) => rule.id + ': ' + (node.any[0] ?? node.all[0] ?? node.none[0])?.message)))],
            violations: result.violations.map((rule) => [rule.id, rule.help, ...rule.nodes.map((node) => node.html + ' ' + node.failureSummary)]) }}))", json!(rules));
        let parameters = json!({ "expression": run, "awaitPromise": true, "returnByValue": true });
        let answer = self.devtools("Runtime.evaluate", parameters).await;
        let result = answer["result"]["value"].as_str().unwrap_or_else(|| panic!("axe on {name}: {answer}"));
        let result: Value = serde_json::from_str(result).unwrap();
        let line = format!(
            "{name}: {} rules passed, {} violations, incomplete: {}\n",
            result["passes"],
            result["violations"].as_array().unwrap().len(),
            result["incomplete"]
        );
        let log = folder().join("axe.txt");
        fs::OpenOptions::new().create(true).append(true).open(log).unwrap().write_all(line.as_bytes()).unwrap();
        assert_eq!(result["violations"], json!([]), "axe on {name}");
        let least = if rules.len() == 1 { 1 } else { 11 };
        assert!(result["passes"].as_u64().unwrap() >= least, "axe checked {name}: {result}");
    }

    /// Takes a screenshot, `target/<profile>/browser/<name>.png`.
    pub async fn screenshot(&self, name: &str) {
        self.capture(&folder(), name, true).await;
    }

    /// Takes a screenshot with a small file, in the folder that `PORTAL_PICTURES` names or else with the other screenshots.
    pub async fn picture(&self, name: &str) {
        let folder = stack::variable("PORTAL_PICTURES").map_or_else(folder, |path| workspace().join(path));
        self.capture(&folder, name, false).await;
    }

    async fn capture(&self, folder: &Path, name: &str, is_fast: bool) {
        let picture = if self.engine == Engine::Chromium {
            let parameters = json!({ "format": "png", "optimizeForSpeed": is_fast });
            self.devtools("Page.captureScreenshot", parameters).await["data"].take()
        } else {
            self.value_of("screenshot").await
        };
        let bytes = BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Checks that no script failed, the content security policy blocked nothing, and no injected script ran. Firefox has no command
    /// for its log.
    pub async fn is_sound(&self) {
        let log = match self.engine {
            Engine::Chromium => self.command("se/log", &json!({ "type": "browser" })).await,
            Engine::Firefox => json!([]),
        };
        for entry in log.as_array().unwrap() {
            let message = entry["message"].as_str().unwrap();
            // An error response, or a test took the browser offline.
            let is_expected = entry["source"] == "network";
            assert!(
                is_expected || entry["level"] == "DEBUG" || entry["level"] == "INFO",
                "the console shows: {message}"
            );
        }
        assert_eq!(self.script("return window.pwned ?? null", json!([])).await, Value::Null, "an injected script ran");
    }
}

impl Drop for Browser {
    /// Closes the browser also when a test fails, since browsers need much memory.
    fn drop(&mut self) {
        let request =
            format!("DELETE /session/{} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", self.session);
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.driver.port)) {
            let _ = driver.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = driver.write_all(request.as_bytes());
            // The response comes when the browser is closed. chromedriver does not close the connection after it.
            let _ = driver.read_exact(&mut [0; "HTTP/1.1 200".len()]);
        }
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Starts a proxy to the portal with its own source address, because attempts are counted by address. The page and the API
/// share an origin there too.
async fn proxy_to_the_portal(ready: &Ready, number: u32) -> String {
    let [.., high, low] = number.to_be_bytes();
    // 127.200.0.0 and above; other clients of this test binary use lower addresses.
    let source = SocketAddr::from((Ipv4Addr::new(127, 200, high, low), 0));
    let port = ready.url.rsplit(':').next().unwrap().parse().unwrap();
    let portal = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut browser, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(source).unwrap();
                let mut portal = socket.connect(portal).await.unwrap();
                // Either side may close at any time.
                let _ = tokio::io::copy_bidirectional(&mut browser, &mut portal).await;
            });
        }
    });
    url
}

/// A name that is markup, to test that the page shows it as text.
pub fn markup() -> String {
    format!("<img src=x onerror=window.pwned=1>{}", secrets::random(4))
}
