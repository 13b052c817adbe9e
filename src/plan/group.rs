//! Groups: which subscriptions share their responses.

use super::{
    BoundOperation, Feed, FeedField, FeedKey, Forwarded, Operation, RenderError, Rule, feed::hash_of,
    template::Arguments,
};
use crate::graphql::Variables;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What a group is made of: subscriptions with equal keys get the same bytes for every event.
#[derive(Debug)]
pub struct GroupSpec {
    pub key: GroupKey,
    pub feed: FeedKey,
    pub rule: Option<Rule>,
    /// Variables reduced to those that matter.
    pub bound: BoundOperation,
}

impl GroupSpec {
    /// Whether a result is made of the event alone: nothing is fetched for it.
    pub fn is_local(&self) -> bool {
        self.bound.operation.plan.steps.is_none()
    }

    /// Puts the variables of one request into the operation's feed.
    ///
    /// # Panics
    /// When the operation is no subscription.
    pub fn render(bound: BoundOperation) -> Result<Self, RenderError> {
        let (feed, rule) = match bound.operation.plan.feed.as_ref().expect("a subscription") {
            FeedField::Event(field) => {
                let arguments = Arguments::new(&field.arguments, &bound.variables);
                let rule = field.rule.as_ref().map(|it| it.render(&arguments)).transpose()?;
                (Feed::Events(field.render(&arguments)?), rule)
            }
            FeedField::Upstream(field) => {
                (Feed::Upstream(field.render(&bound.variables, &bound.forwarded)), None)
            }
        };
        let feed = FeedKey::new(feed);
        let mut variables = Variables::new();
        for name in &bound.operation.plan.variables_used {
            if let Some(value) = bound.variables.get(name) {
                variables.set(name.clone(), value.clone());
            }
        }
        let BoundOperation { operation, forwarded, .. } = bound;
        let bound = BoundOperation { operation, variables, forwarded, trace: None };
        let key = GroupKey::new(&feed, rule.as_ref(), &bound);
        Ok(Self { key, feed, rule, bound })
    }
}

/// Identity of a group: feed, canonical operation, projection, variables that matter, rule constants, and
/// what is forwarded to subgraphs.
///
/// The hash only accelerates; equality is decided on everything.
#[derive(Clone, Debug)]
pub struct GroupKey {
    hash: u64,
    feed: FeedKey,
    rule: Option<Arc<Rule>>,
    operation: Arc<Operation>,
    variables: Variables,
    forwarded: Forwarded,
}

impl GroupKey {
    fn new(feed: &FeedKey, rule: Option<&Rule>, bound: &BoundOperation) -> Self {
        let operation = bound.operation.clone();
        let identity =
            (&operation.canonical, &operation.projection.shape, &bound.variables, rule, &bound.forwarded);
        let hash = hash_of(&(feed.hash, identity));
        let (rule, forwarded) = (rule.cloned().map(Arc::new), bound.forwarded.clone());
        Self { hash, feed: feed.clone(), rule, operation, variables: bound.variables.clone(), forwarded }
    }

    fn same_operation(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.operation, &other.operation)
            || (self.operation.canonical == other.operation.canonical
                && self.operation.projection.shape == other.operation.projection.shape)
    }

    /// A key that collides with every other one of its kind, for tests of full comparison.
    #[cfg(test)]
    pub(crate) fn with_hash(mut self, hash: u64) -> Self {
        self.hash = hash;
        self
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.feed == other.feed
            && self.variables == other.variables
            && self.rule == other.rule
            && self.forwarded == other.forwarded
            && self.same_operation(other)
    }
}

impl Eq for GroupKey {}

impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
