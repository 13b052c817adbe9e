//! The rules of event graphs, apart from what directives' arguments say.
//!
//! Event graphs written for Cosmo load unchanged, so the rules are Cosmo's: no field of an event graph
//! has a resolver, its types are nothing but keys.

use super::{
    super::sdl::{Composite, Sdl, argument, is_federation, named, string},
    Findings,
    bind::{ROOTS, event_directive},
    filter, is_ours,
};
use federation_composition::graphql_core::{
    Definition, FieldDefinition, OperationType, Selection, SelectionSet, Type, Value, parse, print,
};
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::federation) const PUBLISH_RESULT: &str = "edfs__PublishResult";
const STREAM_CONFIGURATION: &str = "edfs__NatsStreamConfiguration";

pub(super) fn check(sdl: &Sdl<'_>, findings: &mut Findings<'_>) {
    check_root_fields(sdl, findings);
    check_filters_elsewhere(sdl, findings);
    let keys = Keys::of(sdl, findings);
    check_objects(sdl, &keys, findings);
    check_publish_result(sdl, findings);
    check_stream_configuration(sdl, findings);
}

fn check_root_fields(sdl: &Sdl<'_>, findings: &mut Findings<'_>) {
    let mut fields = 0;
    for (root, _) in ROOTS {
        let Some(object) = sdl.root(root) else { continue };
        for field in &object.fields {
            fields += 1;
            let at = format!("{}.{}", object.name, field.name.value);
            check_directives(root, field, &at, findings);
            check_result(sdl, root, field, &at, findings);
        }
    }
    if fields == 0 {
        findings.add("EDG_EMPTY", "", "the event graph has no root field");
    }
}

/// Rule 1: exactly one event directive, one that fits the root type.
fn check_directives(root: OperationType, field: &FieldDefinition, at: &str, findings: &mut Findings<'_>) {
    let found: Vec<_> = field.directives.iter().filter_map(event_directive).collect();
    let fitting = match root {
        OperationType::Query => "@edfs__natsRequest",
        OperationType::Mutation => {
            "@edfs__natsPublish, @edfs__kafkaPublish, @edfs__redisPublish, @feed__kafkaPublish or @edfs__natsRequest"
        }
        OperationType::Subscription => {
            "@edfs__natsSubscribe, @edfs__kafkaSubscribe, @edfs__redisSubscribe or @feed__redisStreamSubscribe"
        }
    };
    match found[..] {
        [] => {
            let message = format!("every root field of an event graph needs a directive: {fitting}");
            findings.add("EDG_ROOT_FIELD_DIRECTIVE", at, message);
        }
        [one] if one.fits(root) => {}
        [one] => {
            let message = format!("@{} does not fit a {} field; it takes {fitting}", one.name, root.as_str());
            findings.add("EDG_ROOT_FIELD_DIRECTIVE", at, message);
        }
        [..] => {
            let names: Vec<_> = found.iter().map(|it| format!("@{}", it.name)).collect();
            let message = format!("one event directive a field, but it has {}", names.join(" and "));
            findings.add("EDG_SEVERAL_DIRECTIVES", at, message);
        }
    }
}

/// Rules 2 and 3: what root fields return.
fn check_result(
    sdl: &Sdl<'_>,
    root: OperationType,
    field: &FieldDefinition,
    at: &str,
    findings: &mut Findings<'_>,
) {
    let is = print(&field.ty);
    if root == OperationType::Mutation {
        if is != format!("{PUBLISH_RESULT}!") {
            let message = format!("a mutation of an event graph returns {PUBLISH_RESULT}!, not {is}");
            findings.add("EDG_MUTATION_RESULT", at, message);
        }
        return;
    }
    let single = matches!(&field.ty, Type::NonNull(inner) if matches!(*inner.ty, Type::Named(_)));
    let is_entity = |name: &&str| sdl.object(name).is_some_and(|it| it.keys().next().is_some());
    if !single || !sdl.possible(named(&field.ty)).iter().any(is_entity) {
        let message = format!(
            "the field must return one entity that is never null, or such an interface or union, not {is}"
        );
        findings.add("EDG_RESULT", at, message);
    }
}

/// Filters belong on subscription fields.
fn check_filters_elsewhere(sdl: &Sdl<'_>, findings: &mut Findings<'_>) {
    let subscription = sdl.root_name(OperationType::Subscription);
    for object in sdl.objects.iter().chain(&sdl.interfaces).filter(|it| it.name != subscription) {
        for field in &object.fields {
            if field.directives.iter().any(|it| it.name.value == filter::DIRECTIVE) {
                let at = format!("{}.{}", object.name, field.name.value);
                findings.add("EDFS_FILTER_LOCATION", at, "filters belong on fields of the subscription type");
            }
        }
    }
}

