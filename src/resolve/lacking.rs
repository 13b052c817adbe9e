//! Fields that no subgraph could be asked for, because an earlier answer, or the event, did not bring what the subgraph
//! needs to know: a key or what the field requires. Each is an error where the response would show it.

use super::{paths::may_be, represent::Representations};
use crate::{
    graphql::json::{Document, NodeId},
    plan::AskedField,
};
use std::{collections::HashMap, sync::Arc};

/// Fields that could not be asked for, by their object.
#[derive(Debug, Default)]
pub(super) struct Lacking(HashMap<NodeId, Vec<Lack>>);

#[derive(Debug)]
struct Lack {
    /// Canonical.
    key: Arc<str>,
    reason: Arc<str>,
}

impl Lacking {
    /// Notes the fields that a fetch would have brought to objects without a representation. `subgraph` is `None` where
    /// clients learn nothing of subgraphs.
    pub(super) fn note(
        &mut self,
        document: &Document,
        representations: &Representations,
        fields: &[AskedField],
        subgraph: Option<&str>,
    ) {
        let mut reasons: HashMap<&str, Arc<str>> = HashMap::new();
        for (object, required) in &representations.missing {
            let reason = reasons.entry(required).or_insert_with(|| reason(required, subgraph).into());
            let asked = fields.iter().filter(|it| may_be(document, *object, &it.types));
            self.0
                .entry(*object)
                .or_default()
                .extend(asked.map(|it| Lack { key: it.key.clone(), reason: reason.clone() }));
        }
    }

    /// Why a field of an object could not be asked for.
    pub(super) fn reason(&self, object: NodeId, key: &str) -> Option<&str> {
        let fields = self.0.get(&object)?;
        fields.iter().find(|it| *it.key == *key).map(|it| &*it.reason)
    }
}

fn reason(required: &str, subgraph: Option<&str>) -> String {
    match subgraph {
        Some(name) => format!("subgraph '{name}' requires '{required}', which is missing"),
        None => "a field that it requires is missing".to_owned(),
    }
}
