//! `cargo run --release --example quickstart`: two subgraphs, the router, and an event every second.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the example talks to people")]

#[path = "../../tests/support/subgraph/mod.rs"]
mod subgraph;

use juga::{
    config::{Config, Environment, Overrides},
    server::Server,
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

/// The allocator of the `juga` binary: heap profiles need it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EVENT_INTERVAL: Duration = Duration::from_secs(1);
/// Employees that the events go round.
const EMPLOYEES: std::ops::RangeInclusive<u32> = 1..=3;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let _employees = serve(home, "employees", demo::employees, 4001)?;
    let _products = serve(home, "products", demo::products, 4002)?;
    let router = start_router(&home.join("examples/quickstart/juga.yaml"))?;
    let addresses = router.addresses();
    greet(addresses.public, addresses.admin);
    let admin = addresses.admin;
    let (stop, stopped) = mpsc::channel();
    let publisher = thread::spawn(move || publish(admin, &stopped));
    router.wait_for_signal();
    end(stop, publisher);
    router.stop();
    Ok(())
}

/// The seam between this example and the router as a library.
fn start_router(file: &Path) -> Result<Server, Box<dyn Error>> {
    let config = Config::load_file(file, &Environment::of_process(), &Overrides::default())?;
    Ok(Server::start(config.options()?)?)
}

fn serve(home: &Path, name: &str, graph: fn(&str) -> Graph, port: u16) -> Result<Subgraph, Box<dyn Error>> {
    let sdl = fs::read_to_string(home.join(format!("tests/fixtures/demo/{name}.graphql")))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Ok(Subgraph::bind(graph(&sdl), address).map_err(|why| format!("cannot listen on {address}: {why}"))?)
}

fn greet(public: SocketAddr, admin: SocketAddr) {
    println!(
        "Juga is running. An event comes every second for employees {} to {}.

  Page         http://{public}/
  Subscribe    subscription {{ employeeUpdated(id: 1) {{ id details {{ forename surname }} notes }} }}
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
