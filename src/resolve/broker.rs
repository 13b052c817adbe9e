//! Root fields that a broker answers: publish and request.

use super::{
    BrokerError, BrokerMessage, Brokers, ErrorMode, ErrorPropagation,
    counters::{Counters, count},
    event::check_typename,
};
use crate::{
    graphql::{
        self, Variables,
        json::{Document, Kind, NodeId, json_string},
    },
    plan::{BrokerCall, BrokerOperation},
};
use bytes::Bytes;

const PUBLISH_RESULT: &str = "edfs__PublishResult";

/// What a broker had to say, before it is put into the data.
pub(super) enum Reply {
    /// Whether the broker confirmed the message.
    Published(bool),
    Payload(Bytes),
}

/// Publishes or asks. A message that is not confirmed is no error but `success: false`; the reason is
/// for the log only.
pub(super) async fn call(
    brokers: &dyn Brokers,
    call: &BrokerCall,
    variables: &Variables,
    counters: &Counters,
    policy: &ErrorPropagation,
) -> Result<Reply, graphql::Error> {
    let destination = call.destination(variables).map_err(|error| graphql::Error::new(error.to_string()))?;
    let labels = call.labels(variables).map_err(|error| graphql::Error::new(error.to_string()))?;
    let message = BrokerMessage {
        kind: call.kind,
        provider: call.provider.clone(),
        destination: destination.clone(),
        payload: call.payload(variables),
        labels,
    };
    match call.operation {
        BrokerOperation::Publish => {
            let sent = brokers.publish(message).await;
            if let Err(error) = &sent {
                count(&counters.publish_errors, 1);
                tracing::error!(provider = &*call.provider, %destination, %error, "publish failed");
            }
            Ok(Reply::Published(sent.is_ok()))
        }
        BrokerOperation::Request => match brokers.request(message).await {
            Ok(payload) => Ok(Reply::Payload(payload)),
            Err(error) => {
                tracing::warn!(provider = &*call.provider, %destination, %error, "request failed");
                Err(request_failure(call, &error, policy))
            }
        },
    }
}

/// Makes the field's value out of the reply.
pub(super) fn value(
    document: &mut Document,
    call: &BrokerCall,
    reply: Reply,
) -> Result<NodeId, graphql::Error> {
    match reply {
        Reply::Published(success) => {
            let value = document.new_object();
            let success = document.new_bool(success);
            document.insert(value, "success", success);
            let name = document.new_string(call.possible.only().map_or(PUBLISH_RESULT, |it| it));
            document.insert(value, "__typename", name);
            Ok(value)
        }
        Reply::Payload(payload) => {
            let value = document.parse(payload).map_err(|_| failure(call, "invalid JSON"))?;
            if document.kind(value) != Kind::Object {
                return Err(failure(call, "the reply is no JSON object"));
            }
            let is_abstract = call.possible.only().is_none();
            check_typename(document, value, &call.possible, is_abstract, &call.graph)?;
            Ok(value)
        }
    }
}

/// What a client is told of a request that failed. The words of a service pass as those of a subgraph do.
fn request_failure(call: &BrokerCall, error: &BrokerError, policy: &ErrorPropagation) -> graphql::Error {
    match error {
        BrokerError::Failed(reason) => failure(call, reason),
        BrokerError::Service { .. } if policy.mode == ErrorMode::Hidden => {
            failure(call, "the service answered with an error")
        }
        BrokerError::Service { message, code } => {
            let error = failure(call, message);
            match code {
                Some(code) => error.with_extension("serviceErrorCode", json_string(code)),
                None => error,
            }
        }
    }
}

fn failure(call: &BrokerCall, reason: &str) -> graphql::Error {
    graphql::Error::new(format!("Failed to fetch from Subgraph '{}', Reason: {reason}.", call.graph))
        .with_code("DOWNSTREAM_SERVICE_ERROR")
        .with_extension("serviceName", json_string(&call.graph))
}
