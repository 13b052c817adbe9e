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
    pub labels: LabelTemplates,
    /// Arguments present in the operation, in its order: the payload.
    pub arguments: Vec<(Arc<str>, InputValue)>,
    /// Types the answer may have.
    pub possible: TypeNames,
}

/// A message's key and headers, for brokers that know such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelTemplates {
    pub key: Option<Template>,
    pub headers: Vec<(Arc<str>, Template)>,
}

/// The same, of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub key: Option<String>,
    pub headers: Vec<(Arc<str>, String)>,
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
        single(&self.destination, &arguments, Safety::of_call(self.kind)).map(Arc::from)
    }

    /// Key and headers. An argument that is absent or null is an error: a message without its key would go astray.
    pub fn labels(&self, variables: &Variables) -> Result<Labels, RenderError> {
        let LabelTemplates { key, headers } = &self.labels;
        if key.is_none() && headers.is_empty() {
            return Ok(Labels::default());
        }
        let arguments = Arguments::new(&self.arguments, variables);
        // They reach the broker with their lengths: nothing in them can break out.
        let text = |it: &Template| {
            single(it, &arguments, Safety::Anything).map_err(|error| match error {
                RenderError::Missing { argument } => RenderError::Unlabelled { argument },
                other => other,
            })
        };
        Ok(Labels {
            key: key.as_ref().map(text).transpose()?,
            headers: headers
                .iter()
                .map(|(name, value)| Ok((name.clone(), text(value)?)))
                .collect::<Result<_, RenderError>>()?,
        })
    }
}

fn single(template: &Template, arguments: &Arguments, safety: Safety) -> Result<String, RenderError> {
    let mut rendered = template.render(arguments, safety)?;
    match (rendered.pop(), rendered.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(RenderError::List { argument: template.first_argument() }),
    }
}
