//! `make run`: two subgraphs, the router, and an event every second.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the example talks to people")]

#[path = "../../tests/support/subgraph/mod.rs"]
mod subgraph;

use juga::{
    config::{Config, Environment, Overrides},
    server::{Addresses, Server, StartError, check},
    telemetry::logging::{self, Output},
};
use std::{
    error::Error,
    fs,
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};
use subgraph::{Graph, Subgraph, demo};
use tracing::level_filters::LevelFilter;

/// The allocator of the `juga` binary: heap profiles need it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EVENT_INTERVAL: Duration = Duration::from_secs(1);
/// Employees that the events go round.
const EMPLOYEES: std::ops::RangeInclusive<u32> = 1..=3;

/// The variables that `juga.yaml` takes the subgraphs' ports from, and its defaults.
const EMPLOYEES_PORT: (&str, &str) = ("EMPLOYEES_PORT", "4001");
const PRODUCTS_PORT: (&str, &str) = ("PRODUCTS_PORT", "4002");

fn main() -> ExitCode {
    // Greetings go to stdout, problems to stderr.
    logging::start(logging::Options { level: LevelFilter::WARN, json: false, output: Output::Stderr });
    let outcome = run();
    logging::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut environment = Environment::of_process();
    let _employees = serve(home, "employees", demo::employees, EMPLOYEES_PORT, &mut environment)?;
    let _products = serve(home, "products", demo::products, PRODUCTS_PORT, &mut environment)?;
    let router = start_router(&home.join("examples/quickstart/juga.yaml"), &environment)?;
    let signals = router.watch_signals()?;
    let addresses = router.addresses();
    greet(addresses);
    let (stop, stopped) = mpsc::channel();
    let publisher = thread::spawn(move || publish(addresses.admin, &stopped));
    router.wait_for_signal(signals);
    end(stop, publisher);
    router.stop();
    Ok(())
}

/// The seam between this example and the router as a library.
fn start_router(file: &Path, environment: &Environment) -> Result<Server, Box<dyn Error>> {
    let config = Config::load_file(file, environment, &Overrides::default())?;
    let checked = check(&config.options()?)
        .map_err(|errors| errors.iter().map(StartError::to_string).collect::<Vec<_>>().join("\n"))?;
    Server::start(checked).map_err(|error| match error {
        StartError::Listen { .. } => {
            format!("{error}\n  help: LISTEN_ADDR and ADMIN_LISTEN_ADDR choose other addresses").into()
        }
        error => error.into(),
    })
}

/// Serves a subgraph on the port that a variable names, and sets the variable to the port that it is:
/// with `0` the system picks a free one, which the router's configuration must know.
fn serve(
    home: &Path,
    name: &str,
    graph: fn(&str) -> Graph,
    (variable, default): (&str, &str),
    environment: &mut Environment,
) -> Result<Subgraph, Box<dyn Error>> {
    let sdl = fs::read_to_string(home.join(format!("tests/fixtures/demo/{name}.graphql")))?;
    let port = environment.variable(variable).unwrap_or(default);
    let port: u16 = port.parse().map_err(|_| format!("{variable} is no port: {port:?}"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let subgraph = Subgraph::bind(graph(&sdl), address).map_err(|why| {
        format!("cannot listen on {address}: {why}\n  help: {variable} chooses another port")
    })?;
    environment.variables.insert(variable.to_owned(), subgraph.address().port().to_string());
    Ok(subgraph)
}

fn greet(Addresses { public, admin }: Addresses) {
    println!(
        "Juga is running. Every second something happens to one of the employees {} to {}.

  Page         http://{public}/
  Subscribe    subscription {{ employeeUpdated(id: 1) {{ id details {{ forename surname }} products {{ name }} }} }}
  Publish      curl 'http://{admin}/admin/publish/employeeUpdated.1?provider=default' \\
                 -H 'Content-Type: application/json' -d '{{\"__typename\": \"Employee\", \"id\": 1}}'
  Metrics      http://{admin}/metrics

Ctrl-C stops everything.",
        EMPLOYEES.start(),
        EMPLOYEES.end(),
    );
}

/// Publishes one event after the other until told to stop.
fn publish(admin: SocketAddr, stopped: &Receiver<()>) {
    for employee in EMPLOYEES.cycle() {
        match stopped.recv_timeout(EVENT_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let url = format!("http://{admin}/admin/publish/employeeUpdated.{employee}?provider=default");
        let event = serde_json::json!({ "__typename": "Employee", "id": employee });
        if let Err(why) = ureq::post(&url).send_json(&event) {
            eprintln!("the event could not be published: {why}");
        }
    }
}

fn end(stop: Sender<()>, publisher: thread::JoinHandle<()>) {
    drop(stop);
    if publisher.join().is_err() {
        eprintln!("the publisher failed");
    }
}
