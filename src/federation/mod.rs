//! SDL in, plans out: composes subgraphs and event graphs into one schema, and turns the text of
//! operations into [`plan::Operation`](crate::plan::Operation).
//!
//! The only home of the composer and the planner crates; nothing of theirs shows in the public types.
//! [`Schema::load`] happens at start and on reload, [`Schema::parse`] and [`Schema::plan`] for every new
//! operation. All three are plain computations without I/O, and planning cannot be interrupted: callers
//! run them on a thread of their own. Values of variables are coerced by the caller, operations and
//! plans ([`Plans`]) are kept by the caller, fetches and brokers belong to `resolve` and `sources`.

mod authorization;
mod canonical;
mod checks;
mod compile;
mod compose;
mod composer;
mod cut;
mod declared;
mod defaults;
mod deferred;
mod dialect;
mod directives;
mod document;
mod effort;
mod errors;
mod events;
mod execution_config;
mod explain;
mod flags;
mod graft;
mod graphs;
mod interface_objects;
mod introspection;
mod join;
mod keys;
mod left_out;
mod limits;
mod linked_names;
mod links;
mod origins;
mod places;
mod plain;
mod planner;
mod planning;
mod projection;
mod protection;
mod provides;
mod public_schema;
mod required;
mod rewrites;
mod schema;
mod sdl;
mod selection;
mod types;
mod values;
mod words;

pub use authorization::{AnyOf, Authorization, Requirement};
pub use document::Document;
pub use errors::{LoadError, LoadErrors};
pub use flags::{Schemas, flagged_name};
pub use graphs::{
    Dialect, EventGraphSource, Graphs, SubgraphSource, SubscriptionSource, SupergraphSource, Travel,
};
pub use limits::Limits;
pub use planning::{PlanSource, Plans};
pub use schema::{EventField, Schema, Subgraph};
