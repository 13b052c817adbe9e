//! The quickstart as its reader meets it: the program that Cargo built, what it prints, and the page in a
//! browser.

mod support;

use serde_json::{Value, json};
use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use support::{
    browser::{self, Browser},
    http::http,
    quickstart::{Greeting, Quickstart, START_TIMEOUT},
    wait::{wait_for, wait_until},
    ws::{Client, PATIENCE},
};

/// A person who presses Ctrl-C does not wait longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn what_it_prints_works_as_it_stands() {
    let mut quickstart = Quickstart::start();
    let greeting = quickstart.greeting();
    let page = http("GET", &greeting.page, &[("Accept", "text/html")], "");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let metrics = http("GET", &greeting.metrics, &[], "");
    assert!(metrics.body.contains("router_engine_triggers"), "{metrics:?}");

    let mut client = Client::connect(&greeting.websocket());
    client.subscribe("one", &greeting.subscription);
    assert_eq!(client.next("one"), json!({ "data": { "employeeUpdated": employee_one() } }));
    assert_the_curl_publishes(&mut client, &greeting);
}

/// Events of the example's own go round the employees, so that two of them get equally many, give or take
/// one. What the curl publishes comes on top for one of them.
fn assert_the_curl_publishes(client: &mut Client, greeting: &Greeting) {
    client.subscribe("two", &greeting.subscription.replace("id: 1", "id: 2"));
    client.next("two");
    for _ in 0..3 {
        let answer = Command::new("sh").args(["-c", &greeting.curl]).output().expect("a shell");
        let said = String::from_utf8_lossy(&answer.stdout);
        assert!(answer.status.success() && said.contains("position"), "{answer:?}");
    }
    let mut lead = 0;
    let ahead = wait_for(PATIENCE, || {
        let message = client.message();
        lead += if message["id"] == "one" { 1 } else { -1 };
        (lead >= 2).then_some(())
    });
    assert!(ahead.is_some(), "the published events arrive");
}

#[test]
fn ctrl_c_stops_everything_in_time() {
    let mut quickstart = Quickstart::start();
    let greeting = quickstart.greeting();
    let mut client = Client::connect(&greeting.websocket());
    client.subscribe("one", &greeting.subscription);
    client.next("one");
    // An HTTP connection that its client keeps open must not hold up the end.
    let idle = TcpStream::connect(greeting.address()).expect("the router listens");

    quickstart.interrupt();
    assert_eq!(client.closed().0, 1012, "told to come back later");
    drop(client);
    let status = quickstart.ended(STOP_TIMEOUT);
    assert!(status.success(), "{status}");
    assert!(TcpStream::connect(greeting.address()).is_err(), "nobody listens any more");
    drop(idle);
}

#[test]
fn a_port_that_is_taken_is_named_with_the_way_around_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let port = taken.local_addr().expect("an address").port().to_string();
    for (variable, value) in [
        ("EMPLOYEES_PORT", &port),
        ("PRODUCTS_PORT", &port),
        ("LISTEN_ADDR", &address),
        ("ADMIN_LISTEN_ADDR", &address),
    ] {
        let mut quickstart = Quickstart::start_with(&[(variable, value)]);
        let status = quickstart.ended(START_TIMEOUT);
        let complaint = quickstart.complaint();
        assert_eq!(status.code(), Some(1), "{complaint}");
        assert!(complaint.contains(&address) && complaint.contains(variable), "{complaint}");
    }
}

