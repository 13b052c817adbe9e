//! What planning hands to execution: an operation, the steps that fetch its data, the shape of its
//! response, and the feed that drives it where it is an event subscription.
//!
//! A leaf made of plain data. Built by `federation`, cached by `server`, carried out by `resolve`,
//! `hub` and `sources`; nothing here names a type of the planner crate, reads a clock or does I/O.
//!
//! **Keys in data.** While an operation is carried out, values lie in one JSON tree under *canonical*
//! keys: a field's name, or its name and a hash of its arguments. Clients' aliases exist in the
//! [`Projection`] alone, so operations that differ only in aliases share steps, and an alias can never
//! collide with a key that entity fetches need. (Root fields of a mutation keep the client's keys: two
//! equal ones must both run.)

mod broker;
mod describe;
mod feed;
mod fetch;
mod forwarded;
mod group;
mod operation;
mod projection;
mod receipt;
mod rule;
mod template;
mod value;

pub use broker::{BrokerCall, BrokerOperation, LabelTemplates, Labels};
pub use describe::Description;
pub use feed::{
    Destination, Event, EventFeed, EventFeedField, Feed, FeedField, FeedKey, JetStreamOptions, Position,
    ProviderId, ProviderKind, StreamOptions, UpstreamFeed, UpstreamFeedField,
};
pub use fetch::{
    AskedField, BatchAlias, BatchFetch, EntityFetch, PathSegment, RequiresItem, Rewrite, RewriteSegment,
    RootFetch, Step, SubgraphId, SubgraphRequest,
};
pub use forwarded::{Forwarded, HeaderList};
pub use group::{GroupKey, GroupSpec};
pub use operation::{BoundOperation, Operation, OperationKind, Plan};
pub use projection::{Field, FieldSource, Leaf, Projection, SelectionSet, TypeNames, ValueType};
pub use receipt::{Acknowledge, Receipt};
pub use rule::{Rule, RuleConstant, RuleTemplate, RuleValueTemplate};
pub use template::{RenderError, Template, TemplatePart};
pub use value::InputValue;
