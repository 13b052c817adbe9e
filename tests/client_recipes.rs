//! The recipes of `docs/clients.md`, run as they stand there: with the quickstart's addresses, and with what
//! their reader has around them.

mod support;

use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{
    browser::{self, Browser},
    npm::{Printing, script},
    quickstart::{Greeting, Quickstart},
};

/// What a reader has around a recipe: a token, and in a browser a `WebSocket`, which Node lacks before
/// version 22.
const SURROUNDINGS: &str = "import { WebSocket } from 'ws'; globalThis.WebSocket ??= WebSocket; \
                            globalThis.token = async () => 'secret';";

#[test]
fn every_recipe_for_a_library_shows_events() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    let folder = Folder::make();
    for (title, blocks) in [
        ("graphql-ws", &[0][..]),
        ("subscriptions-transport-ws", &[0]),
        ("Apollo Client", &[0, 2]),
        ("Apollo Client", &[1, 2]),
        ("urql", &[0, 2]),
        ("urql", &[1, 2]),
        ("graphql-sse", &[0]),
    ] {
        let all = recipes(title, "js", &greeting);
        let text: String = blocks.iter().map(|it| all[*it].as_str()).collect();
        let surroundings = folder.with("surroundings.mjs", SURROUNDINGS);
        let mut node = Command::new("node");
        node.arg("--import").args([surroundings, folder.with("recipe.mjs", &text)]);
        shows_an_event(&greeting, Printing::start(&mut node), title);
        greeting.wait_until_idle();
    }
}

#[test]
fn the_recipe_for_curl_shows_events() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    let [command] = &recipes("curl", "sh", &greeting)[..] else { panic!("one command") };
    // The shell becomes curl, so that ending the one ends the other. Its table of progress says nothing here.
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command}")]).stderr(Stdio::null());
    let curl = Printing::start(&mut shell);
    shows_an_event(&greeting, curl, "curl");
    greeting.wait_until_idle();
}

#[test]
fn the_recipe_for_event_source_shows_events() {
    let Some(program) = browser::find_or_excuse() else { return };
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    let mut browser = Browser::start(&program);
    browser.open(&greeting.page);
    let subscribe = &recipes("EventSource", "js", &greeting)[0];
    browser.evaluate("globalThis.shown = []; console.log = (it) => shown.push(it); null");
    browser.evaluate(&format!("{{ {subscribe} }} null"));
    greeting.wait_until_live(1);
    greeting.publish(1, 1);
    browser.wait_until("shown.length > 0");
    assert_eq!(browser.evaluate("shown[0].data"), json!({ "employeeUpdated": { "id": 1 } }));
    browser.close();
}

/// What a recipe prints when something happens to the first employee.
fn shows_an_event(greeting: &Greeting, mut recipe: Printing, title: &str) {
    greeting.wait_until_live(1);
    greeting.publish(1, 1);
    let shows = |line: &str| line.contains("id: 1") || line.contains(r#""id":1"#);
    let shown = (0..8).map(|_| recipe.text()).find(|it| shows(it));
    assert!(shown.is_some_and(|it| it.contains("employeeUpdated")), "{title}");
}

/// The blocks of this language in a section of the manual, with the quickstart's address.
fn recipes(title: &str, language: &str, greeting: &Greeting) -> Vec<String> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let (_, section) = manual.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("{title}"));
    let section = section.split("\n## ").next().expect("a section");
    let start = format!("```{language}\n");
    let blocks = section.split(&start).skip(1).map(|it| it.split("```").next().expect("an end"));
    let address = greeting.address();
    let here = |it: &str| {
        it.replace("https://router.example", &format!("http://{address}"))
            .replace("wss://router.example", &format!("ws://{address}"))
    };
    blocks.map(here).collect()
}

/// A folder in which Node finds the libraries.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recipes-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(script("node_modules"), folder.join("node_modules")).expect("a link");
        Self(folder)
    }

    fn with(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).expect("the file is written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
