//! Rules: conditions over the fields of an event, as the event graph spells them and as they are decided.
//!
//! Deciding them is the hub's.

use super::{
    RenderError, Template,
    template::{Arguments, Safety},
};
use bytes::Bytes;
use std::sync::Arc;

/// A filter as the event graph spells it (`@openfed__subscriptionFilter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleTemplate {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    In { path: Arc<[Arc<str>]>, values: Vec<RuleValueTemplate> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleValueTemplate {
    /// A JSON scalar.
    Constant(Bytes),
    /// A string with an argument in it; a list argument stands for each of its items.
    Template(Template),
}

/// A condition over the fields of an event, with all constants known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// The field at `path` equals one of the constants.
    In {
        path: Arc<[Arc<str>]>,
        values: Vec<RuleConstant>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleConstant {
    /// From the SDL, a JSON scalar: compares by type and value.
    Json(Bytes),
    /// From an argument: compares by text, so an `ID` matches a number in the event.
    Text(Arc<str>),
}

impl RuleTemplate {
    pub(super) fn render(&self, arguments: &Arguments) -> Result<Rule, RenderError> {
        let all = |rules: &[Self]| rules.iter().map(|it| it.render(arguments)).collect::<Result<_, _>>();
        Ok(match self {
            Self::And(rules) => Rule::And(all(rules)?),
            Self::Or(rules) => Rule::Or(all(rules)?),
            Self::Not(rule) => Rule::Not(Box::new(rule.render(arguments)?)),
            Self::In { path, values } => {
                let mut constants = Vec::with_capacity(values.len());
                for value in values {
                    value.render_into(arguments, &mut constants)?;
                }
                Rule::In { path: path.clone(), values: constants }
            }
        })
    }
}

impl RuleValueTemplate {
    /// An absent or null argument stands for no value at all: it matches nothing.
    fn render_into(&self, arguments: &Arguments, out: &mut Vec<RuleConstant>) -> Result<(), RenderError> {
        match self {
            Self::Constant(json) => out.push(RuleConstant::Json(json.clone())),
            Self::Template(template) => match template.render(arguments, Safety::Anything) {
                Ok(texts) => out.extend(texts.into_iter().map(|it| RuleConstant::Text(it.into()))),
                Err(RenderError::Missing { .. }) => {}
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }
}
