//! `cargo run --release --example subgraphs`: the two subgraphs behind the routers of `examples/nats`,
//! `examples/kafka` and `examples/redis`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the example talks to people")]

#[path = "../tests/support/subgraph/mod.rs"]
mod subgraph;

use std::{error::Error, fs, net::SocketAddr, path::Path, process::ExitCode, thread};
use subgraph::{Graph, Subgraph, demo};

fn main() -> ExitCode {
    let employees = serve("employees", demo::employees, ("EMPLOYEES_PORT", "4001"));
    let products = serve("products", demo::products, ("PRODUCTS_PORT", "4002"));
    match (employees, products) {
        (Ok(employees), Ok(products)) => {
            println!("employees  {}\nproducts   {}\n\nCtrl-C stops them.", employees.url(), products.url());
            loop {
                thread::park();
            }
        }
        (Err(why), _) | (_, Err(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Serves a subgraph on the port that a variable names.
fn serve(
    name: &str,
    graph: fn(&str) -> Graph,
    (variable, default): (&str, &str),
) -> Result<Subgraph, Box<dyn Error>> {
    let sdl = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/demo/{name}.graphql"));
    let sdl = fs::read_to_string(sdl)?;
    let port = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let port: u16 = port.parse().map_err(|_| format!("{variable} is no port: {port:?}"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let bound = Subgraph::bind(graph(&sdl), address);
    bound.map_err(|why| {
        format!("cannot listen on {address}: {why}\n  help: {variable} chooses another").into()
    })
}
