//! Where the files of a request go, judged before anything of it is carried out.
//!
//! A file is read once, by the subgraph that it is for. What would need it twice, or elsewhere than in a
//! request to a subgraph, is refused as a whole: half of a mutation helps nobody.

use super::Errors;
use crate::{
    graphql::{BAD_REQUEST, Error, Uploads, Variables},
    plan::{BrokerCall, Operation, OperationKind, Step, SubgraphRequest},
};

const SUBSCRIPTION: &str = "A subscription takes no files.";
const BROKER: &str = "A file cannot be sent to a broker.";
const TWICE: &str = "A file can be sent to one subgraph, once; this operation needs it several times.";

/// Refuses an operation whose files cannot all reach where they are wanted.
pub(super) fn check(operation: &Operation, variables: &Variables, files: &Uploads) -> Result<(), Errors> {
    let refuse = |message| Err(Error::new(message).with_code(BAD_REQUEST).into());
    let has_files = variables.iter().any(|(_, it)| !files.named_in(it).is_empty());
    if has_files && operation.kind == OperationKind::Subscription {
        return refuse(SUBSCRIPTION);
    }
    let mut uses = Uses { variables, files, sent: Vec::new() };
    match operation.plan.steps.as_ref().map(|it| uses.walk(it)) {
        Some(Err(message)) => refuse(message),
        Some(Ok(())) | None => Ok(()),
    }
}

/// The files that steps send.
struct Uses<'a> {
    variables: &'a Variables,
    files: &'a Uploads,
    sent: Vec<usize>,
}

impl Uses<'_> {
    fn walk(&mut self, step: &Step) -> Result<(), &'static str> {
        match step {
            Step::Sequence(steps) | Step::Parallel(steps) => steps.iter().try_for_each(|it| self.walk(it)),
            Step::Condition { variable, then, otherwise } => {
                let chosen = if self.variables.is_true(variable) { then } else { otherwise };
                chosen.as_ref().map_or(Ok(()), |it| self.walk(it))
            }
            Step::Fetch(fetch) => self.send(&fetch.request),
            Step::Entities(fetch) => self.send(&fetch.request),
            Step::Batch(fetch) => self.send(&fetch.request),
            Step::Broker(call) => self.call(call),
        }
    }

    fn send(&mut self, request: &SubgraphRequest) -> Result<(), &'static str> {
        let values = request.variables.iter().filter_map(|it| self.variables.get(it));
        let mut needed: Vec<usize> = values.flat_map(|it| self.files.named_in(it)).collect();
        needed.sort_unstable();
        needed.dedup();
        if needed.iter().any(|it| self.sent.contains(it)) {
            return Err(TWICE);
        }
        self.sent.extend(needed);
        Ok(())
    }

    fn call(&self, call: &BrokerCall) -> Result<(), &'static str> {
        let payload = call.payload(self.variables);
        if self.files.named_in(&payload).is_empty() { Ok(()) } else { Err(BROKER) }
    }
}
