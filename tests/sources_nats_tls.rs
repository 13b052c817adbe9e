//! The NATS provider against a server that wants TLS.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/io.rs"]
mod io;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/sources.rs"]
mod sources;

use certificates::Certificates;
use juga::sources::{NatsOptions, NatsTls, Options};
use nats::{NatsServer, until};
use sources::{Rig, event, feed};
use std::path::Path;

fn serve(certificates: &Certificates, more: &[&str]) -> NatsServer {
    let (cert, key) = (certificates.text("server.pem"), certificates.text("server.key"));
    NatsServer::start_with(&[&["--tls", "--tlscert", &cert, "--tlskey", &key], more].concat())
}

fn start(url: String, tls: Option<NatsTls>) -> Result<Rig, String> {
    let nats = vec![NatsOptions { tls, ..NatsOptions::new("default", url) }];
    Rig::try_start(Options { nats, ..Options::default() }, 100).map_err(|error| error.to_string())
}

fn works(rig: &Rig) {
    rig.listen(1, &feed("default", &["a"]));
    let message = sources::nats_message("default", "a", "{}");
    rig.wait(juga::resolve::Brokers::publish(rig.sources(), message)).expect("published");
    assert_eq!(rig.next(1), event(1, "{}"));
}

fn fails(outcome: Result<Rig, String>) -> String {
    let error = outcome.err().expect("should not connect");
    assert!(error.starts_with("nats provider with ID default is not "), "{error}");
    error
}

#[test]
fn a_server_is_trusted_through_its_authority_alone() {
    let certificates = Certificates::make();
    let server = serve(&certificates, &[]);
    works(&start(server.url(), Some(certificates.trusting("ca.pem"))).expect("the right authority"));
    let tls_url = server.url().replace("nats://", "tls://");
    works(&start(tls_url, Some(certificates.trusting("ca.pem"))).expect("a tls address"));

    fails(start(server.url(), Some(certificates.trusting("other.pem"))));
    fails(start(server.url(), Some(NatsTls::default())));
    fails(start(server.url(), None));
    let error = fails(start(server.url(), Some(certificates.trusting("missing.pem"))));
    assert!(error.contains("missing.pem"), "{error}");

    let careless = NatsTls { insecure_skip_ca_verification: true, ..NatsTls::default() };
    works(&start(server.url(), Some(careless)).expect("any certificate will do"));
}

#[test]
fn a_server_may_ask_for_a_certificate() {
    let certificates = Certificates::make();
    let server = serve(&certificates, &["--tlsverify", "--tlscacert", &certificates.text("ca.pem")]);
    fails(start(server.url(), Some(certificates.trusting("ca.pem"))));
    let with_client = |cert: &str, key: Option<&Path>| NatsTls {
        cert_file: Some(certificates.file(cert)),
        key_file: key.map(Path::to_owned),
        ..certificates.trusting("ca.pem")
    };
    let key = certificates.file("client.key");
    works(&start(server.url(), Some(with_client("client.pem", Some(&key)))).expect("a client certificate"));
    assert!(fails(start(server.url(), Some(with_client("client.pem", None)))).contains("key_file"));
}

#[test]
fn tls_is_not_given_up_when_the_server_offers_none() {
    let certificates = Certificates::make();
    let server = NatsServer::start();
    fails(start(server.url(), Some(certificates.trusting("ca.pem"))));
    // The server may be slower to see the end of the attempt than we are.
    until("no connection is left", || (server.connections() == 0).then_some(()));
}
