//! Schemas over HTTP, once at a start or a reload: a supergraph from a URL, a subgraph's SDL from its
//! server (`_service { sdl }`). Blocks its caller; bounded in time and in bytes.

use super::{
    SubgraphOptions,
    body::{Encoding, collect},
    exchange::{Http, introduce},
    http as client,
};
use crate::{net::credentials::Credentials, resolve::FetchError, sources::causes};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{Either, Full};
use serde::Deserialize;
use std::time::Duration;

/// Bounds on one download.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// From the request to the last byte of the answer.
    pub timeout: Duration,
    pub bytes_max: usize,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), bytes_max: 32 << 20 }
    }
}

/// What to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Download {
    /// The text at a URL.
    Text(String),
    /// The SDL that a subgraph tells of itself.
    Service(String),
}

impl Download {
    pub fn url(&self) -> &str {
        match self {
            Self::Text(url) | Self::Service(url) => url,
        }
    }
}

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("it is not an http or https address")]
    Url,
    #[error("{0}")]
    Fetch(FetchError),
    #[error("the answer is not UTF-8")]
    Encoding,
    #[error("the answer has no `_service.sdl`{}", .0.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    NoSdl(Option<String>),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("no thread to wait on: {0}")]
    Runtime(std::io::Error),
}

/// Gets everything at the same time; answers stand in the order of the questions.
pub fn download_all(downloads: &[Download], options: &DownloadOptions) -> Vec<Result<String, DownloadError>> {
    if downloads.is_empty() {
        return Vec::new();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let kind = error.kind();
            return downloads.iter().map(|_| Err(DownloadError::Runtime(kind.into()))).collect();
        }
    };
    let results = runtime.block_on(async {
        let http = match client(&SubgraphOptions::default()) {
            Ok(http) => http,
            Err(reason) => {
                return downloads.iter().map(|_| Err(DownloadError::Tls(reason.clone()))).collect();
            }
        };
        join_all(downloads.iter().map(|it| download(&http, it, options))).await
    });
    // A name look-up that hangs must not hold up the start.
    runtime.shutdown_background();
    results
}

async fn download(http: &Http, what: &Download, options: &DownloadOptions) -> Result<String, DownloadError> {
    let request = request(what)?;
    let exchange = async {
        let response = http.request(request.map(Either::Left)).await;
        let response = response.map_err(|it| FetchError::Unreachable(causes(&it)))?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        collect(response.into_body(), Encoding::Plain, options.bytes_max).await
    };
    let answer = tokio::time::timeout(options.timeout, exchange).await;
    let body = answer.unwrap_or(Err(FetchError::Timeout(options.timeout))).map_err(DownloadError::Fetch)?;
    match what {
        Download::Text(_) => String::from_utf8(body.into()).map_err(|_| DownloadError::Encoding),
        Download::Service(_) => service_sdl(&body),
    }
}

fn request(what: &Download) -> Result<Request<Full<Bytes>>, DownloadError> {
    const AGENT: &str = concat!("juga/", env!("CARGO_PKG_VERSION"));
    let uri: Uri = what.url().parse().map_err(|_| DownloadError::Url)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(DownloadError::Url);
    }
    let mut request = Request::new(Full::new(Bytes::new()));
    let (uri, credentials) = Credentials::split(&uri);
    *request.uri_mut() = uri;
    introduce(request.headers_mut(), credentials.map(|it| it.basic()).as_ref());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Download::Service(_) = what {
        *request.method_mut() = Method::POST;
        *request.body_mut() = Full::new(Bytes::from_static(br#"{"query":"{ _service { sdl } }"}"#));
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json.clone());
        request.headers_mut().insert(ACCEPT, json);
    }
    Ok(request)
}

fn service_sdl(body: &[u8]) -> Result<String, DownloadError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Option<Data>,
        #[serde(default)]
        errors: Vec<Message>,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "_service")]
        service: Option<Service>,
    }
    #[derive(Deserialize)]
    struct Service {
        sdl: Option<String>,
    }
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|it| DownloadError::NoSdl(Some(it.to_string())))?;
    let sdl = answer.data.and_then(|it| it.service).and_then(|it| it.sdl).filter(|it| !it.is_empty());
    sdl.ok_or_else(|| DownloadError::NoSdl(answer.errors.into_iter().next().map(|it| it.message)))
}
