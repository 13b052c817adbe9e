//! A headless Chromium, driven over its DevTools protocol: pages are opened, asked and photographed.

use super::{
    wait::{wait_for, wait_until},
    ws::{Client, Said},
};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The names that `scripts/browser.sh` looks for.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long a browser may take for one thing, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser's program, if there is one.
pub fn find() -> Option<PathBuf> {
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let all = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|it| it.is_file())
}

/// The browser; without one a test has nothing to say, except in CI, where that is a failure.
pub fn find_or_excuse() -> Option<PathBuf> {
    let found = find();
    if found.is_none() {
        let missing = "there is no browser, so this is not tested; as root: apt-get install chromium";
        assert!(env::var_os("CI").is_none_or(|it| it.is_empty()), "{missing}");
        // Not `eprintln!`: what that says in tests that pass, nobody sees.
        drop(writeln!(io::stderr(), "{missing}"));
    }
    found
}

/// A browser with one page. Dropping it ends its processes and removes its folder.
pub struct Browser {
    child: Child,
    folder: PathBuf,
    socket: Client,
    /// The page's, empty before there is one.
    session: String,
    calls: u64,
    complaints: Vec<String>,
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the browser");
        let mut child = spawn(program, &folder);
        let Some(address) = wait_for(PATIENCE, || devtools_address(&folder)) else {
            end(&mut child, &folder);
            panic!("{} says nowhere that it listens", program.display());
        };
        let socket = Client::upgrade(&address, &[], &[]);
        let mut browser =
            Self { child, folder, socket, session: String::new(), calls: 0, complaints: Vec::new() };
        browser.attach();
        browser
    }

    /// Takes certificates as they come, for servers of the tests'.
    pub fn trust_everyone(&mut self) {
        self.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    }

    /// Opens an address and waits until the document is there.
    pub fn open(&mut self, url: &str) {
        // An answer with `errorText` is a page about a connection that failed.
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.wait_until("document.readyState === 'complete'");
    }

    /// The value of an expression in the page, as JSON; promises are awaited.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    #[track_caller]
    pub fn wait_until(&mut self, condition: &str) {
        wait_until(condition, PATIENCE, || self.evaluate(&format!("Boolean({condition})")) == json!(true));
    }

    /// Clicks the one element that a selector names.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        self.evaluate(&format!("document.querySelector({}).click()", json!(selector)));
    }

    /// The size of what is seen, in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Makes the page believe that its reader prefers `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What is seen, as PNG, written to a file.
    pub fn photograph(&mut self, file: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let picture = BASE64_STANDARD.decode(answer["data"].as_str().expect("a picture")).expect("base64");
        assert!(picture.starts_with(b"\x89PNG"), "a PNG");
        fs::write(file, picture).expect("the picture is written");
    }

    /// Exceptions that nobody caught, and what the browser itself objected to: requests that failed, rules
    /// of the page's content policy that were broken.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Ends the browser and waits until all its processes are gone.
    pub fn close(mut self) {
        // The browser may be gone before it answers.
        self.send("Browser.close", json!({}));
        let ended = wait_for(PATIENCE, || self.child.try_wait().expect("our child"));
        assert!(ended.is_some(), "the browser ends when asked");
        wait_until("no process of the browser is left", PATIENCE, || processes(&self.folder).is_empty());
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", target);
        self.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Sends a command and waits for its answer; what happens meanwhile is noted.
    #[track_caller]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, parameters);
        loop {
            match self.socket.hear(PATIENCE) {
                Some(Said::Message(mut message)) if message["id"] == id => {
                    assert!(message.get("error").is_none(), "{method}: {message}");
                    return message["result"].take();
                }
                Some(Said::Message(event)) => self.note(&event),
                Some(Said::Ping(_) | Said::Pong(_)) => {}
                Some(Said::Closed { .. } | Said::Gone) => panic!("the browser ended during {method}"),
                None => panic!("no answer to {method}"),
            }
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.calls += 1;
        let mut command = json!({ "id": self.calls, "method": method, "params": parameters });
        if !self.session.is_empty() && method != "Browser.close" {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(&command);
        self.calls
    }

    fn note(&mut self, event: &Value) {
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            Some("Log.entryAdded") if event["params"]["entry"]["level"] == "error" => {
                &event["params"]["entry"]
            }
            _ => return,
        };
        self.complaints.push(complaint.to_string());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.child, &self.folder);
    }
}

/// Starts the browser as the head of a process group of its own.
fn spawn(program: &Path, folder: &Path) -> Child {
    let flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                 --disable-breakpad --disable-sync --disable-component-update \
                 --disable-background-networking --remote-debugging-port=0";
    Command::new(program)
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", folder.display()))
        .arg("about:blank")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the browser starts")
}

/// Kills whatever is left of the browser's process group.
fn end(child: &mut Child, folder: &Path) {
    if !matches!(child.try_wait(), Ok(Some(_))) || !processes(folder).is_empty() {
        let group = format!("-{}", child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        drop(child.wait());
    }
    drop(fs::remove_dir_all(folder));
}

/// Processes that were started with this folder.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.as_os_str().as_encoded_bytes();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter(|it| it.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter(|it| {
            let line = fs::read(it.path().join("cmdline")).unwrap_or_default();
            line.windows(folder.len()).any(|it| it == folder)
        })
        .map(|it| it.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The browser writes its port and path into a file, in two lines.
fn devtools_address(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("DevToolsActivePort")).ok()?;
    let (port, path) = text.split_once('\n')?;
    path.starts_with('/').then(|| format!("ws://127.0.0.1:{port}{}", path.trim_end()))
}
