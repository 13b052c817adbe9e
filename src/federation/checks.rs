//! Rules of composition that the composer does not hold graphs to, or holds them to in another way than the
//! reference implementation does, each with the code that the reference gives.
//!
//! [`of_each`] looks at graphs by themselves, [`of_all`] at what they say of the same things, [`of_supergraph`] at
//! what came out. `tests/federation_reference.rs` holds all of it against the reference.

use super::{
    authorization::{AnyOf, Authorization, Requirement},
    composer::Failure,
    declared::{Coordinate, FieldSet, Graph, Kind, Part, Type},
    defaults::{same_value, wrong_value},
    dialect::directives_used,
    errors::LoadError,
    links::{self, Names},
    origins::Origins,
    planner,
    sdl::{argument, named, string},
};
use crate::language::schema::EXECUTABLE_LOCATIONS;
use federation_composition::graphql_core::{
    self as graphql, Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor,
    FieldDefinition, InputValueDefinition, Node, NodeRef, Selection, SelectionSet, Type as TypeNode, Value,
    VisitInfo, print, visit_edit,
};
use std::collections::{BTreeMap, BTreeSet};

/// The composer's rules that the checks of this file stand in for.
pub(super) const REPLACED_RULES: [&str; 7] = [
    "AuthOnRequiresRule",
    "ExternalArgumentMissingRule",
    "ExternalTypeMismatchRule",
    "FieldArgumentDefaultMismatchRule",
    "FieldArgumentsOfTheSameTypeRule",
    "FieldsOfTheSameTypeRule",
    "InvalidFieldSharingRule",
];

/// Directives that become part of the supergraph.
const MARKS: [&str; 7] =
    ["tag", "inaccessible", "authenticated", "requiresScopes", "policy", "cost", "listSize"];

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    code: String,
    /// The graph in which it stands, or the first of them.
    graph: String,
    at: String,
    message: String,
}

impl Fault {
    fn new(
        code: impl Into<String>,
        graph: &Graph<'_>,
        at: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { code: code.into(), graph: graph.name.to_owned(), at: at.into(), message: message.into() }
    }

    /// A fault of the supergraph: of all graphs that have a part in it.
    fn of_all(code: &str, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), graph: String::new(), at: at.into(), message: message.into() }
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn located(&self, origins: &Origins<'_>) -> LoadError {
        match self.graph.is_empty() {
            true => origins.error_somewhere(&self.code, &self.at, &*self.message),
            false => origins.error(&self.graph, &self.code, &self.at, &*self.message),
        }
    }
}

/// Graphs in quotes: `"a", "b"`.
fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
}

// --- Graphs by themselves

/// What is wrong with one graph, whatever the others say.
pub(super) fn of_each(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(graph.field_sets().iter().flat_map(|it| check_field_set(graph, it)));
    faults.extend(unused_externals(graph));
    faults.extend(misused_marks(graph));
    faults.extend(interface_keys_that_implementations_do_not_resolve(graph));
    faults.extend(nameless_compositions(graph));
    faults.extend(compositions_from_nowhere(graph));
    faults.extend(wrong_definitions(graph));
    faults
}

/// `@composeDirective` names a directive, with its `@`.
fn nameless_compositions(graph: &Graph<'_>) -> Vec<Fault> {
    let nameless = graph
        .compositions()
        .into_iter()
        .filter(|(name, _)| name.is_none_or(|it| it.strip_prefix('@').is_none_or(str::is_empty)));
    let fault = |(_, directive): (_, &Directive)| {
        let message = format!("{} names no directive, with an @", print(directive));
        Fault::new("DIRECTIVE_COMPOSITION_ERROR", graph, "schema", message)
    };
    nameless.map(fault).collect()
}

/// What a composed directive comes from has an address that can be read, and that the supergraph can name.
fn compositions_from_nowhere(graph: &Graph<'_>) -> Vec<Fault> {
    let composed: Vec<&str> = graph.compositions().into_iter().filter_map(|(name, _)| name).collect();
    let mut faults = Vec::new();
    for link in graph.document.definitions.iter().flat_map(links::schema_directives) {
        let Some(url) = argument(link, "url").and_then(string).filter(|_| link.name.value == "link") else {
            continue;
        };
        if links::can_be_named(url) {
            continue;
        }
        if let Some(name) = composed.iter().find(|it| links::brings(link, it)) {
            let message =
                format!("{name} comes from {url:?}, which is no address that a supergraph can name");
            faults.push(Fault::new("DIRECTIVE_COMPOSITION_ERROR", graph, "schema", message));
        }
    }
    faults
}

/// Where the directives of the federation specification may stand.
const PLACES: [(&str, &str); 17] = [
    ("key", "OBJECT INTERFACE"),
    ("requires", "FIELD_DEFINITION"),
    ("provides", "FIELD_DEFINITION"),
    ("external", "OBJECT FIELD_DEFINITION"),
    ("extends", "OBJECT INTERFACE"),
    ("shareable", "OBJECT FIELD_DEFINITION"),
    ("override", "FIELD_DEFINITION"),
    ("interfaceObject", "OBJECT"),
    ("composeDirective", "SCHEMA"),
    ("tag", TAGGED),
    ("inaccessible", TAGGED),
    ("authenticated", PROTECTED),
    ("requiresScopes", PROTECTED),
    ("policy", PROTECTED),
    ("cost", "ARGUMENT_DEFINITION ENUM FIELD_DEFINITION INPUT_FIELD_DEFINITION OBJECT SCALAR"),
    ("listSize", "FIELD_DEFINITION"),
    ("context", "OBJECT INTERFACE UNION"),
];
const TAGGED: &str = "FIELD_DEFINITION OBJECT INTERFACE UNION ARGUMENT_DEFINITION SCALAR ENUM ENUM_VALUE INPUT_OBJECT \
                      INPUT_FIELD_DEFINITION SCHEMA";
const PROTECTED: &str = "FIELD_DEFINITION OBJECT INTERFACE SCALAR ENUM";

/// Who defines a directive or a type of the federation specification defines it as it is there. (Of arguments of
/// directives, the composer checks it, that of `@tag` aside.)
fn wrong_definitions(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for definition in &graph.document.definitions {
        let Definition::DirectiveDefinition(it) = definition else { continue };
        let at = format!("@{}", it.name.value);
        let known = PLACES.iter().find(|(name, _)| graph.names.federation(name) == it.name.value);
        let Some((name, places)) = known else { continue };
        let other = it.locations.iter().find(|it| !places.split(' ').any(|place| place == it.value));
        let wrong = match other {
            Some(other) => Some(format!("it cannot stand on {}, only on {places}", other.value)),
            None if *name == "tag" && it.arguments.iter().any(|it| print(&it.ty) != "String!") => {
                Some("its argument is of type String!".to_owned())
            }
            None => None,
        };
        faults.extend(wrong.map(|it| Fault::new("DIRECTIVE_DEFINITION_INVALID", graph, &at, it)));
    }
    let is_specified = |it: &str| it == "federation__FieldSet" || it == "link__Import";
    for (name, _) in graph.types.iter().filter(|(name, it)| is_specified(name) && it.kind != Kind::Scalar) {
        let message = "the type is a scalar of the specification";
        faults.push(Fault::new("TYPE_DEFINITION_INVALID", graph, name, message));
    }
    faults
}

/// What a graph links: links that say what they mean, and no directive under a name that it has not.
pub(super) fn of_links(graph: &str, document: &Document) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut add, mut prefixes) = (Vec::new(), BTreeMap::new());
    for link in document.definitions.iter().flat_map(links::schema_directives) {
        let Some(url) = argument(link, "url").and_then(string).filter(|_| link.name.value == "link") else {
            continue;
        };
        add.extend(wrong_imports(link));
        let alias = argument(link, "as").and_then(string);
        if let Some(alias) = alias.filter(|it| it.contains("__") || it.ends_with('_') || !is_name(it)) {
            add.push(format!("\"{alias}\" cannot be what names begin with"));
        }
        if let Some(prefix) = links::prefix_of(link)
            && let Some(other) = prefixes.insert(prefix, url).filter(|it| *it != url)
            && other.rsplit_once('/').map(|it| it.0) != url.rsplit_once('/').map(|it| it.0)
        {
            add.push(format!("{url} and {other} have one name; give one of them another (`as`)"));
        }
    }
    let fault = |code: &str, message: String| Fault {
        code: code.to_owned(),
        graph: graph.to_owned(),
        at: "schema".to_owned(),
        message,
    };
    faults.extend(add.into_iter().map(|it| fault("INVALID_LINK_DIRECTIVE_USAGE", it)));
    let misnamed = misnamed_directives(document).into_iter();
    faults.extend(
        misnamed.map(|it| fault(INVALID_GRAPHQL, format!("@{it} is not what the directive is called here"))),
    );
    faults.extend(wrong_cache_tags(document).into_iter().map(|it| fault(INVALID_GRAPHQL, it)));
    faults
}

fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// Elements of the federation specification, by the minor version that brought them.
const ELEMENTS: [(u32, &str); 8] = [
    (0, "@key @requires @provides @external @tag @extends @shareable @inaccessible @override FieldSet"),
    (1, "@composeDirective"),
    (3, "@interfaceObject"),
    (5, "@authenticated @requiresScopes Scope"),
    (6, "@policy Policy"),
    (8, "@context @fromContext ContextFieldValue"),
    (9, "@cost @listSize"),
    (links::CACHE_TAG_SINCE, "@cacheTag"),
];
/// The newest minor version whose elements are known.
const NEWEST_MINOR: u32 = 14;

fn wrong_imports(link: &Directive) -> Vec<String> {
    let minor = links::minor_of(link).filter(|it| *it <= NEWEST_MINOR);
    let Some(Value::List(list)) = argument(link, "import") else { return Vec::new() };
    let wrong = |import: &Value| {
        let shown = print(import);
        let is_known_field = |it: &str| it == "name" || it == "as";
        let Some((name, alias)) = links::imported(import) else {
            return Some(format!("{shown} is no import: a name, or {{ name: …, as: … }}"));
        };
        if let Value::Object(it) = import
            && !it
                .fields
                .iter()
                .all(|it| is_known_field(&it.name.value) && matches!(it.value, Value::String(_)))
        {
            return Some(format!(
                "{shown} is no import: `name` and `as` are strings, and there is nothing else"
            ));
        }
        if !is_name(name.trim_start_matches('@')) || !is_name(alias.trim_start_matches('@')) {
            return Some(format!("{shown} imports no name"));
        }
        if name.starts_with('@') != alias.starts_with('@') {
            return Some(format!("{shown} makes a type of a directive, or a directive of a type"));
        }
        let known = |minor: u32| {
            let until = ELEMENTS.iter().take_while(|(since, _)| *since <= minor);
            until.flat_map(|(_, names)| names.split(' ')).any(|it| it == name)
        };
        minor.filter(|it| !known(*it)).map(|it| format!("federation v2.{it} has no {name}"))
    };
    list.values.iter().filter_map(wrong).collect()
}

