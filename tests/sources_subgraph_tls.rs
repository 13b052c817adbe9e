//! The HTTP client to subgraphs that want TLS, over HTTP/1 and HTTP/2: queries, and subscriptions by event streams.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/io.rs"]
mod io;

use bytes::Bytes;
use certificates::Certificates;
use futures_util::{Stream, StreamExt, future::ready, stream};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{
    Request, Response, Version,
    body::{Frame, Incoming},
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use io::{IoThread, PATIENCE};
use juga::{
    plan::{Forwarded, OperationKind, SubgraphId, UpstreamFeed},
    resolve::{ErrorPropagation, FetchError, FetchRequest, Subgraphs},
    sources::{
        ClientTls, FeedSink, Report, Ticket,
        subgraph::{
            StreamTarget, Streams, SubgraphClient, SubgraphClientError, SubgraphEndpoint, SubgraphOptions,
        },
    },
};
use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

/// Requests that a subgraph takes at a time on one connection of HTTP/2.
const STREAMS_MAX: u32 = 2;

/// A subgraph that answers with the HTTP version it was asked in. An event stream says it in an event, and goes on.
struct Subgraph {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Subgraph {
    fn start(io: &IoThread, config: ServerConfig) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let (acceptor, counted) = (TlsAcceptor::from(Arc::new(config)), connections.clone());
        let address = io.wait(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    counted.fetch_add(1, Relaxed);
                    tokio::spawn(serve(acceptor.clone(), socket));
                }
            });
            address
        });
        Self { address, connections }
    }
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream) {
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    // Ends with an error when the client is gone.
    let _ = if is_h2 {
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(STREAMS_MAX);
        server.serve_connection(stream, service_fn(answer)).await
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(stream, service_fn(answer)).await
    };
}

/// Known in full, or events without an end.
type Body =
    Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let version = match request.version() {
        Version::HTTP_2 => 2,
        _ => 1,
    };
    let wants_events = request.headers().get(ACCEPT).is_some_and(|it| it == "text/event-stream");
    let _ = request.into_body().collect().await;
    let response = format!("{{\"data\":{{\"version\":{version}}}}}");
    if !wants_events {
        return Ok(Response::new(Either::Left(Full::from(response))));
    }
    let event = Bytes::from(format!("event: next\ndata: {response}\n\n"));
    let events = stream::once(ready(Ok(Frame::data(event)))).chain(stream::pending());
    let mut answer = Response::new(Either::Right(StreamBody::new(events.boxed())));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(answer)
}

/// A server with the authority's certificate; `protocols` as ALPN names them.
fn server(certificates: &Certificates, protocols: &[&str], wants_certificate: bool) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let read = |name: &str| CertificateDer::from_pem_file(certificates.file(name)).expect("a certificate");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if wants_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(read("ca.pem")).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(certificates.file("server.key")).expect("a key");
    let mut config = builder.with_single_cert(vec![read("server.pem")], key).expect("a configuration");
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    config
}

fn endpoint(address: SocketAddr, tls: ClientTls) -> SubgraphEndpoint {
    let options = SubgraphOptions { tls, retry: None, ..SubgraphOptions::default() };
    SubgraphEndpoint { name: "products".into(), url: format!("https://{address}/graphql"), options }
}

fn client(io: &IoThread, subgraph: &Subgraph, tls: ClientTls) -> SubgraphClient {
    SubgraphClient::new(&io.handle, &[endpoint(subgraph.address, tls)]).expect("a client")
}

fn fetch(io: &IoThread, client: &SubgraphClient) -> Result<Bytes, FetchError> {
    let (body, kind) = (Bytes::from_static(b"{\"query\":\"{version}\"}"), OperationKind::Query);
    let request = FetchRequest { subgraph: SubgraphId(0), kind, body, headers: None, trace: None };
    io.wait(client.fetch(request)).map(|it| it.body)
}

