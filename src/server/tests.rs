use super::*;
use crate::federation::SubgraphSource;
use std::net::TcpListener;

fn options() -> Options {
    let subgraph = SubgraphSource {
        name: "a".into(),
        routing_url: "http://127.0.0.1:9".into(),
        sdl: "type Query { a: Int }".into(),
        file: None,
        subscription: None,
    };
    Options {
        graphs: Graphs { subgraphs: vec![subgraph], ..Graphs::default() },
        http: http::Options { listen_addr: "127.0.0.1:0".into(), ..http::Options::default() },
        admin: admin::Options { listen_addr: "127.0.0.1:0".into() },
        grace_period: Duration::from_secs(10),
        ..Options::default()
    }
}

fn checked(options: &Options) -> Checked {
    check(options).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn a_server_may_be_dropped_on_a_runtime_of_somebody_else() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { drop(Server::start(checked(&options())).expect("started")) });
}

#[test]
fn a_start_that_fails_leaves_nothing_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let public = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let mut options = options();
    options.http.listen_addr = public.to_string();
    options.admin.listen_addr = taken.local_addr().expect("bound").to_string();
    let error = Server::start(checked(&options)).err().expect("the admin port is taken");
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    TcpListener::bind(public).expect("the public port is free again");
}