/// Directives of federation by their full name where they have another one: an import, or a prefix of the graph's.
fn misnamed_directives(document: &Document) -> Vec<String> {
    let Some(link) = links::federation_link(document) else { return Vec::new() };
    let has_prefix = argument(link, "as").and_then(string).is_some_and(|it| it != "federation");
    let imports: Vec<&str> = match argument(link, "import") {
        Some(Value::List(it)) => it.values.iter().filter_map(links::imported).map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    let used = directives_used(document);
    let misnamed = used.into_iter().filter(|it| {
        let name = it.strip_prefix("federation__");
        name.is_some_and(|it| has_prefix || imports.iter().any(|import| import.strip_prefix('@') == Some(it)))
    });
    misnamed.collect()
}

/// `@cacheTag(format: "…")` stands on objects and fields.
fn wrong_cache_tags(document: &Document) -> Vec<String> {
    if links::federation_minor(document).is_none_or(|it| it < links::CACHE_TAG_SINCE) {
        return Vec::new();
    }
    let name = Names::of(document).federation("cacheTag");
    let mut wrong = Vec::new();
    let (mut placed, mut all) = (0, 0);
    for part in document.definitions.iter().filter_map(Part::of) {
        let on_type = part.directives.iter().filter(|_| part.kind == Kind::Object);
        let on_fields = part.fields.iter().flat_map(|it| &it.directives);
        for directive in on_type.chain(on_fields).filter(|it| it.name.value == name) {
            placed += 1;
            if argument(directive, "format").and_then(string).is_none() || directive.arguments.len() > 1 {
                wrong.push(format!("@{name} has one argument, `format`, a string"));
            }
        }
    }
    count_directives(document, &name, &mut all);
    if all > placed {
        wrong.push(format!("@{name} stands on objects and fields only"));
    }
    wrong
}

fn count_directives(document: &Document, name: &str, count: &mut usize) {
    struct Count<'c>(&'c str, &'c mut usize);
    impl EditVisitor for Count<'_> {
        fn enter(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            if matches!(node, NodeRef::Directive(it) if it.name.value == self.0) {
                *self.1 += 1;
            }
            EditAction::Continue
        }
    }
    drop(visit_edit(document, &mut Count(name, count)));
}

/// What a field set may not hold. That it is GraphQL and names fields that are there, the composer checks.
fn check_field_set(graph: &Graph<'_>, field_set: &FieldSet<'_>) -> Vec<Fault> {
    let on_first_interface = graph.is_first && graph.types[field_set.owner].kind == Kind::Interface;
    let Some(set) = field_set.set.as_ref().filter(|_| !on_first_interface) else { return Vec::new() };
    let prefix = field_set.name.to_uppercase();
    let shown = print(field_set.directive);
    let mut complaints = Vec::new();
    check_selections(graph, field_set, field_set.owner, set, &mut complaints);
    if !argument(field_set.directive, "fields").and_then(string).is_none_or(planner::can_read) {
        complaints.push((INVALID_FIELDS, "the planner cannot read it".to_owned()));
    }
    if field_set.name != "key" && names_typename(set) {
        complaints.push(("…_FIELDS_MISSING_EXTERNAL", "every graph knows __typename".to_owned()));
    }
    if field_set.name == "requires" && graph.types[field_set.owner].kind == Kind::Interface {
        let targets = graph.targets(field_set.owner, set, false);
        let own = targets.iter().find(|(owner, field)| !graph.is_external(owner, field));
        let missing = |(owner, field): &Coordinate| {
            ("…_FIELDS_MISSING_EXTERNAL", format!("{owner}.{field} is not @external"))
        };
        complaints.extend(own.map(missing));
    }
    let fault = |(code, message): (&str, String)| {
        let code = code.replace("…", &prefix);
        Fault::new(code, graph, &field_set.at, format!("for {shown}: {message}"))
    };
    complaints.into_iter().map(fault).collect()
}

/// Whether `__typename` is asked for of the type itself.
fn names_typename(set: &SelectionSet) -> bool {
    set.selections.iter().any(|it| match it {
        Selection::Field(it) => it.name.value == "__typename",
        Selection::InlineFragment(it) => names_typename(&it.selection_set),
        Selection::FragmentSpread(_) => false,
    })
}

const INVALID_FIELDS: &str = "…_INVALID_FIELDS";