fn untrusted(outcome: Result<Bytes, FetchError>) {
    match outcome {
        Err(FetchError::Unreachable(reason)) => assert!(reason.contains("certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn http_2_is_spoken_where_the_subgraph_offers_it() {
    let (certificates, io) = (Certificates::make(), IoThread::start());
    for (protocols, version) in [(&["h2", "http/1.1"][..], 2), (&["http/1.1"], 1), (&[], 1)] {
        let subgraph = Subgraph::start(&io, server(&certificates, protocols, false));
        let client = client(&io, &subgraph, certificates.trusting("ca.pem"));
        for _ in 0..3 {
            let expected = format!("{{\"data\":{{\"version\":{version}}}}}");
            assert_eq!(fetch(&io, &client), Ok(expected.into()), "{protocols:?}");
        }
        assert_eq!(subgraph.connections.load(Relaxed), 1, "{protocols:?}: the connection serves again");
    }
}

#[test]
fn a_subgraph_is_trusted_through_its_authority_alone() {
    let (certificates, io) = (Certificates::make(), IoThread::start());
    let subgraph = Subgraph::start(&io, server(&certificates, &["h2"], false));
    untrusted(fetch(&io, &client(&io, &subgraph, certificates.trusting("other.pem"))));
    untrusted(fetch(&io, &client(&io, &subgraph, ClientTls::default())));
    let careless = ClientTls { insecure_skip_ca_verification: true, ..ClientTls::default() };
    assert!(fetch(&io, &client(&io, &subgraph, careless)).is_ok());
}

#[test]
fn a_certificate_is_for_the_name_that_is_asked_for() {
    let (certificates, io) = (Certificates::make(), IoThread::start());
    let subgraph = Subgraph::start(&io, server(&certificates, &["h2"], false));
    let mut elsewhere = endpoint(subgraph.address, certificates.trusting("ca.pem"));
    elsewhere.url = elsewhere.url.replace("127.0.0.1", "localhost");
    let client = SubgraphClient::new(&io.handle, &[elsewhere]).expect("a client");
    untrusted(fetch(&io, &client));
}

#[test]
fn a_subgraph_may_ask_for_a_certificate() {
    let (certificates, io) = (Certificates::make(), IoThread::start());
    for protocol in ["h2", "http/1.1"] {
        let subgraph = Subgraph::start(&io, server(&certificates, &[protocol], true));
        let nameless = fetch(&io, &client(&io, &subgraph, certificates.trusting("ca.pem")));
        assert!(matches!(nameless, Err(FetchError::Unreachable(_))), "{nameless:?}");
        let named = ClientTls {
            cert_file: Some(certificates.file("client.pem")),
            key_file: Some(certificates.file("client.key")),
            ..certificates.trusting("ca.pem")
        };
        assert!(fetch(&io, &client(&io, &subgraph, named)).is_ok(), "{protocol}");
    }
}

#[test]
fn files_that_are_missing_or_wrong_are_told_at_the_start() {
    let (certificates, io) = (Certificates::make(), IoThread::start());
    let refused = |tls: ClientTls| {
        let address = "127.0.0.1:1".parse().expect("an address");
        match SubgraphClient::new(&io.handle, &[endpoint(address, tls)]).err() {
            Some(SubgraphClientError::Tls { name, reason }) => {
                assert_eq!(name, "products");
                reason
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(certificates.trusting("missing.pem")).contains("missing.pem"));
    assert!(refused(certificates.trusting("ca.key")).contains("ca.key"));
    let no_key = ClientTls { cert_file: Some(certificates.file("client.pem")), ..ClientTls::default() };
    assert!(refused(no_key).contains("key_file"));
}

/// Keeps what feeds report.
struct Reports(mpsc::Sender<(Ticket, Report)>);

impl FeedSink for Reports {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        let _ = self.0.send((ticket, report));
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(ready(()))
    }
}

/// Starts event streams at a subgraph; what they report.
fn listen(
    client: &SubgraphClient,
    subgraph: &Subgraph,
    tickets: std::ops::Range<u64>,
) -> (Streams, mpsc::Receiver<(Ticket, Report)>) {
    let (sink, reports) = mpsc::channel();
    let streams = Streams::new(client.clone(), Arc::new(Reports(sink)));
    let feed = UpstreamFeed {
        subgraph: SubgraphId(0),
        document: "subscription{version}".into(),
        variables: Bytes::new(),
        forwarded: Forwarded::default(),
    };
    let target = StreamTarget {
        uri: format!("https://{}/graphql", subgraph.address).parse().expect("an address"),
        by_get: false,
        reconnect: false,
        event_bytes_max: 1_000_000,
        errors: ErrorPropagation::default(),
    };
    tickets.for_each(|it| streams.start(Ticket(it), feed.clone(), target.clone()));
    (streams, reports)
}

/// However many requests a subgraph takes on one connection, those that last do not take the place of those that
/// are answered at once.
#[test]
fn queries_do_not_wait_behind_event_streams() {
    const FEEDS: u64 = STREAMS_MAX as u64 + 2;
    let (certificates, io) = (Certificates::make(), IoThread::start());
    let subgraph = Subgraph::start(&io, server(&certificates, &["h2", "http/1.1"], false));
    let client = client(&io, &subgraph, certificates.trusting("ca.pem"));
    let query = || assert_eq!(fetch(&io, &client), Ok("{\"data\":{\"version\":2}}".into()));
    query();
    let (streams, reports) = listen(&client, &subgraph, 0..FEEDS);
    let mut events = 0;
    while events < FEEDS {
        match reports.recv_timeout(PATIENCE).expect("a report in time").1 {
            Report::Live => {}
            Report::Event { payload, .. } => {
                assert_eq!(payload, "{\"data\":{\"version\":1}}", "a connection of its own");
                events += 1;
            }
            other => panic!("{other:?}"),
        }
        query();
    }
    assert_eq!(subgraph.connections.load(Relaxed) as u64, 1 + FEEDS);
    (0..FEEDS).for_each(|it| streams.stop(Ticket(it)));
    query();
}