#[test]
fn the_page_shows_events_live() {
    let Some(program) = browser::find_or_excuse() else { return };
    let mut quickstart = Quickstart::start();
    let greeting = quickstart.greeting();
    let mut browser = Browser::start(&program);
    browser.resize(1280, 800);
    browser.prefer("light");

    browser.open(&greeting.link(&greeting.subscription));
    browser
        .wait_until(&format!("{STATUS} === 'live' && document.querySelectorAll('#results li').length >= 2"));
    browser.wait_until("document.querySelector('#schema').dataset.state === 'ready'");
    browser.photograph(&picture("quickstart"));
    assert_results(&mut browser);
    assert_schema(&mut browser);
    assert_format(&mut browser, &greeting);

    browser.prefer("dark");
    browser.resize(400, 800);
    browser.photograph(&picture("quickstart-dark-narrow"));
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), 400, "nothing sticks out");

    browser.click("#stop");
    browser.wait_until(&format!("{STATUS} === 'done'"));
    wait_until("the router forgets the page's subscription", PATIENCE, || {
        http("GET", &greeting.state(), &[], "").json()["counts"]["members"] == 0
    });
    assert_error(&mut browser, &greeting);

    browser.open(&greeting.link(&greeting.subscription));
    browser.wait_until(&format!("{STATUS} === 'live'"));
    quickstart.interrupt();
    assert!(quickstart.ended(STOP_TIMEOUT).success());
    browser.wait_until(&format!("{STATUS} === 'error'"));
    let said = browser.evaluate("document.querySelector('#status').textContent");
    assert!(said.as_str().is_some_and(|it| it.contains("1012")), "{said}");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.close();
}

const STATUS: &str = "document.querySelector('#status').dataset.state";
const RESULTS: &str = "[...document.querySelectorAll('#results li pre')].map(it => it.textContent)";

/// Each result has what the subgraphs know, and the counter tells how many there were.
fn assert_results(browser: &mut Browser) {
    let shown = browser.evaluate(RESULTS);
    let shown = shown.as_array().expect("a list");
    assert!(shown.len() >= 2, "{shown:?}");
    for it in shown {
        let result: Value = serde_json::from_str(it.as_str().expect("a text")).expect("JSON");
        assert_eq!(result, json!({ "data": { "employeeUpdated": employee_one() } }));
    }
    let count = browser.evaluate("Number(document.querySelector('#count').dataset.count)");
    assert!(count.as_u64() >= u64::try_from(shown.len()).ok(), "{count} for {shown:?}");
}

/// An operation in one line is laid out, and means the same afterwards.
fn assert_format(browser: &mut Browser, greeting: &Greeting) {
    browser.click("#format");
    let made = browser.evaluate("document.querySelector('#query').value");
    let made = made.as_str().expect("a text");
    assert_eq!(made.lines().nth(1), Some("  employeeUpdated(id: 1) {"));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(made), words(&greeting.subscription));
}

/// The schema browser has what introspection told, and finds fields by their names.
fn assert_schema(browser: &mut Browser) {
    let fields = "[...document.querySelectorAll('[data-field]')].map(it => it.dataset.field)";
    let all = browser.evaluate(fields);
    for wanted in ["Subscription.employeeUpdated", "Query.employees", "Employee.products", "Mood.HAPPY"] {
        assert!(all.as_array().expect("a list").contains(&json!(wanted)), "{wanted} in {all}");
    }
    let look_for = |text: &str| {
        format!(
            "const it = document.querySelector('#filter'); it.value = '{text}'; it.dispatchEvent(new Event('input')); "
        )
    };
    browser.evaluate(&format!("{{ {} }}", look_for("surname")));
    assert_eq!(browser.evaluate(fields), json!(["Details.surname"]));
    browser.evaluate(&format!("{{ {} }}", look_for("")));
}

/// An operation that the router refuses says why.
fn assert_error(browser: &mut Browser, greeting: &Greeting) {
    browser.open(&greeting.link(&greeting.subscription.replace("details", "salary")));
    browser.wait_until(&format!(
        "{STATUS} === 'error' && document.querySelector('#results li[data-kind=error]')"
    ));
    let shown = browser.evaluate(RESULTS)[0].as_str().expect("a text").to_owned();
    assert!(shown.contains("salary"), "{shown}");
    browser.resize(1280, 800);
    browser.photograph(&picture("quickstart-error"));
}

/// Employee 1, as the printed subscription asks for it: the name from one subgraph, the products from the
/// other.
fn employee_one() -> Value {
    json!({
        "id": 1,
        "details": { "forename": "Anu", "surname": "Tamm" },
        "products": [{ "name": "Kettle" }],
    })
}

/// Where pictures of the page go.
fn picture(name: &str) -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("the target folder").join(format!("{name}.png"))
}
