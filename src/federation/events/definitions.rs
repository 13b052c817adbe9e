//! Definitions of the event directives, where an event graph spells them out. Nothing is read from there, so they have
//! to say what is read: a default of one's own, for instance, would be believed by whoever wrote it, and by nobody else.

use super::{Findings, vocabulary::is_read};
use crate::federation::directives::Applied;
use federation_composition::graphql_core::{
    Definition, DirectiveDefinition, Document, InputValueDefinition, Value, parse, print,
};
use std::collections::BTreeSet;

/// The directives as they are read. Those of `edfs__` and `openfed__` are Cosmo's, word for word.
const KNOWN: &str = r#"
directive @edfs__natsRequest(subject: String!, providerId: String! = "default") on FIELD_DEFINITION
directive @edfs__natsPublish(subject: String!, providerId: String! = "default") on FIELD_DEFINITION
directive @edfs__natsSubscribe(
  subjects: [String!]!, providerId: String! = "default", streamConfiguration: edfs__NatsStreamConfiguration
) on FIELD_DEFINITION
directive @edfs__kafkaPublish(topic: String!, providerId: String! = "default") on FIELD_DEFINITION
directive @edfs__kafkaSubscribe(topics: [String!]!, providerId: String! = "default") on FIELD_DEFINITION
directive @edfs__redisPublish(channel: String!, providerId: String! = "default") on FIELD_DEFINITION
directive @edfs__redisSubscribe(channels: [String!]!, providerId: String! = "default") on FIELD_DEFINITION
directive @openfed__subscriptionFilter(condition: openfed__SubscriptionFilterCondition!) on FIELD_DEFINITION
directive @feed__kafkaPublish(
  topic: String!, key: String, headers: [feed__Header!], providerId: String! = "default"
) on FIELD_DEFINITION
directive @feed__redisStreamSubscribe(
  streams: [String!]!, providerId: String! = "default", field: String! = "payload"
) on FIELD_DEFINITION
directive @feed__deliver(start: feed__Start! = LATEST, overflow: feed__Overflow! = AUTO) on FIELD_DEFINITION
"#;

/// Complains of definitions by which something else would be meant than what is read. `applied` are the directives
/// that the graph uses.
pub(super) fn check(document: &Document, applied: &[Applied<'_>], findings: &mut Findings<'_>) {
    let spelled: Vec<_> = definitions(document).filter(|it| is_read(&it.name.value)).collect();
    if spelled.is_empty() {
        return;
    }
    let known = parse(KNOWN).expect("our own SDL parses");
    let mut seen = BTreeSet::new();
    for it in spelled {
        let name = it.name.value.as_str();
        let at = format!("@{name}");
        if !seen.insert(name) {
            findings.add("EDFS_DEFINITION", at, "the directive is defined more than once");
            continue;
        }
        let Some(known) = definitions(&known).find(|known| known.name.value == name) else { continue };
        let given = applied.iter().filter(|it| it.directive.name.value == name);
        let given = given.flat_map(|it| &it.directive.arguments).map(|it| it.name.value.as_str()).collect();
        for problem in problems(it, known, &given) {
            let message = format!("the directive {problem}: it is read as {}", in_one_line(known));
            findings.add("EDFS_DEFINITION", &*at, message);
        }
    }
}

fn definitions(document: &Document) -> impl Iterator<Item = &DirectiveDefinition> {
    document.definitions.iter().filter_map(|it| match it {
        Definition::DirectiveDefinition(it) => Some(it),
        _ => None,
    })
}

/// In what a definition differs from the known one. An argument that may be left out may be missing, unless it is
/// `given` somewhere; whether one may be null is for those to judge who read it.
fn problems(
    spelled: &DirectiveDefinition,
    known: &DirectiveDefinition,
    given: &BTreeSet<&str>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for it in &spelled.arguments {
        match argument(known, &it.name.value) {
            None => problems.push(format!("has no argument \"{}\"", it.name.value)),
            Some(known) => problems.extend(of_argument(it, known)),
        }
    }
    for it in known.arguments.iter().filter(|it| argument(spelled, &it.name.value).is_none()) {
        let name = it.name.value.as_str();
        if given.contains(name) && !is_required(it) {
            problems.push(format!("lacks the argument \"{name}\", which is given"));
        } else if is_required(it) {
            problems.push(format!("lacks the argument \"{name}\""));
        }
    }
    if spelled.repeatable {
        problems.push("is not repeatable".to_owned());
    }
    let places = |it: &DirectiveDefinition| -> Vec<String> {
        it.locations.iter().map(|it| it.value.clone()).collect()
    };
    let (here, there) = (places(spelled), places(known));
    let others: Vec<_> = here.iter().filter(|it| !there.contains(it)).map(String::as_str).collect();
    if !others.is_empty() {
        problems.push(format!("belongs on {}, not on {}", there.join(", "), others.join(", ")));
    }
    problems
}

fn argument<'d>(definition: &'d DirectiveDefinition, name: &str) -> Option<&'d InputValueDefinition> {
    definition.arguments.iter().find(|it| it.name.value == name)
}

fn is_required(argument: &InputValueDefinition) -> bool {
    argument.default_value.is_none() && print(&argument.ty).ends_with('!')
}

fn of_argument(spelled: &InputValueDefinition, known: &InputValueDefinition) -> Option<String> {
    let name = &known.name.value;
    let (here, there) = (print(&spelled.ty), print(&known.ty));
    if here.replace('!', "") != there.replace('!', "") {
        return Some(format!("takes \"{name}\" as {there}, not {here}"));
    }
    let default = |it: &InputValueDefinition| {
        it.default_value.as_ref().filter(|it| !matches!(it, Value::Null(_))).map(print)
    };
    match (default(spelled), default(known)) {
        (Some(here), Some(there)) if here != there => {
            Some(format!("has the default {there} for \"{name}\", not {here}"))
        }
        (Some(_), None) => Some(format!("has no default for \"{name}\"")),
        _ => None,
    }
}

fn in_one_line(definition: &DirectiveDefinition) -> String {
    let arguments: Vec<_> = definition.arguments.iter().map(print).collect();
    let places: Vec<_> = definition.locations.iter().map(|it| it.value.as_str()).collect();
    format!("directive @{}({}) on {}", definition.name.value, arguments.join(", "), places.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::events::bind::DIRECTIVES;

    #[test]
    fn all_that_are_read_have_a_definition() {
        let known = parse(KNOWN).expect("SDL");
        let names: BTreeSet<_> = definitions(&known).map(|it| it.name.value.as_str()).collect();
        assert!(names.iter().all(|it| is_read(it)), "{names:?}");
        assert_eq!(names.len(), DIRECTIVES.len() + 2);
    }
}
