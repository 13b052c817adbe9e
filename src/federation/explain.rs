//! What would become of a request, for people: parsed, coerced, planned and described, never run.

use super::{limits::Limits, schema::Schema};
use crate::{
    graphql::{Error, coerce_variables},
    plan::{BoundOperation, Description, Forwarded, GroupSpec, Operation},
};
use bytes::Bytes;
use std::sync::Arc;

impl Schema {
    /// A plan in words.
    pub fn describe(&self, operation: &Operation) -> Description {
        let names: Vec<Arc<str>> = self.subgraphs().iter().map(|it| it.name.clone()).collect();
        Description::of(operation, &names)
    }

    /// Plans a request and describes the plan; for a subscription also the group that these variables
    /// lead to. `variables` is a JSON object, or nothing.
    pub fn explain(
        &self,
        text: &str,
        operation_name: Option<&str>,
        variables: &str,
        limits: &Limits,
    ) -> Result<Description, Vec<Error>> {
        let document = self.parse(text, operation_name, limits)?;
        let variables = Bytes::copy_from_slice(variables.as_bytes());
        let variables = coerce_variables(document.variable_definitions(), self.input_types(), &variables)?;
        let operation = Arc::new(self.plan(&document, &variables)?);
        let description = self.describe(&operation);
        if operation.plan.feed.is_none() {
            return Ok(description);
        }
        let group = GroupSpec::render(BoundOperation {
            operation,
            variables,
            forwarded: Forwarded::default(),
            trace: None,
        });
        let group = group.map_err(|error| vec![Error::new(error.to_string())])?;
        Ok(description.with_group(&group))
    }
}
