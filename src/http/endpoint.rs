//! The GraphQL endpoint: GraphQL over HTTP by POST and GET, one request at a time or several as a batch;
//! subscriptions where the client takes a stream of results.
//!
//! What becomes of a request on its way through here; how that looks on the wire is `replies`' work.

use super::{
    access::AccessLog,
    batch::{self, Asked, Batching},
    body::{self, Bounds},
    coding,
    front::State,
    gateway::{Context, Kind, Method as GraphqlMethod, Outcome},
    negotiation::{self, Form, Media},
    replies::{self, METHOD, refusal},
    routes::{Reply, method_not_allowed},
    upload::{self, Begun, FileUpload, UploadError},
};
use crate::{
    graphql::{Error, Request as GraphqlRequest, json::Document, request_error_response},
    protocol::StreamFormat,
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{self, Either},
    stream,
};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{CACHE_CONTROL, HeaderValue},
};
use std::{net::IpAddr, pin::pin, sync::Arc};

const NOT_ACCEPTABLE: &str = "This endpoint answers with application/graphql-response+json or application/json, \
                              subscriptions also with text/event-stream or multipart/mixed.";
const UNSUPPORTED: &str = "The body must be JSON in UTF-8: send `Content-Type: application/json`.";
const UNSUPPORTED_CODING: &str = "The body's coding is not known or not taken here.";
const NO_FILES: &str = "Requests with files are turned off here.";
const CROSS_SITE: &str = "A request with files needs a header that no foreign page can send, such as \
                          `Apollo-Require-Preflight: true`.";
const UNSUPPORTED_CODE: &str = "UNSUPPORTED_MEDIA_TYPE";
/// Parameters of the URL, for clients that came from Cosmo: ask for Server-Sent Events, and for one result.
const WANTS_EVENTS: &str = "wg_sse";
const WANTS_FIRST: &str = "wg_subscribe_once";

/// Answers a request to the GraphQL path that does not ask for a WebSocket.
pub(super) async fn answer(
    state: &State,
    client: IpAddr,
    id: &HeaderValue,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let headers = Arc::new(head.headers);
    let shown = (!state.options.access_log_anonymous).then_some(client);
    let log = AccessLog::begin(state.options.access_log, id, &headers, shown);
    let answered = async {
        let (method, form) = negotiate(&head.method, head.uri.query(), &headers)?;
        let context = Context {
            method,
            headers: headers.clone(),
            client,
            request_id: id.clone(),
            uploads: None,
            stream: form.stream,
            first_only: wants(head.uri.query(), WANTS_FIRST),
        };
        let call = Call { state, form, log: &log, context };
        if let Some((boundary, files)) = call.files(method)? {
            return call.with_files(body, boundary, files).await;
        }
        let asked = match method {
            GraphqlMethod::Get => parse_query(head.uri.query()),
            GraphqlMethod::Post => call.parse_body(body).await?,
        };
        match asked {
            Ok(Asked::One(request)) => Ok(call.one(request).await),
            Ok(Asked::Batch(batching, entries)) => call.batch(batching, entries).await,
            Err(error) => Err(Refused::new(replies::of_no_request(form, error))),
        }
    };
    answered.await.unwrap_or_else(|Refused(reply)| {
        log.write(None, reply.status());
        *reply
    })
}

/// The answer to a request that never became an operation.
struct Refused(Box<Reply>);

impl Refused {
    fn new(reply: Reply) -> Self {
        Self(Box::new(reply))
    }
}

/// How a request asks, and how it wants to be answered.
fn negotiate(
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<(GraphqlMethod, Form), Refused> {
    let method = match *method {
        Method::GET => GraphqlMethod::Get,
        Method::POST => GraphqlMethod::Post,
        _ => {
            let reply = refusal(StatusCode::METHOD_NOT_ALLOWED, Media::Json, "Use GET or POST.", METHOD);
            return Err(Refused::new(method_not_allowed(reply, "GET, POST")));
        }
    };
    let form = negotiation::form(headers);
    if wants(query, WANTS_EVENTS) {
        let (single, stream) = (form.and_then(|it| it.single), Some(StreamFormat::ServerSentEvents));
        return Ok((method, Form { single, stream, prefers_stream: true }));
    }
    Ok((method, form.ok_or_else(not_acceptable)?))
}

fn not_acceptable() -> Refused {
    Refused::new(refusal(StatusCode::NOT_ACCEPTABLE, Media::Json, NOT_ACCEPTABLE, "NOT_ACCEPTABLE"))
}

/// Whether the URL has a parameter of this name, whatever its value.
fn wants(query: Option<&str>, name: &str) -> bool {
    query.is_some_and(|it| it.split('&').any(|pair| pair.split('=').next() == Some(name)))
}

fn parse_query(query: Option<&str>) -> Result<Asked, Error> {
    GraphqlRequest::from_query(query.unwrap_or_default(), &mut Document::new()).map(Asked::One)
}

/// One HTTP request whose answer's form is settled.
struct Call<'a> {
    state: &'a State,
    form: Form,
    log: &'a AccessLog<'a>,
    context: Context,
}

