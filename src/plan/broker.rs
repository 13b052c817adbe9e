//! Broker calls: publish and request, root fields that a broker answers instead of a subgraph.

use super::{
    Destination, InputValue, ProviderId, ProviderKind, RenderError, Template, TypeNames,
    template::{Arguments, Safety},
    value::write_members,
};
use crate::graphql::Variables;
use bytes::Bytes;
use std::sync::Arc;

/// Publish or request: a root field of a query or mutation that a broker answers.
#[derive(Debug)]
pub struct BrokerCall {
    pub operation: BrokerOperation,
    pub field: Arc<str>,
    /// Where the answer goes in the data.
    pub key: Arc<str>,
    pub graph: Arc<str>,
    pub kind: ProviderKind,
    pub provider: ProviderId,
    pub destination: Template,
    /// Arguments present in the operation, in its order: the payload.
    pub arguments: Vec<(Arc<str>, InputValue)>,
    /// Types the answer may have.
    pub possible: TypeNames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerOperation {
    /// Answers `{ success }`.
    Publish,
    /// Answers with the reply's JSON object.
    Request,
}

impl BrokerCall {
    /// The payload: a JSON object of the arguments present in the operation, in its order.
    pub fn payload(&self, variables: &Variables) -> Bytes {
        let mut out = Vec::new();
        write_members(&self.arguments, variables, &mut out);
        out.into()
    }

    /// The one subject, topic or channel.
    pub fn destination(&self, variables: &Variables) -> Result<Destination, RenderError> {
        let arguments = Arguments::new(&self.arguments, variables);
        let mut rendered = self.destination.render(&arguments, Safety::of_call(self.kind))?;
        match (rendered.pop(), rendered.is_empty()) {
            (Some(one), true) => Ok(one.into()),
            _ => Err(RenderError::List { argument: self.destination.first_argument() }),
        }
    }
}
