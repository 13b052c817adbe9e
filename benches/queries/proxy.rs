//! `floor-proxy`: a reverse proxy out of hyper's parts and nothing else, on one thread. It asks the stub as often
//! as the router does for the same request, so what it saves is all that a router adds to HTTP.

use super::process::Pinning;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// The argument under which this program becomes the floor.
pub const ROLE: &str = "floor-proxy";
/// The header that says how often to ask.
pub const HOPS: &str = "x-hops";

/// The floor's process. Dropping it kills the process.
pub struct Proxy {
    child: Child,
    pub address: SocketAddr,
}

impl Proxy {
    pub fn start(upstream: SocketAddr, pinning: Pinning) -> io::Result<Self> {
        let own = env::current_exe()?;
        let mut command = match pinning.server() {
            [] => Command::new(&own),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&own);
                command
            }
        };
        command.args([ROLE, &upstream.to_string()]).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse().map_err(io::Error::other)? })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

type Upstream = Client<HttpConnector, Full<Bytes>>;

/// What the floor's process does.
pub fn run(upstream: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let client = client.clone();
            let service = service_fn(move |request| forward(client.clone(), upstream, request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    })
}

async fn forward(
    client: Upstream,
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let hops = head.headers.get(HOPS).and_then(|it| it.to_str().ok()?.parse().ok()).unwrap_or(1);
    let mut answer = Bytes::new();
    for _ in 0..hops {
        let onward = Request::post(format!("http://{upstream}/floor"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))
            .map_err(io::Error::other)?;
        let response = client.request(onward).await.map_err(io::Error::other)?;
        answer = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    }
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(Full::new(answer)).map_err(io::Error::other)
}