impl Call<'_> {
    /// What the body asks for; `Err` when there is no body to look at.
    async fn parse_body(&self, body: Incoming) -> Result<Result<Asked, Error>, Refused> {
        let (headers, options) = (&self.context.headers, &self.state.options);
        if !negotiation::has_json_body(headers) {
            return Err(self.unsupported(UNSUPPORTED));
        }
        let coding = match negotiation::body_coding(headers) {
            Ok(coding) if coding.is_none() || options.decompression_enabled => coding,
            _ => return Err(self.unsupported_coding(options.decompression_enabled)),
        };
        let bounds = Bounds { bytes_max: options.max_request_body_size, timeout: options.body_read_timeout };
        match body::read(body, coding, bounds, &self.state.bodies).await {
            Ok(body) => Ok(batch::parse(body.bytes.clone(), options.batching)),
            Err(error) => Err(Refused::new(replies::of_body_error(self.state, error, self.form.media()))),
        }
    }

    fn unsupported(&self, message: &str) -> Refused {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Refused::new(refusal(status, self.form.media(), message, UNSUPPORTED_CODE))
    }

    fn unsupported_coding(&self, decompression_enabled: bool) -> Refused {
        let Refused(mut reply) = self.unsupported(UNSUPPORTED_CODING);
        coding::name_codings(&mut reply, decompression_enabled);
        Refused(reply)
    }

    /// The boundary and the bounds of a body with files; `None` for a body without.
    fn files(&self, method: GraphqlMethod) -> Result<Option<(String, FileUpload)>, Refused> {
        let boundary = upload::boundary(&self.context.headers).filter(|_| method == GraphqlMethod::Post);
        match (boundary, self.state.options.file_upload) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(self.unsupported(NO_FILES)),
            (Some(_), _) if !upload::is_vouched_for(&self.context.headers) => {
                let status = StatusCode::BAD_REQUEST;
                Err(Refused::new(refusal(status, self.form.media(), CROSS_SITE, "CSRF_PREVENTION")))
            }
            // Files are passed on as they are, so there is no place where they would be unfolded.
            (Some(_), _) if negotiation::body_coding(&self.context.headers) != Ok(None) => {
                Err(self.unsupported_coding(false))
            }
            (Some(boundary), Some(files)) => Ok(Some((boundary, files))),
        }
    }

    /// Carries an operation out while its files arrive. Files that break off, or pass a limit, end it.
    async fn with_files(
        &self,
        body: Incoming,
        boundary: String,
        files: FileUpload,
    ) -> Result<Reply, Refused> {
        let options = &self.state.options;
        let (bytes_max, timeout) = (options.max_request_body_size, options.body_read_timeout);
        let bounds = upload::Bounds { files, bytes_max, timeout };
        let nonce = self.state.request_ids.nonce();
        let begun = upload::begin(body, boundary, &nonce, bounds, &self.state.bodies).await;
        let Begun { request, uploads, pump } = begun.map_err(|it| self.broken(it))?;
        let context = self.context.with_uploads(uploads);
        let execute = self.state.gateway.execute(request, context);
        let outcome = match future::select(execute, pin!(pump.run())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((Ok(()), execute)) => execute.await,
            Either::Right((Err(error), _)) => return Err(self.broken(error)),
        };
        Ok(self.reply(outcome))
    }

    fn broken(&self, error: UploadError) -> Refused {
        Refused::new(match error.explain() {
            Err(error) => replies::of_body_error(self.state, error, self.form.media()),
            Ok((StatusCode::BAD_REQUEST, error)) => {
                replies::closing(replies::of_no_request(self.form, error))
            }
            Ok((status, error)) => replies::closing(replies::of_error(status, self.form.media(), error)),
        })
    }

    async fn one(&self, request: GraphqlRequest) -> Reply {
        self.reply(self.execute(request).await)
    }

    fn reply(&self, outcome: Outcome) -> Reply {
        let cache_control = self.cache_control(&outcome);
        let mut reply = replies::of_answer(outcome.answer, self.context.method, self.form);
        if let Some(value) = cache_control {
            reply.headers_mut().insert(CACHE_CONTROL, value);
        }
        self.log.write(outcome.operation.as_ref(), reply.status());
        reply
    }

    /// Entries are carried out side by side, mutations too: whoever needs an order sends one operation.
    async fn batch(
        &self,
        batching: Batching,
        entries: Vec<Result<GraphqlRequest, Error>>,
    ) -> Result<Reply, Refused> {
        let media = self.form.single.ok_or_else(not_acceptable)?;
        // Boxed, because the compiler cannot see that the closure's futures are `Send`.
        let entries: Vec<BoxedEntry<'_>> =
            entries.into_iter().map(|it| Box::pin(self.entry(batching, it)) as BoxedEntry<'_>).collect();
        let bodies: Vec<_> = stream::iter(entries).buffered(batching.concurrency_max).collect().await;
        Ok(replies::of_body(StatusCode::OK, media, batch::join(&bodies)))
    }

    async fn entry(&self, batching: Batching, request: Result<GraphqlRequest, Error>) -> Bytes {
        let (operation, body) = match request {
            Ok(request) => {
                let context = Context { stream: None, first_only: false, ..self.context.clone() };
                let outcome = self.state.gateway.execute(request, context).await;
                let unsupported = || batching.subscription_error();
                (outcome.operation, replies::entry_of_answer(outcome.answer, unsupported))
            }
            Err(error) => (None, request_error_response(&[error])),
        };
        self.log.write(operation.as_ref(), StatusCode::OK);
        body
    }

    async fn execute(&self, request: GraphqlRequest) -> Outcome {
        self.state.gateway.execute(request, self.context.clone()).await
    }

    fn cache_control(&self, outcome: &Outcome) -> Option<HeaderValue> {
        let policy = self.state.options.cache_policy.as_ref()?;
        let kind = outcome.operation.as_ref().map_or(Kind::Query, |it| it.kind);
        policy.header(kind, outcome.freshness.as_ref()?)
    }
}

type BoxedEntry<'a> = std::pin::Pin<Box<dyn Future<Output = Bytes> + Send + 'a>>;
