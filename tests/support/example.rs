//! An example with a broker, as its reader meets it: the router with the example's own files, and what its
//! README says, step by step.

use super::{Demo, live::wait_until_live, npm::Printing, router::Router};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Where the README's commands find the router.
const ROUTER: &str = "http://127.0.0.1:3002";

/// Stands in for Docker: writes down what it was called with and what it was given to read.
const DOCKER: &str = r#"docker() {
    number=$(($(ls "$CALLS" | wc -l) / 2 + 1))
    printf '%s\n' "$@" > "$CALLS/$number.arguments"
    cat > "$CALLS/$number.stdin"
}
"#;

/// A folder of `examples`, with its router and the subgraphs running.
pub struct Example {
    folder: PathBuf,
    router: Router,
    _demo: Demo,
}

/// A command in a container: the service, the command's words, and its standard input.
pub struct InContainer {
    pub service: String,
    pub words: Vec<String>,
    pub stdin: String,
}

/// A block of code: its language and what it says.
struct Block {
    language: String,
    text: String,
}

impl Example {
    /// Starts the router with the example's file. The variable says where the broker is.
    pub fn start(name: &str, broker: (&str, &str)) -> Self {
        let (folder, demo) = (folder(name), Demo::start());
        let variables = [
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("ADMIN_LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("JSON_LOG", "true".to_owned()),
            ("EMPLOYEES_PORT", demo.employees.address().port().to_string()),
            ("PRODUCTS_PORT", demo.products.address().port().to_string()),
            (broker.0, broker.1.to_owned()),
        ];
        let variables: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wrapper: Vec<&str> = ["env"].into_iter().chain(variables.iter().map(String::as_str)).collect();
        let router = Router::start_under(&wrapper, &folder.join("juga.yaml"));
        Self { folder, router, _demo: demo }
    }

    /// Does what the README says and sees what it shows. `in_container` does what is done by Docker there.
    pub fn follow(&self, mut in_container: impl FnMut(InContainer)) {
        let mut listeners: Vec<(Printing, String)> = Vec::new();
        let mut blocks = self.blocks().into_iter().peekable();
        while let Some(Block { language, text }) = blocks.next() {
            assert_eq!(language, "sh", "a block that shows something belongs to a command: {text}");
            if text.starts_with("curl -sN ") {
                let shown = blocks.next_if(|it| it.language == "text").expect("what a subscription shows");
                listeners.push((self.listen(&text), shown.text));
                wait_until_live(&self.router, listeners.len() as u64);
            } else if text.starts_with("curl ") {
                let shown = blocks.next_if(|it| it.language == "json").expect("what a query answers");
                let expected: Value = serde_json::from_str(&shown.text).expect("JSON");
                let answer = self.shell(&text).output().expect("a shell");
                let answer: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
                assert_eq!(answer, expected, "{text}");
            } else if text.contains("docker compose exec ") {
                self.calls_of_docker(&text).into_iter().for_each(&mut in_container);
            } else {
                self.check_start(&text);
            }
        }
        assert!(!listeners.is_empty(), "nobody subscribes");
        for (mut listener, shown) in listeners {
            for expected in shown.lines() {
                let mut line = listener.text();
                // What keeps a stream alive belongs to no event.
                while line.is_empty() || line.starts_with(':') || line.starts_with("retry:") {
                    line = listener.text();
                }
                assert_eq!(line, expected);
            }
        }
    }

    fn blocks(&self) -> Vec<Block> {
        let readme = fs::read_to_string(self.folder.join("README.md")).expect("the README");
        let fenced = readme.split("\n```").skip(1).step_by(2);
        let block = |it: &str| {
            let (language, text) = it.split_once('\n').expect("a block");
            Block { language: language.to_owned(), text: text.to_owned() }
        };
        fenced.map(block).collect()
    }

    /// The test starts broker, subgraphs and router itself: from the files and programs that are named.
    fn check_start(&self, text: &str) {
        let name = self.folder.file_name().and_then(|it| it.to_str()).expect("a name");
        let known = [
            format!("docker compose -f examples/{name}/docker-compose.yml up"),
            "cargo run --release --example subgraphs".to_owned(),
            format!("cargo run --release -- serve -c examples/{name}/juga.yaml"),
        ];
        assert!(known.iter().any(|it| it == text), "{text}");
    }

    fn listen(&self, text: &str) -> Printing {
        // The shell becomes curl, so that ending the one ends the other.
        Printing::start(&mut self.shell(&format!("exec {text}")))
    }

    fn shell(&self, text: &str) -> Command {
        let here = self.router.graphql_url().trim_end_matches("/graphql");
        assert!(text.contains(ROUTER), "{text}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &text.replace(ROUTER, here)]);
        shell
    }

    /// Runs a block in which Docker is called, and tells how.
    fn calls_of_docker(&self, text: &str) -> Vec<InContainer> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let calls =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docker-{}-{number}", std::process::id()));
        fs::create_dir_all(&calls).expect("a folder");
        let script = format!("{DOCKER}{text}");
        let mut shell = Command::new("sh");
        let run = shell.args(["-ec", &script]).env("CALLS", &calls).stdin(Stdio::null()).status();
        assert!(run.is_ok_and(|it| it.success()), "{text}");
        let read = |file: String| fs::read_to_string(calls.join(file)).ok();
        let call = |number: u32| {
            let arguments = read(format!("{number}.arguments"))?;
            let words: Vec<String> = arguments.lines().map(str::to_owned).collect();
            let ["compose", "exec", "-T", service, ..] =
                *words.iter().map(String::as_str).collect::<Vec<_>>()
            else {
                panic!("{arguments}")
            };
            let service = service.to_owned();
            Some(InContainer { service, words: words[4..].to_vec(), stdin: read(format!("{number}.stdin"))? })
        };
        let made = (1..).map_while(call).collect();
        drop(fs::remove_dir_all(&calls));
        made
    }
}

/// A folder of `examples`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}