fn check_selections(
    graph: &Graph<'_>,
    field_set: &FieldSet<'_>,
    owner: &str,
    set: &SelectionSet,
    complaints: &mut Vec<(&'static str, String)>,
) {
    for selection in &set.selections {
        let directives: &[Directive] = match selection {
            Selection::Field(it) => &it.directives,
            Selection::InlineFragment(it) => &it.directives,
            Selection::FragmentSpread(it) => {
                let message = format!("fragment \"{}\" is not defined", it.name.value);
                complaints.push((INVALID_FIELDS, message));
                continue;
            }
        };
        if let Some(directive) = directives.first() {
            let message = format!("directives are not allowed in it, but there is @{}", directive.name.value);
            complaints.push(("…_DIRECTIVE_IN_FIELDS_ARG", message));
        }
        match selection {
            Selection::Field(selected) => {
                let Some(field) = graph.field(owner, &selected.name.value) else { continue };
                let at = format!("{owner}.{}", field.name.value);
                if selected.alias.is_some() {
                    complaints.push((INVALID_FIELDS, format!("aliases are not allowed, but {at} has one")));
                }
                if field_set.name == "requires" {
                    complaints.extend(wrong_arguments(graph, field, &selected.arguments, &at));
                }
                check_given_type(graph, field_set, field, selected.selection_set.as_ref(), &at, complaints);
            }
            Selection::InlineFragment(it) => {
                let condition =
                    it.type_condition.as_ref().map_or(owner, |it| graph.canonical(&it.name.value));
                let (all, some) = (graph.possible(owner), graph.possible(condition));
                if !all.is_empty() && !some.is_empty() && all.is_disjoint(&some) {
                    complaints.push((INVALID_FIELDS, format!("no {owner} is ever a {condition}")));
                }
                check_selections(graph, field_set, condition, &it.selection_set, complaints);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Objects need a selection of fields, what is none has no fields, and in a key nothing stands for several types.
fn check_given_type(
    graph: &Graph<'_>,
    field_set: &FieldSet<'_>,
    field: &FieldDefinition,
    inner: Option<&SelectionSet>,
    at: &str,
    complaints: &mut Vec<(&'static str, String)>,
) {
    let name = graph.canonical(named(&field.ty));
    let ty = graph.types.get(name);
    match (ty.filter(|it| it.is_composite()), inner) {
        (Some(it), _) if field_set.name == "key" && it.is_abstract() => {
            let kind = if it.kind == Kind::Union { "union" } else { "interface" };
            let message = format!("field {at} gives the {kind} {name}, which is not allowed in a key");
            complaints.push(("KEY_FIELDS_SELECT_INVALID_TYPE", message));
        }
        (Some(_), Some(inner)) => check_selections(graph, field_set, name, inner, complaints),
        (Some(_), None) => {
            complaints
                .push((INVALID_FIELDS, format!("field {at} gives {name}, of which fields must be selected")));
        }
        (None, Some(_)) => {
            complaints.push((INVALID_FIELDS, format!("field {at} gives {name}, which has no fields")));
        }
        (None, None) => {}
    }
}

/// Arguments that a required field is asked with must be there and fit, and none that it needs may be missing.
fn wrong_arguments(
    graph: &Graph<'_>,
    field: &FieldDefinition,
    given: &[Argument],
    at: &str,
) -> Vec<(&'static str, String)> {
    let mut complaints = Vec::new();
    for argument in given {
        let name = &argument.name.value;
        let declared = field.arguments.iter().find(|it| it.name.value == *name);
        let wrong = match declared {
            None => Some(format!("field {at} has no argument \"{name}\"")),
            Some(it) => wrong_value(graph, &argument.value, &it.ty).map(|why| {
                format!("argument \"{name}\" of field {at} is of type {}, but {why}", print(&it.ty))
            }),
        };
        complaints.extend(wrong.map(|it| (INVALID_FIELDS, it)));
    }
    let is_missing = |it: &&InputValueDefinition| {
        is_required(it) && !given.iter().any(|given| given.name.value == it.name.value)
    };
    for argument in field.arguments.iter().filter(is_missing) {
        let message = format!("field {at} requires its argument \"{}\"", argument.name.value);
        complaints.push((INVALID_FIELDS, message));
    }
    complaints
}

/// An argument or input field that has to be given.
pub(super) fn is_required(input: &InputValueDefinition) -> bool {
    matches!(input.ty, TypeNode::NonNull(_)) && input.default_value.is_none()
}

/// Fields of other graphs that nothing in this one needs; in Federation 1 they were passed over, as long as
/// something is left of their type.
fn unused_externals(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, ty) in graph.types.iter().filter(|(_, it)| it.has_fields()) {
        let is_unused = |it: &&FieldDefinition| {
            let field = &it.name.value;
            graph.is_external(name, field) && !graph.is_used(name, field)
        };
        let unused: Vec<&FieldDefinition> = ty.fields().filter(is_unused).collect();
        if !graph.is_first {
            faults.extend(unused.iter().map(|it| {
                let message = "the field is @external and not used by any @key, @requires or @provides, nor asked \
                               for by an interface: take it out, or its @external";
                Fault::new("EXTERNAL_UNUSED", graph, format!("{name}.{}", it.name.value), message)
            }));
        } else if !unused.is_empty() && unused.len() == ty.fields().count() && is_referenced(graph, name) {
            let message = "the type consists of @external fields that no @key, @requires or @provides uses";
            faults.push(Fault::new("TYPE_WITH_ONLY_UNUSED_EXTERNAL", graph, name, message));
        }
    }
    faults
}

fn is_referenced(graph: &Graph<'_>, name: &str) -> bool {
    let fields = |it: &Type<'_>| it.fields().any(|it| graph.canonical(named(&it.ty)) == name);
    let refers = |it: &Type<'_>| fields(it) || it.members().chain(it.interfaces()).any(|it| it == name);
    graph.types.values().any(refers)
}

/// `@shareable` twice on one thing, `@external` on fields that nobody resolves, or on fields that provide.
fn misused_marks(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let twice = "@shareable stands there twice: a type's definition and each extension may have one";
    for (name, ty) in &graph.types {
        if ty.kind == Kind::Object {
            let doubled = ty.parts.iter().filter(|it| graph.applied(it.directives, "shareable").len() > 1);
            faults.extend(doubled.map(|_| Fault::new("INVALID_SHAREABLE_USAGE", graph, name, twice)));
        }
        for field in ty.fields() {
            let at = format!("{name}.{}", field.name.value);
            if ty.kind == Kind::Object && graph.applied(&field.directives, "shareable").len() > 1 {
                faults.push(Fault::new("INVALID_SHAREABLE_USAGE", graph, &at, twice));
            }
            let overrides = graph.applied(&field.directives, "override");
            if overrides.iter().any(|it| matches!(argument(it, "from"), Some(Value::Null(_)))) {
                faults.push(Fault::new(INVALID_GRAPHQL, graph, &at, "@override names a graph, not null"));
            }
            if ty.kind == Kind::Interface && graph.is_external(name, &field.name.value) {
                let message = "an interface's field is resolved by no graph, so it cannot be @external";
                faults.push(Fault::new("EXTERNAL_ON_INTERFACE", graph, &at, message));
            }
            if graph.is_external(name, &field.name.value) && graph.has(&field.directives, "provides") {
                let message = "the field is @external, so nothing can be provided along with it";
                faults.push(Fault::new("EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE", graph, &at, message));
            }
        }
    }
    faults
}

/// What asks for an interface by its key asks for any of the objects by it. (That they have the key at all, the
/// composer checks.)
fn interface_keys_that_implementations_do_not_resolve(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, ty) in graph.types.iter().filter(|(_, it)| it.kind == Kind::Interface && !graph.is_first) {
        for key in graph.keys(ty).into_iter().filter(|it| FieldSet::is_resolvable(it)) {
            let fields = field_paths(name, key);
            let same = |object: &str| {
                let keys = graph.keys(&graph.types[object]);
                keys.into_iter().find(|it| field_paths(object, it) == fields)
            };
            let lacking = graph.possible(name).into_iter();
            let lacking = lacking.filter(|it| same(it).is_some_and(|it| !FieldSet::is_resolvable(it)));
            for object in lacking {
                let message = format!(
                    "{object} implements the interface and says that its {} is not resolvable",
                    print(key)
                );
                faults.push(Fault::new("INTERFACE_KEY_NOT_ON_IMPLEMENTATION", graph, name, message));
            }
        }
    }
    faults
}

/// The fields of a key, for comparing keys of types that have them in another order.
fn field_paths(owner: &str, key: &Directive) -> BTreeSet<String> {
    fn add(set: &SelectionSet, prefix: &str, found: &mut BTreeSet<String>) {
        for selection in &set.selections {
            let Selection::Field(field) = selection else { continue };
            let path = format!("{prefix}{}", field.name.value);
            if let Some(inner) = &field.selection_set {
                add(inner, &format!("{path}."), found);
            }
            found.insert(path);
        }
    }
    let mut found = BTreeSet::new();
    if let Some(set) = &FieldSet::of("key", key, owner.to_owned(), owner).set {
        add(set, "", &mut found);
    }
    found
}

/// What is wrong with a graph's types by GraphQL, the specification's directives aside.
pub(super) fn invalid_types(graph: &Graph<'_>) -> Vec<Fault> {
    let mut faults = invalid_graphql(&bare(graph));
    const SPECIFIED: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];
    for (name, _) in
        graph.types.iter().filter(|(name, it)| SPECIFIED.contains(&name.as_str()) && it.kind != Kind::Scalar)
    {
        faults.push(Fault::of_all(INVALID_GRAPHQL, name, "the type is a scalar of GraphQL itself"));
    }
    let is_executable = |it: &&Definition| {
        matches!(it, Definition::OperationDefinition(_) | Definition::FragmentDefinition(_))
    };
    if graph.document.definitions.iter().any(|it| is_executable(&it)) {
        faults.push(Fault::of_all(INVALID_GRAPHQL, "", "there is an operation among the types"));
    }
    faults.into_iter().map(|it| Fault { graph: graph.name.to_owned(), ..it }).collect()
}

/// A graph's types without directives. Extensions of types of other graphs stand by themselves.
fn bare(graph: &Graph<'_>) -> Document {
    struct Bare;
    impl EditVisitor for Bare {
        fn enter(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            const SERVICE: [&str; 2] = ["_service", "_entities"];
            match node {
                NodeRef::Directive(it) if it.name.value != "deprecated" => EditAction::Delete,
                NodeRef::FieldDefinition(it) if SERVICE.contains(&it.name.value.as_str()) => {
                    EditAction::Delete
                }
                _ => EditAction::Continue,
            }
        }
    }
    let mut document = match visit_edit(graph.document, &mut Bare) {
        EditResult::Node(Node::Document(it)) => it,
        _ => graph.document.clone(),
    };
    document.definitions.retain(|it| match it {
        Definition::DirectiveDefinition(_) => false,
        Definition::SchemaExtension(it) => !it.operation_types.is_empty(),
        Definition::SchemaDefinition(it) => !it.operation_types.is_empty(),
        Definition::ObjectTypeDefinition(it) if it.fields.is_empty() => {
            graph.canonical(&it.name.value) != "Query"
        }
        it => it.name().is_none_or(|it| !matches!(it.value.as_str(), "_Any" | "_Service" | "_Entity")),
    });
    let is_defined = |name: &str| {
        graph.types.get(graph.canonical(name)).is_some_and(|it| it.parts.iter().any(|it| !it.extends))
    };
    let mut defined: BTreeSet<String> = BTreeSet::new();
    for definition in &mut document.definitions {
        let name = definition.name().map(|it| it.value.clone()).unwrap_or_default();
        if !is_defined(&name) && defined.insert(name) {
            define(definition);
        }
    }
    if !document
        .definitions
        .iter()
        .any(|it| it.name().is_some_and(|it| graph.canonical(&it.value) == "Query"))
    {
        let stub = graphql::parse("type Query { none: Boolean }").expect("our own SDL parses");
        document.definitions.extend(stub.definitions);
    }
    document
}

/// Makes a definition of an extension.
fn define(definition: &mut Definition) {
    macro_rules! definition {
        ($it:ident, $ty:ident $(, $slot:ident)*) => {
            graphql::$ty { name: $it.name.clone(), $($slot: $it.$slot.clone(),)* ..graphql::$ty::default() }.into()
        };
    }
    let defined: Definition = match definition {
        Definition::ObjectTypeExtension(it) => definition!(it, ObjectTypeDefinition, interfaces, fields),
        Definition::InterfaceTypeExtension(it) => {
            definition!(it, InterfaceTypeDefinition, interfaces, fields)
        }
        Definition::UnionTypeExtension(it) => definition!(it, UnionTypeDefinition, types),
        Definition::EnumTypeExtension(it) => definition!(it, EnumTypeDefinition, values),
        Definition::InputObjectTypeExtension(it) => definition!(it, InputObjectTypeDefinition, fields),
        Definition::ScalarTypeExtension(it) => definition!(it, ScalarTypeDefinition),
        _ => return,
    };
    *definition = defined;
}

/// Of two judgements of one thing the checks' is kept.
pub(super) fn prefer(faults: &[Fault], failures: &mut Vec<Failure>) {
    failures.retain(|failure| {
        let is_about_directive = failure.message.contains("Unknown directive");
        let known = |it: &&Fault| it.code.ends_with("_DIRECTIVE_IN_FIELDS_ARG");
        !(is_about_directive && faults.iter().any(|it| known(&it)))
    });
    for failure in failures {
        // The composer gives up on what it does not understand, without a code.
        if failure.code.is_none() {
            failure.code = Some(INVALID_GRAPHQL.to_owned());
        }
        if failure.message.contains("is not a list. Try to add") {
            failure.code = Some("LIST_SIZE_APPLIED_TO_NON_LIST".to_owned());
        }
    }
}

// --- Graphs side by side

/// What all graphs say of the same things.
pub(super) struct All<'g, 'a> {
    graphs: &'g [Graph<'a>],
    /// By interface, the objects that implement it in some graph.
    implementations: BTreeMap<&'a str, BTreeSet<String>>,
    /// By union, its members in any graph.
    members: BTreeMap<String, BTreeSet<&'a str>>,
    /// Fields that a graph has and no longer resolves, since another one overrides them.
    overridden: BTreeSet<(Coordinate, usize)>,
}

/// A field in one of the graphs that have it.
struct Source<'a> {
    /// The graph's place in the list.
    graph: usize,
    field: &'a FieldDefinition,
}

/// The arguments of a field in the graphs that resolve it.
pub(super) struct Arguments<'a> {
    /// How many graphs do.
    pub(super) sources: usize,
    pub(super) inputs: BTreeMap<&'a str, Vec<(usize, &'a InputValueDefinition)>>,
}

pub(super) fn of_all(all: &All<'_, '_>, authorization: &Authorization) -> Vec<Fault> {
    let mut faults = all.kinds();
    faults.extend(all.queries());
    let fields = all.fields();
    all.overrides(&fields, &mut faults);
    for (coordinate, sources) in &fields {
        faults.extend(all.field_types(coordinate, sources));
    }
    faults.extend(all.input_types());
    faults.extend(all.sharing(&fields));
    faults.extend(all.shared_subscriptions());
    faults.extend(all.marks_on_external_fields());
    faults.extend(all.interfaces());
    faults.extend(all.extensions());
    faults.extend(all.names_of_marks());
    faults.extend(all.enums());
    faults.extend(all.composed_directives());
    if faults.is_empty() {
        faults.extend(all.requirements(&fields));
        faults.extend(all.access(authorization));
    }
    faults
}