/// Which fields of which types are part of a key.
struct Keys<'a> {
    fields: BTreeMap<&'a str, BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    /// Collects the keys of every entity; rule 4 on the way: none is resolvable.
    fn of(sdl: &Sdl<'a>, findings: &mut Findings<'_>) -> Self {
        let mut keys = Self { fields: BTreeMap::new() };
        for entity in &sdl.objects {
            for key in entity.keys() {
                let resolvable = argument(key, "resolvable");
                if !matches!(resolvable, Some(Value::Boolean(it)) if !it.value) {
                    let message = "keys of an event graph need \"resolvable: false\"";
                    findings.add("EDG_KEY_RESOLVABLE", entity.name, message);
                }
                let fields = argument(key, "fields").and_then(string).unwrap_or_default();
                match selection_of(fields) {
                    Some(selection) => keys.add(sdl, entity, &selection, findings),
                    None => findings.add("EDG_KEY_FIELDS", entity.name, format!("\"{fields}\" is no key")),
                }
            }
        }
        keys
    }

    fn add(
        &mut self,
        sdl: &Sdl<'a>,
        owner: &Composite<'a>,
        selection: &SelectionSet,
        findings: &mut Findings<'_>,
    ) {
        for item in &selection.selections {
            let Selection::Field(field) = item else { continue };
            let name = &field.name.value;
            let Some(definition) = owner.field(name) else {
                let message = format!("the key names a field \"{name}\" that the type does not have");
                findings.add("EDG_KEY_FIELDS", owner.name, message);
                continue;
            };
            self.fields.entry(owner.name).or_default().insert(name.clone());
            if let (Some(inner), Some(object)) = (&field.selection_set, sdl.object(named(&definition.ty))) {
                self.add(sdl, object, inner, findings);
            }
        }
    }
}

/// A key's field set as a selection.
pub(in crate::federation) fn selection_of(fields: &str) -> Option<SelectionSet> {
    let document = parse(&format!("{{ {fields} }}")).ok()?;
    match document.definitions.into_iter().next()? {
        Definition::OperationDefinition(it) => Some(it.selection_set),
        _ => None,
    }
}

/// Rules 5 to 8: object types are made of key fields, and those are external.
fn check_objects(sdl: &Sdl<'_>, keys: &Keys<'_>, findings: &mut Findings<'_>) {
    let roots = ROOTS.map(|(root, _)| sdl.root_name(root));
    for object in &sdl.objects {
        if roots.contains(&object.name) || is_ours(object.name) {
            continue;
        }
        let Some(key_fields) = keys.fields.get(object.name) else {
            let message = "an event graph defines entities, and types that are part of their keys, only";
            findings.add("EDG_OBJECT_TYPE", object.name, message);
            continue;
        };
        for field in &object.fields {
            let at = format!("{}.{}", object.name, field.name.value);
            if !key_fields.contains(&field.name.value) {
                findings.add("EDG_NON_KEY_FIELD", at, "the field is not part of a key");
            } else if !field.directives.iter().any(|it| is_federation(&it.name.value, "external")) {
                findings.add("EDG_KEY_EXTERNAL", at, "key fields of an event graph need @external");
            }
        }
    }
}

/// Rule 9: who writes the publish result out writes it as it is.
fn check_publish_result(sdl: &Sdl<'_>, findings: &mut Findings<'_>) {
    let Some(object) = sdl.object(PUBLISH_RESULT) else { return };
    let exact = matches!(&object.fields[..],
        [field] if field.name.value == "success" && field.arguments.is_empty() && print(&field.ty) == "Boolean!");
    if !exact {
        findings.add("EDG_PUBLISH_RESULT", PUBLISH_RESULT, "the type must be exactly { success: Boolean! }");
    }
}

/// Rule 10: the same for the stream configuration, where it is used.
fn check_stream_configuration(sdl: &Sdl<'_>, findings: &mut Findings<'_>) {
    let Some(fields) = sdl.inputs.get(STREAM_CONFIGURATION) else { return };
    let used = sdl.root(OperationType::Subscription).is_some_and(|root| {
        let mut directives = root.fields.iter().flat_map(|it| &it.directives);
        directives.any(|it| argument(it, "streamConfiguration").is_some())
    });
    let mut spelled: Vec<String> = fields
        .iter()
        .map(|it| {
            let default = it.default_value.as_ref().map(|it| format!(" = {}", print(it))).unwrap_or_default();
            format!("{}: {}{default}", it.name.value, print(&it.ty))
        })
        .collect();
    spelled.sort_unstable();
    let expected = ["consumerInactiveThreshold: Int! = 30", "consumerName: String!", "streamName: String!"];
    if used && spelled != expected {
        let message = format!("the input must be exactly {{ {} }}", expected.join(", "));
        findings.add("EDG_STREAM_CONFIGURATION", STREAM_CONFIGURATION, message);
    }
}
