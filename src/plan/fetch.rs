//! The steps that bring an operation's data together.

use super::{BrokerCall, OperationKind, TypeNames};
use crate::graphql::{Variables, json::write_string};
use std::sync::Arc;

/// A subgraph, as an index into the schema's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubgraphId(pub u16);

/// A node of the tree of fetches. A path (the *flatten* of query planners) is part of each fetch.
#[derive(Debug)]
pub enum Step {
    Sequence(Vec<Self>),
    Parallel(Vec<Self>),
    /// Chosen by a Boolean variable.
    Condition {
        variable: Arc<str>,
        then: Option<Box<Self>>,
        otherwise: Option<Box<Self>>,
    },
    /// Root fields of one subgraph.
    Fetch(RootFetch),
    /// `_entities` of one subgraph for the objects at one path.
    Entities(EntityFetch),
    /// `_entities` of one subgraph for several lists of objects in one request, by aliases.
    Batch(BatchFetch),
    /// A root field that a broker answers: publish and request of an event graph.
    Broker(BrokerCall),
}

/// A GraphQL request to a subgraph, all but its variables' values.
#[derive(Debug)]
pub struct SubgraphRequest {
    pub subgraph: SubgraphId,
    /// Decides whether the request may be shared or repeated (never for a mutation).
    pub kind: OperationKind,
    /// The document as it goes out, anonymous and minified.
    pub document: Arc<str>,
    /// Names of the operation's variables that the document uses.
    pub variables: Vec<Arc<str>>,
    /// A hash of subgraph and document: fetches of equal *shape* differ only in representations and
    /// variables. Only accelerates; compare `document` before sharing.
    pub shape: u64,
}

impl SubgraphRequest {
    /// Appends the variables that the document uses as a JSON object; nothing when none of them is given.
    pub fn write_variables(&self, values: &Variables, out: &mut Vec<u8>) {
        let given = self.variables.iter().filter_map(|it| Some((it, values.get(it)?)));
        let start = out.len();
        for (name, json) in given {
            out.push(if out.len() == start { b'{' } else { b',' });
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(json);
        }
        if out.len() > start {
            out.push(b'}');
        }
    }
}

/// See [`Step::Fetch`].
#[derive(Debug)]
pub struct RootFetch {
    pub request: SubgraphRequest,
    /// Where the answer's data is merged; empty for the root. Non-empty when the path leads back to the
    /// root type (a root re-entry).
    pub path: Vec<PathSegment>,
    pub output_rewrites: Vec<Rewrite>,
}

/// See [`Step::Entities`]. The document declares `$representations: [_Any!]!` and selects `_entities`.
#[derive(Debug)]
pub struct EntityFetch {
    pub request: SubgraphRequest,
    /// Leads to the objects to be completed.
    pub path: Vec<PathSegment>,
    /// What a representation is made of, beside `__typename`.
    pub requires: Vec<RequiresItem>,
    /// What the answer brings to each object.
    pub fields: Vec<AskedField>,
    /// Applied to a copy of each object before `requires` is read from it.
    pub input_rewrites: Vec<Rewrite>,
    /// Applied to each entity before it is merged.
    pub output_rewrites: Vec<Rewrite>,
}

/// See [`Step::Batch`].
#[derive(Debug)]
pub struct BatchFetch {
    pub request: SubgraphRequest,
    pub aliases: Vec<BatchAlias>,
}

/// One `alias: _entities(representations: $variable)` of a batch.
#[derive(Debug)]
pub struct BatchAlias {
    pub alias: Arc<str>,
    /// Several aliases may name one variable: they send the same representations.
    pub representations_variable: Arc<str>,
    pub paths: Vec<Vec<PathSegment>>,
    pub requires: Vec<RequiresItem>,
    /// See [`EntityFetch::fields`].
    pub fields: Vec<AskedField>,
    pub input_rewrites: Vec<Rewrite>,
    pub output_rewrites: Vec<Rewrite>,
}

/// A step of a path through the data. Lists are walked through wherever they occur, also where no
/// segment says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSegment {
    /// A canonical key.
    Key(Arc<str>),
    /// Every item of a list.
    List,
    /// Only objects of these types (an object without `__typename` passes).
    Types(TypeNames),
}

/// A field that entities are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedField {
    /// Objects of these types have it.
    pub types: TypeNames,
    /// The canonical key under which it comes to lie.
    pub key: Arc<str>,
}

/// A part of a representation.
#[derive(Debug, PartialEq)]
pub enum RequiresItem {
    /// Read from `key` (else from `name`), sent as `name`. `key` is the response key that the planner
    /// gave it, which differs from `name` only when arguments force an alias.
    Field { name: Arc<str>, key: Arc<str>, selection: Vec<Self> },
    /// Only for objects whose type is one of these.
    On { types: TypeNames, selection: Vec<Self> },
}

/// A change to data on its way in or out of a subgraph.
#[derive(Debug)]
pub enum Rewrite {
    /// Renames the member at the end of `path`.
    RenameKey { path: Vec<RewriteSegment>, to: Arc<str> },
    /// Sets the value at `path` to a string (a type's name, for interface objects).
    SetString { path: Vec<RewriteSegment>, value: Arc<str> },
}

/// A step of a rewrite's path; lists are walked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteSegment {
    Key(Arc<str>),
    /// Only objects of these types (an object without `__typename` passes).
    Types(TypeNames),
}