impl<'g, 'a> All<'g, 'a> {
    pub(super) fn of(graphs: &'g [Graph<'a>]) -> Self {
        let (mut implementations, mut members): (BTreeMap<&str, BTreeSet<String>>, BTreeMap<String, _>) =
            Default::default();
        for graph in graphs {
            for (name, ty) in &graph.types {
                for interface in ty.interfaces().filter(|_| ty.kind == Kind::Object) {
                    if !graph.is_interface_object(name) {
                        implementations.entry(interface).or_default().insert(name.clone());
                    }
                }
                if ty.kind == Kind::Union {
                    let known: &mut BTreeSet<&str> = members.entry(name.clone()).or_default();
                    known.extend(ty.members());
                }
            }
        }
        let mut all = Self { graphs, implementations, members, overridden: BTreeSet::new() };
        all.overridden = all.overrides(&all.fields(), &mut Vec::new());
        all
    }

    pub(super) fn graphs(&self) -> &'g [Graph<'a>] {
        self.graphs
    }

    /// Some graph answers queries.
    fn queries(&self) -> Option<Fault> {
        let mut roots = self.graphs.iter().filter_map(|it| it.types.get("Query"));
        let message = "no graph has a query: a supergraph needs one";
        roots.all(|it| it.fields().next().is_none()).then(|| Fault::of_all("NO_QUERIES", "Query", message))
    }

    fn fields(&self) -> BTreeMap<Coordinate, Vec<Source<'a>>> {
        let mut fields: BTreeMap<Coordinate, Vec<Source<'a>>> = BTreeMap::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            for (owner, _, field) in graph.fields() {
                let coordinate = (owner.to_owned(), field.name.value.clone());
                fields.entry(coordinate).or_default().push(Source { graph: index, field });
            }
        }
        fields
    }

    fn is_external(&self, (owner, field): &Coordinate, source: &Source<'_>) -> bool {
        self.graphs[source.graph].is_external(owner, field)
    }

    /// Whether a type is an interface in some graph.
    fn is_interface(&self, name: &str) -> bool {
        self.graphs.iter().any(|it| it.types.get(name).is_some_and(|it| it.kind == Kind::Interface))
    }

    /// An interface object stands beside an interface, and beside none of its implementations.
    fn kinds(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs {
            for name in graph.types.keys().filter(|it| graph.is_interface_object(it)) {
                let others = self.graphs.iter().filter_map(|it| Some((it, it.types.get(name)?)));
                let mut plain =
                    others.filter(|(it, ty)| ty.kind == Kind::Object && !it.is_interface_object(name));
                if let Some((other, _)) = plain.next() {
                    let message = format!("an interface object here, an object in graph \"{}\"", other.name);
                    faults.push(Fault::new("TYPE_KIND_MISMATCH", graph, name, message));
                }
                let implementations = self.implementations.get(name.as_str()).into_iter().flatten();
                let here: Vec<&str> =
                    implementations.filter(|it| graph.types.contains_key(*it)).map(String::as_str).collect();
                if !here.is_empty() {
                    let message = format!(
                        "the type stands for an interface here, so its implementations ({}) cannot be defined beside it",
                        quoted(here)
                    );
                    faults.push(Fault::new("INTERFACE_OBJECT_USAGE_ERROR", graph, name, message));
                }
            }
        }
        faults
    }

    // --- Overriding

    /// Which graphs no longer resolve a field since another one does.
    fn overrides(
        &self,
        fields: &BTreeMap<Coordinate, Vec<Source<'a>>>,
        faults: &mut Vec<Fault>,
    ) -> BTreeSet<(Coordinate, usize)> {
        let mut overridden = BTreeSet::new();
        for (coordinate, sources) in fields {
            for source in sources {
                let graph = &self.graphs[source.graph];
                let applied = graph.applied(&source.field.directives, "override");
                let Some(directive) = applied.first().filter(|_| !graph.is_first) else { continue };
                let Some(from) = argument(directive, "from").and_then(string) else { continue };
                match self.override_of(coordinate, sources, source, from) {
                    Ok(Some(from)) => {
                        overridden.insert((coordinate.clone(), from));
                    }
                    Ok(None) => {}
                    Err((code, message)) => {
                        let at = format!("{}.{}", coordinate.0, coordinate.1);
                        faults.push(Fault::new(code, graph, at, message));
                    }
                }
            }
        }
        overridden
    }

    /// The graph that a field is taken from, if it has it.
    fn override_of(
        &self,
        coordinate: &Coordinate,
        sources: &[Source<'a>],
        source: &Source<'a>,
        from: &str,
    ) -> Result<Option<usize>, (&'static str, String)> {
        const COLLISION: &str = "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE";
        let (owner, field) = coordinate;
        let graph = &self.graphs[source.graph];
        if graph.types[owner].kind == Kind::Interface {
            return Err(("OVERRIDE_ON_INTERFACE", "the field of an interface cannot be overridden".into()));
        }
        if graph.is_interface_object(owner) {
            return Err((COLLISION, "fields of an interface object cannot override others".into()));
        }
        let Some(index) = self.graphs.iter().position(|it| it.name == from) else { return Ok(None) };
        let there = &self.graphs[index];
        if index == source.graph {
            return Err(("OVERRIDE_FROM_SELF_ERROR", "the field is overridden by its own graph".into()));
        }
        let Some(overridden) = sources.iter().find(|it| it.graph == index) else {
            return match self.stands_for(there, owner, field) {
                true => Err((COLLISION, format!("the field comes from an interface object of \"{from}\""))),
                false => Ok(None),
            };
        };
        let directives = &overridden.field.directives;
        if there.has(directives, "override") && !there.is_first {
            let message = format!("graph \"{from}\" overrides the field too: a field may be overridden once");
            return Err(("OVERRIDE_SOURCE_HAS_OVERRIDE", message));
        }
        if let Some(name) = ["requires", "provides"].into_iter().find(|it| there.has(directives, it)) {
            return Err((
                COLLISION,
                format!("the field has @{name} in graph \"{from}\", which it is taken from"),
            ));
        }
        if graph.is_external(owner, field) {
            return Err((COLLISION, "the field is @external, so it cannot override another".into()));
        }
        Ok((!there.is_external(owner, field)).then_some(index))
    }

    /// Graph and field of labels that are none: of fields that are taken from nowhere, and empty ones. The
    /// reference passes over them.
    pub(super) fn needless_labels(&self) -> BTreeSet<(usize, Coordinate)> {
        let mut needless = BTreeSet::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            for (owner, _, field) in graph.fields() {
                let applied = graph.applied(&field.directives, "override");
                let Some(label) = applied.first().and_then(|it| argument(it, "label")).and_then(string)
                else {
                    continue;
                };
                let from = applied.first().and_then(|it| argument(it, "from")).and_then(string);
                let source = self.graphs.iter().find(|it| Some(it.name) == from);
                if label.is_empty() || source.is_none_or(|it| it.field(owner, &field.name.value).is_none()) {
                    needless.insert((index, (owner.to_owned(), field.name.value.clone())));
                }
            }
        }
        needless
    }

    /// Whether a graph gives an object's field through an interface object.
    fn stands_for(&self, graph: &Graph<'_>, owner: &str, field: &str) -> bool {
        !graph.types.contains_key(owner)
            && graph.interface_objects.iter().any(|it| {
                self.implementations.get(it.as_str()).is_some_and(|it| it.contains(owner))
                    && graph.field(it, field).is_some()
            })
    }

    fn interfaces_of<'s>(&'s self, object: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.implementations.iter().filter(move |(_, it)| it.contains(object)).map(|(name, _)| *name)
    }

    // --- Sharing

    /// A field that several graphs resolve is shareable in each of them.
    fn sharing(&self, fields: &BTreeMap<Coordinate, Vec<Source<'a>>>) -> Vec<Fault> {
        let mut all: BTreeMap<Coordinate, &[Source<'a>]> =
            fields.iter().map(|(at, sources)| (at.clone(), &sources[..])).collect();
        for (owner, field) in fields.keys().filter(|(owner, _)| self.is_interface(owner)) {
            let is_given = |it: &Graph<'_>| it.is_interface_object(owner) && it.field(owner, field).is_some();
            if self.graphs.iter().any(is_given) {
                let objects = self.implementations.get(owner.as_str()).into_iter().flatten();
                for object in objects {
                    all.entry((object.clone(), field.clone())).or_insert(&[]);
                }
            }
        }
        all.retain(|(owner, _), _| !self.is_interface(owner));
        all.iter().filter_map(|(at, sources)| self.sharing_of(at, sources)).collect()
    }

    fn sharing_of(&self, coordinate: &Coordinate, sources: &[Source<'a>]) -> Option<Fault> {
        let (owner, field) = coordinate;
        let (mut shareable, mut others): (Vec<&Graph<'_>>, Vec<&Graph<'_>>) = Default::default();
        for (index, graph) in self.graphs.iter().enumerate() {
            let types: Vec<&str> = match sources.iter().any(|it| it.graph == index) {
                true if self.overridden.contains(&(coordinate.clone(), index)) => continue,
                true => vec![owner],
                false if !self.stands_for(graph, owner, field) => continue,
                false => self.interfaces_of(owner).filter(|it| graph.field(it, field).is_some()).collect(),
            };
            for ty in types.into_iter().filter(|it| !graph.is_fully_external(it, field)) {
                if graph.is_shareable(ty, field) { &mut shareable } else { &mut others }.push(graph);
            }
        }
        if others.is_empty() || shareable.len() + others.len() < 2 {
            return None;
        }
        let names = |graphs: &[&Graph<'_>]| quoted(graphs.iter().map(|it| it.name).collect::<Vec<_>>());
        let message = format!(
            "several graphs resolve the field ({}), and it is not @shareable in {}",
            names(&[&others[..], &shareable[..]].concat()),
            names(&others)
        );
        Some(Fault::new("INVALID_FIELD_SHARING", others[0], format!("{owner}.{field}"), message))
    }

    /// Whoever subscribes hears one graph.
    fn shared_subscriptions(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs.iter().filter(|it| !it.is_first) {
            let root = graph.types.get("Subscription");
            for field in root.into_iter().flat_map(Type::fields) {
                if graph.has(&field.directives, "shareable") {
                    let at = format!("Subscription.{}", field.name.value);
                    let message = "a field of the subscription type cannot be @shareable";
                    faults.push(Fault::new("INVALID_FIELD_SHARING", graph, at, message));
                }
            }
        }
        faults
    }

    // --- Types and defaults

    /// One type for a field and for each of its arguments; what is external must agree with it.
    fn field_types(&self, coordinate: &Coordinate, sources: &[Source<'a>]) -> Vec<Fault> {
        let (external, own): (Vec<&Source<'_>>, Vec<&Source<'_>>) =
            sources.iter().partition(|it| self.is_external(coordinate, it));
        if own.is_empty() {
            return Vec::new();
        }
        let at = format!("{}.{}", coordinate.0, coordinate.1);
        let mut faults = Vec::new();
        let types = own.iter().map(|it| (it.graph, &it.field.ty));
        let merged = self.merge(types, false);
        if let Err((one, other)) = &merged {
            let message = self.differ("field", one, other);
            faults.push(Fault::new("FIELD_TYPE_MISMATCH", &self.graphs[one.0], &at, message));
        }
        let ty = merged.unwrap_or_else(|(one, _)| one.1);
        let all_equal = own.iter().all(|it| it.field.ty == *ty);
        for source in &external {
            let found = &source.field.ty;
            if found != ty && (all_equal || !self.is_subtype(ty, found)) {
                let message = self.differ("@external field", &(source.graph, found), &(own[0].graph, ty));
                faults.push(Fault::new("EXTERNAL_TYPE_MISMATCH", &self.graphs[source.graph], &at, message));
            }
        }
        let names: BTreeSet<&str> =
            own.iter().flat_map(|it| &it.field.arguments).map(|it| it.name.value.as_str()).collect();
        for name in names {
            faults.extend(self.argument_types(&at, name, &own, &external));
        }
        faults
    }

    fn argument_types(
        &self,
        at: &str,
        name: &str,
        own: &[&Source<'a>],
        external: &[&Source<'a>],
    ) -> Vec<Fault> {
        let of = |it: &&Source<'a>| Some((it.graph, argument_of(it.field, name)?));
        let arguments: Vec<(usize, &InputValueDefinition)> = own.iter().filter_map(of).collect();
        // What one graph does not know is left out of the supergraph.
        if arguments.len() < own.len() {
            return Vec::new();
        }
        let (mut faults, what) = (Vec::new(), format!("argument \"{name}\""));
        let merged = self.merge(arguments.iter().map(|(graph, it)| (*graph, &it.ty)), true);
        if let Err((one, other)) = &merged {
            let message = self.differ(&what, one, other);
            faults.push(Fault::new("FIELD_ARGUMENT_TYPE_MISMATCH", &self.graphs[one.0], at, message));
        }
        let ty = merged.unwrap_or_else(|(one, _)| one.1);
        let default = match self.merged_default(&arguments) {
            Ok(default) => default,
            Err(graph) => {
                let message = format!("{what} has another default in another graph");
                faults.push(Fault::new("FIELD_ARGUMENT_DEFAULT_MISMATCH", &self.graphs[graph], at, message));
                return faults;
            }
        };
        for source in external {
            let graph = &self.graphs[source.graph];
            let Some(argument) = argument_of(source.field, name) else {
                let message = format!("{what} of the @external field is missing");
                faults.push(Fault::new("EXTERNAL_ARGUMENT_MISSING", graph, at, message));
                continue;
            };
            if argument.ty != *ty && !self.is_subtype(&argument.ty, ty) {
                let message = self.differ(&what, &(source.graph, &argument.ty), &(arguments[0].0, ty));
                faults.push(Fault::new("EXTERNAL_ARGUMENT_TYPE_MISMATCH", graph, at, message));
            }
            if !same_default(default, argument.default_value.as_ref()) {
                let message =
                    format!("{what} of the @external field has not the default that it has elsewhere");
                faults.push(Fault::new("EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", graph, at, message));
            }
        }
        faults
    }

    /// The default that all graphs with one agree on; it stands in the supergraph if all have it.
    fn merged_default<'v>(
        &self,
        inputs: &[(usize, &'v InputValueDefinition)],
    ) -> Result<Option<&'v Value>, usize> {
        let with =
            |(graph, it): &(usize, &'v InputValueDefinition)| Some((*graph, it.default_value.as_ref()?));
        let defaults: Vec<(usize, &Value)> = inputs.iter().filter_map(with).collect();
        let Some((_, first)) = defaults.first() else { return Ok(None) };
        match defaults.iter().find(|(_, it)| !same_value(first, it)) {
            Some((graph, _)) => Err(*graph),
            None => Ok((defaults.len() == inputs.len()).then_some(*first)),
        }
    }

    /// Arguments of fields, without graphs in which the field is external.
    pub(super) fn arguments(&self) -> BTreeMap<Coordinate, Arguments<'a>> {
        let mut arguments = BTreeMap::new();
        for (coordinate, sources) in self.fields() {
            let own = sources.iter().filter(|it| !self.is_external(&coordinate, it));
            let (mut count, mut inputs) = (0, BTreeMap::new());
            for source in own {
                count += 1;
                for argument in &source.field.arguments {
                    let known: &mut Vec<_> = inputs.entry(argument.name.value.as_str()).or_default();
                    known.push((source.graph, argument));
                }
            }
            if count > 1 && !inputs.is_empty() {
                arguments.insert(coordinate, Arguments { sources: count, inputs });
            }
        }
        arguments
    }

    /// Input fields.
    pub(super) fn inputs(&self) -> BTreeMap<Coordinate, Vec<(usize, &'a InputValueDefinition)>> {
        let mut inputs: BTreeMap<Coordinate, Vec<_>> = BTreeMap::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            for (name, ty) in graph.types.iter().filter(|(_, it)| it.kind == Kind::Input) {
                for field in ty.inputs() {
                    let coordinate = (name.clone(), field.name.value.clone());
                    inputs.entry(coordinate).or_default().push((index, field));
                }
            }
        }
        inputs
    }

    /// Input fields, and arguments of directives for operations, that several graphs have.
    fn input_types(&self) -> Vec<Fault> {
        let mut directives: BTreeMap<&str, Vec<(usize, &graphql::DirectiveDefinition)>> = BTreeMap::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            for definition in &graph.document.definitions {
                if let Definition::DirectiveDefinition(it) = definition {
                    directives.entry(&it.name.value).or_default().push((index, it));
                }
            }
        }
        let mut faults = Vec::new();
        for ((owner, field), sources) in &self.inputs() {
            if let Err((one, other)) = self.merge(sources.iter().map(|(graph, it)| (*graph, &it.ty)), true) {
                let (at, message) = (format!("{owner}.{field}"), self.differ("input field", &one, &other));
                faults.push(Fault::new("FIELD_TYPE_MISMATCH", &self.graphs[one.0], at, message));
            }
        }
        let in_all = directives.iter().filter(|(_, it)| it.len() == self.graphs.len() && it.len() > 1);
        for (name, definitions) in in_all.filter(|(_, it)| it.iter().all(|(_, it)| is_executable(it))) {
            faults.extend(self.directive_arguments(name, definitions));
        }
        faults
    }

    fn directive_arguments(
        &self,
        directive: &str,
        definitions: &[(usize, &graphql::DirectiveDefinition)],
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let names: BTreeSet<&str> =
            definitions.iter().flat_map(|(_, it)| &it.arguments).map(|it| it.name.value.as_str()).collect();
        let at = format!("@{directive}");
        for name in names {
            let of = |(graph, it): &(usize, &'_ graphql::DirectiveDefinition)| {
                let found = it.arguments.iter().position(|it| it.name.value == name)?;
                Some((*graph, found))
            };
            let found: Vec<(usize, usize)> = definitions.iter().filter_map(of).collect();
            let arguments: Vec<(usize, &InputValueDefinition)> = found
                .iter()
                .filter_map(|(graph, place)| {
                    let (_, definition) = definitions.iter().find(|(it, _)| it == graph)?;
                    Some((*graph, definition.arguments.get(*place)?))
                })
                .collect();
            let first = &self.graphs[arguments[0].0];
            let mut add = |code: &str, why: &str| {
                faults.push(Fault::new(code, first, &at, format!("argument \"{name}\" {why}")));
            };
            if arguments.len() < definitions.len() {
                if arguments.iter().any(|(_, it)| is_required(it)) {
                    let why = "is required in some graphs and missing in others";
                    add("REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", why);
                }
                continue;
            }
            if self.merge(arguments.iter().map(|(graph, it)| (*graph, &it.ty)), true).is_err() {
                add("FIELD_ARGUMENT_TYPE_MISMATCH", "has another type in another graph");
            }
            if self.merged_default(&arguments).is_err() {
                add("FIELD_ARGUMENT_DEFAULT_MISMATCH", "has another default in another graph");
            }
        }
        faults
    }

    fn differ(&self, what: &str, one: &(usize, &TypeNode), other: &(usize, &TypeNode)) -> String {
        let shown = |(graph, ty): &(usize, &TypeNode)| {
            format!("\"{}\" in graph \"{}\"", print(*ty), self.graphs[*graph].name)
        };
        format!("the types of the {what} are incompatible: {} and {}", shown(one), shown(other))
    }

    /// The type that stands for all: of values that are given out the most general one, of those that are taken
    /// the strictest. Or two that have nothing in common.
    pub(super) fn merge<'t>(
        &self,
        types: impl IntoIterator<Item = (usize, &'t TypeNode)>,
        taken: bool,
    ) -> Result<&'t TypeNode, (Placed<'t>, Placed<'t>)> {
        let mut types = types.into_iter();
        let mut merged = types.next().expect("a type is somewhere");
        for next in types {
            let (is_narrower, is_wider) =
                (self.is_subtype(merged.1, next.1), self.is_subtype(next.1, merged.1));
            match (merged.1 == next.1, is_narrower, is_wider) {
                (true, ..) => {}
                (_, true, _) if taken => merged = next,
                (_, _, true) if !taken => merged = next,
                (_, true, _) | (_, _, true) => {}
                _ => return Err((merged, next)),
            }
        }
        Ok(merged.1)
    }

    /// Whether values of the second type, which is another one, are values of the first.
    fn is_subtype(&self, ty: &TypeNode, narrower: &TypeNode) -> bool {
        match (ty, narrower) {
            (TypeNode::NonNull(ty), TypeNode::NonNull(narrower)) => self.is_subtype(&ty.ty, &narrower.ty),
            (_, TypeNode::NonNull(narrower)) => *ty == *narrower.ty || self.is_subtype(ty, &narrower.ty),
            (TypeNode::List(ty), TypeNode::List(narrower)) => self.is_subtype(&ty.ty, &narrower.ty),
            (TypeNode::Named(ty), TypeNode::Named(narrower)) => {
                let (ty, narrower) = (ty.name.value.as_str(), narrower.name.value.as_str());
                let implements = |it: &Graph<'_>| {
                    it.types.get(narrower).is_some_and(|it| it.interfaces().any(|it| it == ty))
                };
                self.members.get(ty).is_some_and(|it| it.contains(narrower))
                    || self.graphs.iter().any(implements)
            }
            _ => false,
        }
    }

    // --- Directives

    /// What another graph resolves, it describes as well.
    fn marks_on_external_fields(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs {
            for (owner, _, field) in graph.fields() {
                if !graph.is_external(owner, &field.name.value) {
                    continue;
                }
                let merged = |it: &&Directive| {
                    it.name.value == "deprecated" || MARKS.iter().any(|name| graph.is_mark(it, name))
                };
                // In Federation 1, a tag may be said again.
                let others = self.graphs.iter().filter(|it| !it.is_external(owner, &field.name.value));
                let others = others.filter_map(|it| it.field(owner, &field.name.value));
                let known: Vec<&Directive> = others.flat_map(|it| &it.directives).collect();
                let is_known =
                    |it: &&Directive| graph.is_first && it.name.value == "tag" && known.contains(it);
                for directive in field.directives.iter().filter(merged).filter(|it| !is_known(it)) {
                    let at = format!("{owner}.{}", field.name.value);
                    let message = format!("{} has no place on an @external field", print(directive));
                    faults.push(Fault::new("MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL", graph, at, message));
                }
            }
        }
        faults
    }

    /// A value of an enum that is taken and given is known to all graphs, also where a directive takes it.
    fn enums(&self) -> Vec<Fault> {
        let definitions = self.graphs.iter().flat_map(|it| &it.document.definitions);
        let taken: BTreeSet<&str> = definitions
            .filter_map(|it| match it {
                Definition::DirectiveDefinition(it) if is_executable(it) => Some(it),
                _ => None,
            })
            .flat_map(|it| it.arguments.iter().map(|it| named(&it.ty)))
            .collect();
        let given = |name: &str| {
            let mut fields = self.graphs.iter().flat_map(Graph::fields);
            fields.any(|(_, _, field)| named(&field.ty) == name)
        };
        let mut faults = Vec::new();
        for name in taken.into_iter().filter(|it| given(it)) {
            let graphs =
                self.graphs.iter().filter(|it| it.types.get(name).is_some_and(|it| it.kind == Kind::Enum));
            let graphs: Vec<&Graph<'_>> = graphs.collect();
            let values = |it: &Graph<'_>| -> BTreeSet<String> {
                let seen = it.types[name].values().filter(|value| !it.has(&value.directives, "inaccessible"));
                seen.map(|it| it.name.value.clone()).collect()
            };
            if let Some(other) = graphs.iter().find(|it| values(it) != values(graphs[0])) {
                let message =
                    "the enum is taken by a directive and given by a field, and graphs know different values";
                faults.push(Fault::new("ENUM_VALUE_MISMATCH", other, name, message));
            }
        }
        faults
    }

    /// Whether some graph hides an input field from clients.
    pub(super) fn is_input_hidden(&self, owner: &str, field: &str) -> bool {
        self.graphs.iter().any(|graph| {
            let inputs = graph.types.get(owner).into_iter().flat_map(Type::inputs);
            let mut fields = inputs.filter(|it| it.name.value == field);
            fields.any(|it| it.directives.iter().any(|it| graph.is_mark(it, "inaccessible")))
        })
    }

    /// A directive that is carried over has no name that the supergraph uses for another one.
    fn composed_directives(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs {
            for (name, _) in graph.compositions() {
                let name = name.unwrap_or_default().trim_start_matches('@');
                for mark in ["tag", "inaccessible"] {
                    let uses = |it: &&Graph<'_>| it.name_of_mark(mark).as_deref() == Some(name);
                    let own = graph.name_of_mark(mark).as_deref() == Some(name)
                        && graph.names.federation(mark) == name;
                    let is_other =
                        |it: &&Graph<'_>| it.name != graph.name && it.names.federation(mark) == name;
                    if let Some(other) = self.graphs.iter().filter(uses).find(is_other).filter(|_| !own) {
                        let message = format!(
                            "@{name} is what graph \"{}\" calls the @{mark} of federation",
                            other.name
                        );
                        faults.push(Fault::new(
                            "DIRECTIVE_COMPOSITION_ERROR",
                            graph,
                            format!("@{name}"),
                            message,
                        ));
                    }
                }
            }
        }
        faults
    }

    /// A graph that resolves an interface by its key knows every object that it may be.
    fn interfaces(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs.iter().filter(|it| !it.is_first) {
            for (name, ty) in graph.types.iter().filter(|(_, it)| it.kind == Kind::Interface) {
                if !graph.keys(ty).into_iter().any(FieldSet::is_resolvable) {
                    continue;
                }
                let here = graph.possible(name);
                let all = self.implementations.get(name.as_str()).into_iter().flatten();
                let missing: Vec<&str> = all.map(String::as_str).filter(|it| !here.contains(it)).collect();
                if !missing.is_empty() {
                    let message = format!(
                        "the interface has a resolvable key here, so {} must be defined here",
                        quoted(missing)
                    );
                    faults.push(Fault::new(
                        "INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE",
                        graph,
                        name,
                        message,
                    ));
                }
            }
        }
        faults
    }

    /// Somewhere a type is defined that others extend. (Of objects and interfaces, the composer checks it.)
    fn extensions(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs.iter().filter(|it| !it.is_first) {
            for (name, ty) in graph.types.iter().filter(|(_, it)| !it.has_fields()) {
                let is_defined = |it: &Graph<'_>| {
                    it.types.get(name).is_some_and(|it| it.parts.iter().any(|it| !it.extends))
                };
                if ty.parts.iter().all(|it| it.extends) && !self.graphs.iter().any(is_defined) {
                    let message = "the type is extended, and defined nowhere";
                    faults.push(Fault::new("EXTENSION_WITH_NO_BASE", graph, name, message));
                }
            }
        }
        faults
    }

    /// What becomes part of the supergraph has one name in all graphs.
    fn names_of_marks(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for mark in MARKS {
            let mut first: Option<(&Graph<'_>, String)> = None;
            for graph in self.graphs.iter() {
                let Some(name) = graph.name_of_mark(mark) else { continue };
                match &first {
                    Some((_, other)) if *other != name => {
                        let message = format!("@{mark} is called @{name} here and @{other} in another graph");
                        faults.push(Fault::new("LINK_IMPORT_NAME_MISMATCH", graph, "schema", message));
                        break;
                    }
                    Some(_) => {}
                    None => first = Some((graph, name)),
                }
            }
        }
        faults
    }

    // --- Requirements

    /// What a field requires can be asked for in the supergraph as it stands there: with arguments that all
    /// graphs have, and with those that any of them needs.
    fn requirements(&self, fields: &BTreeMap<Coordinate, Vec<Source<'a>>>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for graph in self.graphs {
            for field_set in graph.field_sets().iter().filter(|it| it.name == "requires") {
                let Some(set) = &field_set.set else { continue };
                graph.walk(field_set.owner, set, &mut |owner, selected| {
                    let coordinate = (owner.to_owned(), selected.name.value.clone());
                    let sources: Vec<&Source<'_>> = fields
                        .get(&coordinate)
                        .into_iter()
                        .flatten()
                        .filter(|it| !self.is_external(&coordinate, it))
                        .collect();
                    let given: BTreeSet<&str> =
                        selected.arguments.iter().map(|it| it.name.value.as_str()).collect();
                    let at = format!("{owner}.{}", selected.name.value);
                    let mut add = |message: String| {
                        let code = "REQUIRES_INVALID_FIELDS";
                        faults.push(Fault::new(code, graph, &field_set.at, message));
                    };
                    for source in &sources {
                        let there = self.graphs[source.graph].name;
                        for name in given.iter().filter(|it| argument_of(source.field, it).is_none()) {
                            add(format!("argument \"{name}\" of {at} is not there in graph \"{there}\""));
                        }
                        let needed = source.field.arguments.iter().filter(|it| is_required(it));
                        for name in needed.map(|it| &*it.name.value).filter(|it| !given.contains(it)) {
                            add(format!("argument \"{name}\" of {at} is required in graph \"{there}\""));
                        }
                    }
                });
            }
        }
        faults
    }

    /// Whoever may see a field may see what it is made of: what the required fields ask of a client, the field
    /// asks as well.
    fn access(&self, authorization: &Authorization) -> Vec<Fault> {
        let mut faults = BTreeSet::new();
        for graph in self.graphs {
            for field_set in graph.field_sets().iter().filter(|it| it.name == "requires") {
                let Some(set) = &field_set.set else { continue };
                let (owner, field) = field_set.at.split_once('.').expect("a field requires");
                let mut has = Requirement::default();
                let own = [authorization.of_type(owner), authorization.of_field(owner, field)];
                own.into_iter().flatten().for_each(|it| has.add(it));
                let mut needed = Vec::new();
                self.needed(graph, field_set.owner, set, authorization, &mut needed);
                for (at, _) in needed.iter().filter(|(_, it)| !satisfies(&has, it)) {
                    let message = format!(
                        "the field requires {at} and does not ask of clients what that takes \
                         (@authenticated, @requiresScopes, @policy)"
                    );
                    let code = "MISSING_TRANSITIVE_AUTH_REQUIREMENTS";
                    faults.insert(Fault::new(code, graph, &field_set.at, message));
                }
            }
        }
        faults.into_iter().collect()
    }

    /// What the parts of a selection ask of clients; an interface asks for what any of its objects does.
    fn needed<'r>(
        &self,
        graph: &Graph<'_>,
        owner: &str,
        set: &SelectionSet,
        authorization: &'r Authorization,
        needed: &mut Vec<(String, &'r Requirement)>,
    ) {
        let alike = |name: &str| -> Vec<String> {
            let objects = self.implementations.get(name).into_iter().flatten();
            [name.to_owned()].into_iter().chain(objects.cloned()).collect()
        };
        for selection in &set.selections {
            match selection {
                Selection::Field(selected) => {
                    let name = &selected.name.value;
                    let Some(field) = graph.field(owner, name) else { continue };
                    let at = format!("{owner}.{name}");
                    let fields = alike(owner);
                    let fields = fields.iter().filter_map(|it| authorization.of_field(it, name));
                    let given = graph.canonical(named(&field.ty));
                    let types = alike(given);
                    let types = types.iter().filter_map(|it| authorization.of_type(it));
                    needed.extend(fields.chain(types).map(|it| (at.clone(), it)));
                    if let Some(inner) = &selected.selection_set {
                        self.needed(graph, given, inner, authorization, needed);
                    }
                }
                Selection::InlineFragment(it) => {
                    let condition = it.type_condition.as_ref().map(|it| graph.canonical(&it.name.value));
                    let types = condition.map(alike).unwrap_or_default();
                    let types = types.iter().filter_map(|it| authorization.of_type(it));
                    needed.extend(types.map(|it| (format!("... on {}", condition.unwrap_or(owner)), it)));
                    self.needed(graph, condition.unwrap_or(owner), &it.selection_set, authorization, needed);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

/// A type in one of the graphs.
type Placed<'t> = (usize, &'t TypeNode);

fn argument_of<'f>(field: &'f FieldDefinition, name: &str) -> Option<&'f InputValueDefinition> {
    field.arguments.iter().find(|it| it.name.value == name)
}

fn same_default(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same_value(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Directives for operations are part of the supergraph, if all graphs have them.
fn is_executable(definition: &graphql::DirectiveDefinition) -> bool {
    definition.locations.iter().any(|it| EXECUTABLE_LOCATIONS.contains(&it.value.as_str()))
}

/// Whether whoever meets the first requirement meets the second.
fn satisfies(has: &Requirement, needs: &Requirement) -> bool {
    (has.authenticated || !needs.authenticated)
        && needs.scopes.iter().all(|it| implies(&has.scopes, it))
        && needs.policies.iter().all(|it| implies(&has.policies, it))
}

/// How many ways to meet a requirement are looked at; one with more is taken by its parts.
const WAYS_MAX: usize = 1024;

/// Each way to meet all of the entries meets one of the alternatives.
fn implies(entries: &[AnyOf], alternatives: &AnyOf) -> bool {
    let meets = |way: &[&str]| alternatives.iter().any(|it| it.iter().all(|name| way.contains(&&**name)));
    if alternatives.is_empty() {
        return entries.iter().any(Vec::is_empty);
    }
    let mut ways: Vec<Vec<&str>> = vec![Vec::new()];
    for entry in entries {
        if ways.len() * entry.len() > WAYS_MAX {
            let alone =
                |it: &AnyOf| it.iter().all(|way| meets(&way.iter().map(|it| &**it).collect::<Vec<_>>()));
            return entries.iter().any(alone);
        }
        ways = ways
            .iter()
            .flat_map(|way| {
                entry.iter().map(move |it| way.iter().copied().chain(it.iter().map(|it| &**it)).collect())
            })
            .collect();
    }
    ways.iter().all(|it| meets(it))
}

// --- The supergraph

/// What is wrong with what came out: no schema of GraphQL, or one whose hidden parts show.
pub(super) fn of_supergraph(document: &Document, graphs: &[Graph<'_>]) -> Vec<Fault> {
    let mut faults = invalid_graphql(document);
    if faults.is_empty() {
        faults.extend(Hidden::of(document, graphs).faults());
        faults.sort();
        faults.dedup();
    }
    faults
}

/// Rules of GraphQL for types, of a document in which all types and directives are defined.
pub(super) fn invalid_graphql(document: &Document) -> Vec<Fault> {
    let messages = match graphql::build_ast_schema(document) {
        Err(error) => vec![error.message],
        Ok(schema) => match graphql::validate_schema(&schema) {
            Err(error) => vec![error.message],
            Ok(errors) => errors.into_iter().map(|it| it.message).collect(),
        },
    };
    let kept = |it: &String| !PASSED_OVER.iter().any(|part| it.contains(part));
    messages
        .into_iter()
        .filter(kept)
        .map(|it| Fault::of_all(INVALID_GRAPHQL, coordinate_in(&it), it))
        .collect()
}

/// Parts of messages about what the reference lets pass: rules that are younger than it, types of the name of an
/// operation that are no objects, and defaults with null, without a required field, or with quotes around values
/// of an enum.
const PASSED_OVER: [&str; 8] = [
    "implementation field",
    "Invalid circular reference. The default value",
    "OneOf ",
    "Mutation root type must be Object type if provided, it cannot be Mutation.",
    "Subscription root type must be Object type if provided, it cannot be Subscription.",
    "not to be null",
    "to include required field",
    "cannot represent non-enum value: \"",
];

/// What is no schema of GraphQL.
pub(super) const INVALID_GRAPHQL: &str = "INVALID_GRAPHQL";

/// The first `Type.field` of a message, or else its first name of a type.
fn coordinate_in(message: &str) -> String {
    let words = message.split([' ', '"', ',', '(', ':']);
    let words: Vec<&str> = words.map(|it| it.trim_end_matches('.')).collect();
    let is_type = |it: &&&str| it.starts_with(char::is_uppercase) && !NO_TYPES.contains(it);
    let field = words.iter().find(|it| it.split_once('.').is_some_and(|(owner, _)| !owner.is_empty()));
    field.or_else(|| words.iter().find(is_type)).map_or("", |it| it).to_owned()
}

/// Words that messages about types begin with.
const NO_TYPES: [&str; 12] = [
    "Type",
    "Interface",
    "Input",
    "Object",
    "Enum",
    "Union",
    "Field",
    "Argument",
    "Invalid",
    "The",
    "Name",
    "Required",
];

/// The supergraph as clients see it, and what is kept from them.
struct Hidden<'a, 'g> {
    graph: Graph<'a>,
    graphs: &'g [Graph<'g>],
}

impl<'a, 'g> Hidden<'a, 'g> {
    fn of(document: &'a Document, graphs: &'g [Graph<'g>]) -> Self {
        Self { graph: Graph::of("", document), graphs }
    }

    fn is_hidden(directives: &[Directive]) -> bool {
        directives.iter().any(|it| it.name.value == "inaccessible")
    }

    fn is_type_hidden(ty: &Type<'_>) -> bool {
        ty.directives().any(|it| it.name.value == "inaccessible")
    }

    /// By what the graphs say: the composer forgets it of arguments of interfaces.
    fn is_argument_hidden(
        &self,
        owner: &str,
        field: &FieldDefinition,
        argument: &InputValueDefinition,
    ) -> bool {
        self.graphs.iter().any(|graph| {
            let field = graph.field(owner, &field.name.value);
            let argument = field.and_then(|it| argument_of(it, &argument.name.value));
            argument.is_some_and(|it| it.directives.iter().any(|it| graph.is_mark(it, "inaccessible")))
        })
    }

    /// Types that clients see.
    fn types(&self) -> impl Iterator<Item = (&String, &Type<'a>)> {
        let specified =
            |it: &str| ["join__", "link__", "federation__"].iter().any(|prefix| it.starts_with(prefix));
        self.graph.types.iter().filter(move |(name, it)| !specified(name) && !Self::is_type_hidden(it))
    }

    /// Fields that clients see.
    fn fields(ty: &Type<'a>) -> impl Iterator<Item = &'a FieldDefinition> {
        ty.fields().filter(|it| !Self::is_hidden(&it.directives))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, ty) in self.types() {
            let is_hidden = |it: &str| self.graph.types.get(it).is_some_and(Self::is_type_hidden);
            if ty.kind == Kind::Union && ty.members().all(is_hidden) {
                let message = "clients see the union and none of its members";
                faults.push(Fault::of_all("ONLY_INACCESSIBLE_CHILDREN", name, message));
            }
            for field in Self::fields(ty) {
                let at = format!("{name}.{}", field.name.value);
                for argument in &field.arguments {
                    match self.is_argument_hidden(name, field, argument) {
                        true => faults.extend(self.hidden_argument(&at, ty, name, field, argument)),
                        false => faults.extend(self.hidden_in_default(&at, argument)),
                    }
                }
            }
            for input in ty.inputs().filter(|it| !Self::is_hidden(&it.directives) && is_hidden(named(&it.ty)))
            {
                let message = format!("clients see the input field, and not its type {}", named(&input.ty));
                let at = format!("{name}.{}", input.name.value);
                faults.push(Fault::of_all("REFERENCED_INACCESSIBLE", at, message));
            }
            let inputs = ty.inputs().filter(|it| !Self::is_hidden(&it.directives));
            faults.extend(
                inputs.flat_map(|it| self.hidden_in_default(&format!("{name}.{}", it.name.value), it)),
            );
        }
        faults.extend(self.directives());
        faults
    }

    /// An argument that clients do not see while they see that of an interface, or that of an implementation,
    /// which needs it.
    fn hidden_argument(
        &self,
        at: &str,
        ty: &Type<'a>,
        owner: &str,
        field: &FieldDefinition,
        argument: &InputValueDefinition,
    ) -> Vec<Fault> {
        let (field, name) = (&field.name.value, &argument.name.value);
        let seen = |owner: &str| -> Option<&InputValueDefinition> {
            let ty = self.graph.types.get(owner).filter(|it| !Self::is_type_hidden(it))?;
            let field = Self::fields(ty).find(|it| it.name.value == *field)?;
            argument_of(field, name).filter(|it| !self.is_argument_hidden(owner, field, it))
        };
        let mut faults = Vec::new();
        for interface in ty.interfaces().filter(|it| seen(it).is_some()) {
            let message =
                format!("clients do not see argument \"{name}\", but that of interface {interface}");
            faults.push(Fault::of_all("IMPLEMENTED_BY_INACCESSIBLE", at, message));
        }
        let implements = |it: &Type<'_>| it.interfaces().any(|it| it == owner);
        let types = self.graph.types.iter().filter(|(_, it)| implements(it)).map(|(name, _)| name);
        for implementation in types.filter(|it| seen(it).is_some_and(is_required)) {
            let message = format!("clients do not see argument \"{name}\", which {implementation} requires");
            faults.push(Fault::of_all("REQUIRED_INACCESSIBLE", at, message));
        }
        faults
    }

    /// A default that names what clients do not see.
    fn hidden_in_default(&self, at: &str, input: &InputValueDefinition) -> Option<Fault> {
        let default = input.default_value.as_ref()?;
        let hidden = self.hidden_value(default, named(&input.ty))?;
        let message =
            format!("the default of \"{}\" names {hidden}, which clients do not see", input.name.value);
        Some(Fault::of_all("DEFAULT_VALUE_USES_INACCESSIBLE", at, message))
    }

    fn hidden_value(&self, value: &Value, ty: &str) -> Option<String> {
        let declared = self.graph.types.get(ty)?;
        match value {
            Value::List(it) => it.values.iter().find_map(|it| self.hidden_value(it, ty)),
            Value::Enum(it) => {
                let mut values = declared.values();
                let value = values.find(|value| value.name.value == it.value)?;
                Self::is_hidden(&value.directives).then(|| format!("{ty}.{}", it.value))
            }
            Value::Object(it) => it.fields.iter().find_map(|given| {
                let field = declared.inputs().find(|it| it.name.value == given.name.value)?;
                match Self::is_hidden(&field.directives) {
                    true => Some(format!("{ty}.{}", field.name.value)),
                    false => self.hidden_value(&given.value, named(&field.ty)),
                }
            }),
            _ => None,
        }
    }

    /// Directives that clients may use, which the supergraph of the composer does not show.
    fn directives(&self) -> Vec<Fault> {
        let definitions =
            self.graphs.iter().flat_map(|it| it.document.definitions.iter().map(move |d| (it, d)));
        let mut faults = Vec::new();
        for (graph, definition) in definitions {
            let Definition::DirectiveDefinition(it) = definition else { continue };
            if !is_executable(it) {
                continue;
            }
            let at = format!("@{}", it.name.value);
            for argument in &it.arguments {
                let is_hidden = graph.has(&argument.directives, "inaccessible");
                if is_hidden && is_required(argument) {
                    let message =
                        format!("clients do not see argument \"{}\", which is required", argument.name.value);
                    faults.push(Fault::new("REQUIRED_INACCESSIBLE", graph, &at, message));
                } else if !is_hidden {
                    faults.extend(self.hidden_in_default(&at, argument));
                }
            }
        }
        faults
    }
}

// --- What plans can reach

/// Fields that require themselves, perhaps by way of others. The composer would follow the circle for ever, also
/// where a graph leads out of it.
pub(super) fn circles(all: &All<'_, '_>) -> Vec<Fault> {
    let mut required: BTreeMap<Coordinate, BTreeSet<Coordinate>> = BTreeMap::new();
    for (coordinate, sources) in &all.fields() {
        let fields = sources.iter().flat_map(|it| all.required(coordinate, it));
        required.entry(coordinate.clone()).or_default().extend(fields);
    }
    let mut faults = Vec::new();
    for start in required.keys().filter(|it| !required[*it].is_empty()) {
        let (mut seen, mut waiting): (BTreeSet<&Coordinate>, _) = (BTreeSet::new(), vec![start]);
        while let Some(next) = waiting.pop() {
            waiting.extend(required.get(next).into_iter().flatten().filter(|it| seen.insert(it)));
        }
        if seen.contains(start) {
            let (owner, field) = start;
            let graph =
                all.graphs.iter().find(|it| it.field(owner, field).is_some()).unwrap_or(&all.graphs[0]);
            let message = "the field requires itself, by way of what it requires";
            faults.push(Fault::new("SATISFIABILITY_ERROR", graph, format!("{owner}.{field}"), message));
        }
    }
    faults
}

impl<'a> All<'_, 'a> {
    /// The fields that a field requires in one graph.
    fn required(&self, coordinate: &Coordinate, source: &Source<'_>) -> Vec<Coordinate> {
        let graph = &self.graphs[source.graph];
        let mut required = Vec::new();
        for directive in graph.applied(&source.field.directives, "requires") {
            let set = FieldSet::of("requires", directive, String::new(), &coordinate.0).set;
            required.extend(set.map(|it| graph.targets(&coordinate.0, &it, false)).unwrap_or_default());
        }
        required
    }

    /// The graphs that resolve each field, by the types that the fields are of.
    fn resolving(&self) -> Resolving {
        let mut resolving = Resolving::new();
        for ((owner, field), sources) in self.fields() {
            let coordinate = (owner, field);
            let resolves = |it: &&Source<'_>| {
                !self.is_external(&coordinate, it)
                    && !self.overridden.contains(&(coordinate.clone(), it.graph))
            };
            let graphs: BTreeSet<usize> = sources.iter().filter(resolves).map(|it| it.graph).collect();
            let (owner, field) = coordinate;
            resolving.entry(owner).or_default().insert(field, graphs);
        }
        resolving
    }

    /// Mutations that several graphs resolve, with those graphs.
    pub(super) fn shared_mutations(&self) -> BTreeMap<String, BTreeSet<usize>> {
        let mutations = self.resolving().remove("Mutation").unwrap_or_default();
        mutations.into_iter().filter(|(_, it)| it.len() > 1).collect()
    }
}

/// Types, fields, and the graphs that resolve them.
type Resolving = BTreeMap<String, BTreeMap<String, BTreeSet<usize>>>;

/// How many different situations are looked at; graphs with more are not looked at to the end.
const SITUATIONS_MAX: usize = 100_000;

/// Fields that several graphs may be asked for at one place, and of which no object may come from all of them.
pub(super) fn disjoint_types(all: &All<'_, '_>) -> Vec<Fault> {
    let resolving = all.resolving();
    let walk = Walk {
        all,
        resolving: &resolving,
        seen: BTreeSet::new(),
        waiting: Vec::new(),
        faults: BTreeSet::new(),
    };
    // Most graphs have no such field at any place.
    let mut fields =
        resolving.iter().flat_map(|(owner, it)| it.iter().map(move |(field, it)| (owner, field, it)));
    let is_suspect =
        fields.any(|(owner, field, graphs)| Given::of(all, owner, field, graphs).is_disjoint(all));
    if is_suspect { walk.run() } else { Vec::new() }
}

/// What graphs give for a field: the type, whether it is abstract there, and the objects that it may be.
struct Given<'g>(Vec<(usize, &'g str, bool, BTreeSet<&'g str>)>);

impl<'g> Given<'g> {
    fn of(all: &All<'g, '_>, owner: &str, field: &str, graphs: &BTreeSet<usize>) -> Self {
        let given = |index: &usize| {
            let graph = &all.graphs[*index];
            let (name, ty) = graph.type_of(graph.field(owner, field)?)?;
            ty.is_composite().then(|| (*index, name, ty.is_abstract(), graph.possible(name)))
        };
        Self(graphs.iter().filter_map(given).collect())
    }

    /// Several graphs are to choose, and there is nothing that all could choose.
    fn is_disjoint(&self, all: &All<'_, '_>) -> bool {
        let is_abstract = |it: &str| all.is_interface(it) || all.members.contains_key(it);
        if self.0.iter().filter(|it| it.2).count() < 2 {
            return false;
        }
        // An interface object stands for whatever object there is.
        let told = self.0.iter().filter(|(_, name, real, _)| *real || !is_abstract(name));
        let told: Vec<&BTreeSet<&str>> = told.map(|it| &it.3).collect();
        let common = |it: &&&str| told.iter().all(|set| set.contains(**it));
        told.iter().any(|it| !it.is_empty())
            && !told.first().is_some_and(|it| it.iter().any(|it| common(&it)))
    }

    fn shown(&self, all: &All<'_, '_>) -> String {
        let types = self.0.iter().map(|(graph, _, _, objects)| {
            let objects: Vec<&str> = objects.iter().copied().collect();
            format!("{} in graph \"{}\"", objects.join(" or "), all.graphs[*graph].name)
        });
        types.collect::<Vec<_>>().join(", ")
    }
}

/// A walk through everything that can be asked for.
struct Walk<'w, 'g, 'a> {
    all: &'w All<'g, 'a>,
    resolving: &'w Resolving,
    /// Object types with the graphs that have the object at hand.
    seen: BTreeSet<(String, BTreeSet<usize>)>,
    waiting: Vec<(String, BTreeSet<usize>)>,
    faults: BTreeSet<Fault>,
}

impl Walk<'_, '_, '_> {
    fn run(mut self) -> Vec<Fault> {
        let with = |root: &str| -> BTreeSet<usize> {
            let graphs = self.all.graphs.iter().enumerate().filter(|(_, it)| it.types.contains_key(root));
            graphs.map(|(index, _)| index).collect()
        };
        for (root, graphs) in ["Query", "Mutation", "Subscription"].map(|it| (it, with(it))) {
            self.go_to(root, graphs);
        }
        while let Some((owner, graphs)) = self.waiting.pop() {
            if self.seen.len() > SITUATIONS_MAX {
                break;
            }
            self.fields_of(&owner, &graphs);
        }
        self.faults.into_iter().collect()
    }

    fn go_to(&mut self, name: &str, graphs: BTreeSet<usize>) {
        if self.seen.insert((name.to_owned(), graphs.clone())) {
            self.waiting.push((name.to_owned(), graphs));
        }
    }

    fn fields_of(&mut self, owner: &str, graphs: &BTreeSet<usize>) {
        let has_key = |graph: &Graph<'_>| {
            graph.types.get(owner).is_some_and(|it| graph.keys(it).into_iter().any(FieldSet::is_resolvable))
        };
        let by_key = self.all.graphs.iter().enumerate().filter(|(_, it)| has_key(it));
        let reached: BTreeSet<usize> = graphs.iter().copied().chain(by_key.map(|(index, _)| index)).collect();
        let resolving = self.resolving;
        for (field, sources) in resolving.get(owner).into_iter().flatten() {
            self.field(owner, field, &sources.intersection(&reached).copied().collect());
        }
    }

    fn field(&mut self, owner: &str, field: &str, graphs: &BTreeSet<usize>) {
        let given = Given::of(self.all, owner, field, graphs);
        if given.is_disjoint(self.all) {
            let message = format!(
                "several graphs resolve the field, and no object may come from all of them: {}",
                given.shown(self.all)
            );
            let (code, at) = ("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", format!("{owner}.{field}"));
            self.faults.insert(Fault::new(code, &self.all.graphs[given.0[0].0], at, message));
            return;
        }
        let objects: BTreeSet<&str> = given.0.iter().flat_map(|it| it.3.iter().copied()).collect();
        for object in objects {
            let graphs: BTreeSet<usize> =
                given.0.iter().filter(|it| it.3.contains(object)).map(|it| it.0).collect();
            // One graph carries out a mutation.
            match owner {
                "Mutation" => graphs.into_iter().for_each(|it| self.go_to(object, [it].into())),
                _ => self.go_to(object, graphs),
            }
        }
    }
}

/// A mutation that no graph can answer by itself, so that several would have to carry it out.
pub(super) fn mutation_of_several(all: &All<'_, '_>, name: &str, graphs: &BTreeSet<usize>) -> Fault {
    let first = graphs.first().map_or(&all.graphs[0], |it| &all.graphs[*it]);
    let names = quoted(graphs.iter().map(|it| all.graphs[*it].name));
    let message = format!(
        "several graphs resolve the mutation ({names}), and none of them leads to all of its result: several would \
         have to carry it out"
    );
    Fault::new("SATISFIABILITY_ERROR", first, format!("Mutation.{name}"), message)
}
