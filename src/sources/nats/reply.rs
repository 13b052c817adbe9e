//! Replies that are errors: what a service or a server says in a reply's headers, and not in its payload.

use super::marks::is_status;
use crate::resolve::BrokerError;
use async_nats::Message;

/// The text of the error that a service answers with (the convention of NATS's service framework).
const ERROR: &str = "Nats-Service-Error";
/// Its code, mostly one of HTTP's.
const CODE: &str = "Nats-Service-Error-Code";

/// The error that a reply is, if it is one.
pub(super) fn service_error(reply: &Message) -> Option<BrokerError> {
    if let Some(status) = reply.status.filter(|_| is_status(reply.status)) {
        let message = reply.description.as_deref().unwrap_or("without a reason").to_owned();
        return Some(BrokerError::Service { message, code: Some(status.as_u16().to_string()) });
    }
    let headers = reply.headers.as_ref()?;
    let header = |name: &str| headers.get(name).map(|it| it.as_str().to_owned()).filter(|it| !it.is_empty());
    let (message, code) = (header(ERROR), header(CODE));
    (message.is_some() || code.is_some()).then(|| {
        let message = message.unwrap_or_else(|| "without a reason".to_owned());
        BrokerError::Service { message, code }
    })
}
