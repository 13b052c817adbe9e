//! What the composer is given in place of what graphs say, where it would refuse what the reference takes: the same
//! thing said in the way that it understands.
//!
//! [`of_graph`] is about one graph, [`beside_each_other`] about what several graphs say of one thing. The second
//! comes after the checks, which judge what the graphs say themselves.

use super::{
    checks::{All, is_required},
    declared::{Coordinate, Graph, Kind, Part},
    defaults::same_value,
    dialect::directives_used,
    links::{self, Names, federation_link},
    sdl::{argument, named, string},
};
use federation_composition::graphql_core::{
    Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, FieldDefinition,
    InputValueDefinition, Name, NamedType, Node, NodeRef, Type, Value, VisitInfo, visit_edit,
};
use std::collections::{BTreeMap, BTreeSet};

/// Says in the composer's way what one graph says. Sentences tell what has no effect.
pub(super) fn of_graph(graph: &str, document: &mut Document) -> Vec<String> {
    use_the_usual_prefix(document);
    let notes = Vec::from_iter(drop_cache_tags(graph, document));
    import_what_is_prefixed(document);
    trim_directives(document);
    drop_tags_of_schemas(document);
    lower_tag_link(document);
    nest_scopes(document);
    drop_needless_compositions(document);
    import_composed_directives(document);
    notes
}

/// Leaves out of a graph of Federation 1 what was passed over there.
pub(super) fn of_first(document: &mut Document) {
    if !Names::of(document).links_nothing() {
        return;
    }
    write_field_sets_as_strings(document);
    let composites: BTreeSet<String> = document
        .definitions
        .iter()
        .filter_map(Part::of)
        .filter(|it| matches!(it.kind, Kind::Object | Kind::Interface | Kind::Union))
        .map(|it| it.name.to_owned())
        .collect();
    let provides = |it: &FieldDefinition| composites.contains(named(&it.ty));
    let on_interface = |directives: &mut Vec<Directive>, fields: &mut Vec<FieldDefinition>| {
        directives.retain(|it| it.name.value != "key");
        let passed_over =
            |it: &Directive| ["provides", "requires", "external"].contains(&it.name.value.as_str());
        fields.iter_mut().for_each(|it| it.directives.retain(|it| !passed_over(it)));
    };
    let on_object = |directives: &mut Vec<Directive>, fields: &mut Vec<FieldDefinition>| {
        directives.retain(|it| it.name.value != "external");
        for field in fields.iter_mut().filter(|it| !provides(it)) {
            field.directives.retain(|it| it.name.value != "provides");
        }
    };
    for definition in &mut document.definitions {
        match definition {
            Definition::InterfaceTypeDefinition(it) => on_interface(&mut it.directives, &mut it.fields),
            Definition::InterfaceTypeExtension(it) => on_interface(&mut it.directives, &mut it.fields),
            Definition::ObjectTypeDefinition(it) => on_object(&mut it.directives, &mut it.fields),
            Definition::ObjectTypeExtension(it) => on_object(&mut it.directives, &mut it.fields),
            _ => {}
        }
    }
}

/// Changes each directive, or takes it out where `change` says so.
fn edit_directives(document: &mut Document, change: impl FnMut(&Directive) -> Option<Option<Directive>>) {
    struct Edit<F>(F);
    impl<F: FnMut(&Directive) -> Option<Option<Directive>>> EditVisitor for Edit<F> {
        // On the way out, so that what was changed is not looked at again.
        fn leave(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            match node {
                NodeRef::Directive(it) => match (self.0)(it) {
                    None => EditAction::Continue,
                    Some(None) => EditAction::Delete,
                    Some(Some(it)) => EditAction::Replace(Node::Directive(it)),
                },
                _ => EditAction::Continue,
            }
        }
    }
    if let EditResult::Node(Node::Document(edited)) = visit_edit(&*document, &mut Edit(change)) {
        *document = edited;
    }
}

/// `@link(…, as: "fed")` and `@fed__key`: the composer knows the prefix `federation` alone.
fn use_the_usual_prefix(document: &mut Document) {
    let Some(link) = federation_link(document) else { return };
    let Some(prefix) = argument(link, "as").and_then(string).map(|it| format!("{it}__")) else { return };
    edit_directives(document, |it| {
        if let Some(name) = it.name.value.strip_prefix(&prefix) {
            return Some(Some(Directive { name: Name::new(format!("federation__{name}")), ..it.clone() }));
        }
        links::is_federation_link(it).then(|| {
            let arguments = it.arguments.iter().filter(|it| it.name.value != "as").cloned().collect();
            Some(Directive { arguments, ..it.clone() })
        })
    });
    rename_types(document, &prefix);
}

/// `fed__FieldSet` is `federation__FieldSet`.
fn rename_types(document: &mut Document, prefix: &str) {
    struct Rename<'p>(&'p str);
    impl EditVisitor for Rename<'_> {
        fn leave(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            let NodeRef::NamedType(it) = node else { return EditAction::Continue };
            let Some(name) = it.name.value.strip_prefix(self.0) else { return EditAction::Continue };
            EditAction::Replace(Node::NamedType(NamedType::new(format!("federation__{name}"))))
        }
    }
    if let EditResult::Node(Node::Document(edited)) = visit_edit(&*document, &mut Rename(prefix)) {
        *document = edited;
    }
    for definition in &mut document.definitions {
        if let Definition::ScalarTypeDefinition(it) = definition
            && let Some(name) = it.name.value.strip_prefix(prefix)
        {
            it.name = Name::new(format!("federation__{name}"));
        }
    }
}

/// `@federation__key` is what `@key` is with an import, and some of the composer's rules know the import alone.
/// (Not so of directives that become part of the supergraph: all graphs call those alike.)
fn import_what_is_prefixed(document: &mut Document) {
    const PLAIN: [&str; 9] = [
        "key",
        "requires",
        "provides",
        "external",
        "extends",
        "shareable",
        "override",
        "interfaceObject",
        "composeDirective",
    ];
    let used = directives_used(document);
    let is_defined = |name: &str| {
        document.definitions.iter().any(|it| {
            matches!(it, Definition::DirectiveDefinition(it)
                if it.name.value == name || it.name.value == format!("federation__{name}"))
        })
    };
    let is_prefixed = |name: &&str| used.contains(&format!("federation__{name}"));
    let free = |name: &&str| !used.contains(*name) && !is_defined(name);
    let names: Vec<&str> = PLAIN.into_iter().filter(is_prefixed).filter(free).collect();
    if names.is_empty() || federation_link(document).is_none() {
        return;
    }
    edit_directives(document, |it| {
        let name = it.name.value.strip_prefix("federation__").filter(|it| names.contains(it));
        if let Some(name) = name {
            return Some(Some(Directive { name: Name::new(name), ..it.clone() }));
        }
        let added = names.iter().map(|it| Value::string(format!("@{it}")));
        links::is_federation_link(it).then(|| Some(with_imports(it, added.collect())))
    });
}

fn with_imports(link: &Directive, added: Vec<Value>) -> Directive {
    let mut link = link.clone();
    match link.arguments.iter_mut().find(|it| it.name.value == "import").map(|it| &mut it.value) {
        Some(Value::List(list)) => list.values.extend(added),
        _ => link.arguments.push(Argument::new("import", Value::list(added))),
    }
    link
}

/// `@cacheTag` is for caches in front of subgraphs, of which there are none.
fn drop_cache_tags(graph: &str, document: &mut Document) -> Option<String> {
    if links::federation_minor(document).is_none_or(|it| it < links::CACHE_TAG_SINCE) {
        return None;
    }
    let name = Names::of(document).federation("cacheTag");
    let mut found = false;
    edit_directives(document, |it| {
        if it.name.value == name {
            found = true;
            return Some(None);
        }
        links::is_federation_link(it).then(|| Some(without_import(it, "@cacheTag")))
    });
    document
        .definitions
        .retain(|it| !matches!(it, Definition::DirectiveDefinition(it) if it.name.value == name));
    found.then(|| format!("graph \"{graph}\": @{name} has no effect"))
}

fn without_import(link: &Directive, name: &str) -> Directive {
    let mut link = link.clone();
    for argument in link.arguments.iter_mut().filter(|it| it.name.value == "import") {
        if let Value::List(list) = &mut argument.value {
            list.values.retain(|it| links::imported(it).is_none_or(|(imported, _)| imported != name));
        }
    }
    link
}

/// `fields: "{ id }"` is `fields: "id"`, and an optional argument that is null is one that is not there.
fn trim_directives(document: &mut Document) {
    let names = Names::of(document);
    let sets = ["key", "requires", "provides"].map(|it| names.federation(it));
    let optional = [("key", "resolvable"), ("override", "label")];
    let optional = optional.map(|(name, argument)| (names.federation(name), argument));
    edit_directives(document, |it| {
        let name = &it.name.value;
        let mut directive = it.clone();
        let is_needless = |it: &Argument| {
            matches!(it.value, Value::Null(_))
                && optional.iter().any(|(own, argument)| own == name && it.name.value == *argument)
        };
        directive.arguments.retain(|it| !is_needless(it));
        for argument in
            directive.arguments.iter_mut().filter(|it| it.name.value == "fields" && sets.contains(name))
        {
            let inner = string(&argument.value).map(str::trim);
            let inner = inner.and_then(|it| it.strip_prefix('{')?.strip_suffix('}')).map(str::to_owned);
            if let Some(inner) = inner {
                argument.value = Value::string(inner);
            }
        }
        (directive != *it).then_some(Some(directive))
    });
}

/// Tags of the whole schema name no part of it. (They came with v0.3 of their specification, and Federation 2.3.)
fn drop_tags_of_schemas(document: &mut Document) {
    if links::federation_minor(document).is_none_or(|it| it < 3) {
        return;
    }
    let tag = Names::of(document).federation("tag");
    for definition in &mut document.definitions {
        match definition {
            Definition::SchemaDefinition(it) => it.directives.retain(|it| it.name.value != tag),
            Definition::SchemaExtension(it) => it.directives.retain(|it| it.name.value != tag),
            _ => {}
        }
    }
}

/// The composer writes `tag/v0.3` and does not read it.
fn lower_tag_link(document: &mut Document) {
    const READ: &str = "https://specs.apollo.dev/tag/v0.2";
    const WRITTEN: &str = "https://specs.apollo.dev/tag/v0.3";
    edit_directives(document, |it| {
        let written = it.arguments.iter().position(|it| string(&it.value) == Some(WRITTEN))?;
        let mut link = it.clone();
        link.arguments[written].value = Value::string(READ);
        Some(Some(link))
    });
}

/// Graphs of Federation 1 may name one field without quotes, or several in a list.
fn write_field_sets_as_strings(document: &mut Document) {
    edit_directives(document, |it| {
        if !["key", "requires", "provides"].contains(&it.name.value.as_str()) {
            return None;
        }
        let fields = it.arguments.iter().position(|it| it.name.value == "fields")?;
        let text = match &it.arguments[fields].value {
            Value::Enum(it) => it.value.clone(),
            Value::List(it) => it.values.iter().map(string).collect::<Option<Vec<_>>>()?.join(" "),
            _ => return None,
        };
        let mut directive = it.clone();
        directive.arguments[fields].value = Value::string(text);
        Some(Some(directive))
    });
}

/// `scopes: "a"` and `scopes: ["a"]` are `scopes: [["a"]]`, as for any list in GraphQL.
fn nest_scopes(document: &mut Document) {
    let names = Names::of(document);
    let named = [("requiresScopes", "scopes"), ("policy", "policies")];
    let named = named.map(|(name, argument)| (names.of_directive(name), argument));
    edit_directives(document, |it| {
        let (_, name) = named.iter().find(|(names, _)| names.contains(&it.name.value))?;
        let place = it.arguments.iter().position(|it| it.name.value == *name)?;
        let nested = match &it.arguments[place].value {
            Value::List(list) if list.values.iter().all(|it| matches!(it, Value::List(_))) => return None,
            Value::List(list) => {
                let nest = |it: &Value| match it {
                    Value::List(_) => it.clone(),
                    one => Value::list(vec![one.clone()]),
                };
                Value::list(list.values.iter().map(nest).collect())
            }
            one => Value::list(vec![Value::list(vec![one.clone()])]),
        };
        let mut directive = it.clone();
        directive.arguments[place].value = nested;
        Some(Some(directive))
    });
}

/// `@composeDirective(name: "@tag")`: these are part of the supergraph anyway.
fn drop_needless_compositions(document: &mut Document) {
    let names = Names::of(document);
    let marks = ["tag", "inaccessible", "authenticated", "requiresScopes", "policy"];
    let marks: BTreeSet<String> = marks.iter().map(|it| format!("@{}", names.federation(it))).collect();
    let compose = names.federation("composeDirective");
    edit_directives(document, |it| {
        let name = argument(it, "name").and_then(string);
        (it.name.value == compose && name.is_some_and(|it| marks.contains(it))).then_some(None)
    });
}

/// `@composeDirective(name: "@mine__x")`: the composer carries over what is imported.
fn import_composed_directives(document: &mut Document) {
    let compose = Names::of(document).federation("composeDirective");
    let directives = document.definitions.iter().flat_map(links::schema_directives);
    let composed = directives.filter(|it| it.name.value == compose);
    let composed = composed.filter_map(|it| argument(it, "name").and_then(string)?.strip_prefix('@'));
    let composed: Vec<(String, String)> = composed
        .filter_map(|it| it.split_once("__").filter(|(prefix, _)| *prefix != "federation"))
        .map(|(prefix, name)| (prefix.to_owned(), name.to_owned()))
        .collect();
    if composed.is_empty() {
        return;
    }
    edit_directives(document, |it| {
        let prefix = links::prefix_of(it).filter(|_| it.name.value == "link")?;
        let added: Vec<Value> = composed
            .iter()
            .filter(|(own, _)| own == prefix)
            .filter_map(|(_, name)| links::import_as(name, &format!("{prefix}__{name}")))
            .collect();
        (!added.is_empty()).then(|| Some(with_imports(it, added)))
    });
}

/// Says of arguments, input fields and labels what the reference makes of what the graphs say together: the
/// types that stand for all, defaults spelt alike, and nothing that is left out of the supergraph.
pub(super) fn beside_each_other(all: &All<'_, '_>) -> Vec<Document> {
    let changes = Changes::of(all);
    let changed = |(index, graph): (usize, &Graph<'_>)| {
        let mut document = graph.document.clone();
        if !changes.is_empty() {
            changes.apply(index, graph, &mut document);
        }
        document
    };
    all.graphs().iter().enumerate().map(changed).collect()
}

/// Field and argument; an input field has no argument.
type Place = (Coordinate, Option<String>);

/// What becomes of arguments and input fields.
#[derive(Default)]
struct Changes {
    left_out: BTreeSet<Place>,
    types: BTreeMap<Place, Type>,
    defaults: BTreeMap<Place, Value>,
    /// Graph and field of labels that nobody reads.
    labels: BTreeSet<(usize, Coordinate)>,
}

impl Changes {
    fn of(all: &All<'_, '_>) -> Self {
        let mut changes = Self::default();
        for (coordinate, sources) in all.arguments() {
            let count = sources.sources;
            for (name, inputs) in sources.inputs {
                changes.add((coordinate.clone(), Some(name.to_owned())), count, &inputs, all);
            }
        }
        for (coordinate, inputs) in all.inputs() {
            let holders = all.graphs().iter().filter(|it| it.types.contains_key(&coordinate.0)).count();
            // What has no default is required, or the composer leaves it out itself.
            let is_kept = inputs.iter().any(|(_, it)| it.default_value.is_none());
            let count = if is_kept { inputs.len() } else { holders };
            changes.add((coordinate, None), count, &inputs, all);
        }
        changes.labels = all.needless_labels();
        changes
    }

    fn add(
        &mut self,
        place: Place,
        sources: usize,
        inputs: &[(usize, &InputValueDefinition)],
        all: &All<'_, '_>,
    ) {
        if inputs.len() < sources {
            if !inputs.iter().any(|(_, it)| is_required(it)) {
                self.left_out.insert(place);
            }
            return;
        }
        let types = inputs.iter().map(|(graph, it)| (*graph, &it.ty));
        if let Ok(merged) = all.merge(types, true)
            && inputs.iter().any(|(_, it)| differ_within(&it.ty, merged))
        {
            self.types.insert(place.clone(), merged.clone());
        }
        let defaults: Vec<&Value> = inputs.iter().filter_map(|(_, it)| it.default_value.as_ref()).collect();
        if let Some((first, others)) = defaults.split_first()
            && others.iter().any(|it| it != first)
            && others.iter().all(|it| same_value(first, it))
        {
            self.defaults.insert(place, (*first).clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.left_out.is_empty()
            && self.types.is_empty()
            && self.defaults.is_empty()
            && self.labels.is_empty()
    }

    fn apply(&self, index: usize, graph: &Graph<'_>, document: &mut Document) {
        for definition in &mut document.definitions {
            match definition {
                Definition::ObjectTypeDefinition(it) => {
                    self.apply_to_fields(index, graph, &it.name.value, &mut it.fields);
                }
                Definition::ObjectTypeExtension(it) => {
                    self.apply_to_fields(index, graph, &it.name.value, &mut it.fields);
                }
                Definition::InterfaceTypeDefinition(it) => {
                    self.apply_to_fields(index, graph, &it.name.value, &mut it.fields);
                }
                Definition::InterfaceTypeExtension(it) => {
                    self.apply_to_fields(index, graph, &it.name.value, &mut it.fields);
                }
                Definition::InputObjectTypeDefinition(it) => {
                    self.apply_to_inputs(&it.name.value, &mut it.fields);
                }
                Definition::InputObjectTypeExtension(it) => {
                    self.apply_to_inputs(&it.name.value, &mut it.fields);
                }
                _ => {}
            }
        }
    }

    fn apply_to_fields(&self, index: usize, graph: &Graph<'_>, owner: &str, fields: &mut [FieldDefinition]) {
        for field in fields {
            let coordinate = (graph.canonical(owner).to_owned(), field.name.value.clone());
            if self.labels.contains(&(index, coordinate.clone())) {
                let is_label = |it: &Argument| it.name.value == "label";
                field.directives.iter_mut().for_each(|it| it.arguments.retain(|it| !is_label(it)));
            }
            if graph.is_external(&coordinate.0, &coordinate.1) {
                continue;
            }
            let place = |it: &InputValueDefinition| (coordinate.clone(), Some(it.name.value.clone()));
            field.arguments.retain(|it| !self.left_out.contains(&place(it)));
            field.arguments.iter_mut().for_each(|it| self.apply_to_input(&place(it), it));
        }
    }

    fn apply_to_inputs(&self, owner: &str, fields: &mut Vec<InputValueDefinition>) {
        let place = |it: &InputValueDefinition| ((owner.to_owned(), it.name.value.clone()), None);
        fields.retain(|it| !self.left_out.contains(&place(it)));
        fields.iter_mut().for_each(|it| self.apply_to_input(&place(it), it));
    }

    fn apply_to_input(&self, place: &Place, input: &mut InputValueDefinition) {
        if let Some(ty) = self.types.get(place) {
            input.ty = ty.clone();
        }
        if let (Some(default), Some(own)) = (self.defaults.get(place), &mut input.default_value) {
            *own = default.clone();
        }
    }
}

/// Whether types differ in more than that one of them may be null, which the composer bridges itself.
fn differ_within(one: &Type, other: &Type) -> bool {
    let inner = |it: &Type| match it {
        Type::NonNull(it) => (*it.ty).clone(),
        it => it.clone(),
    };
    inner(one) != inner(other)
}

/// A graph that does not resolve some mutations.
pub(super) fn without_mutations(graph: &Graph<'_>, document: &mut Document, names: &BTreeSet<&str>) {
    let is_root = |it: &str| graph.canonical(it) == "Mutation";
    let gone = |it: &FieldDefinition| names.contains(it.name.value.as_str());
    document.definitions.retain_mut(|it| {
        let (fields, is_extension) = match it {
            Definition::ObjectTypeDefinition(it) if is_root(&it.name.value) => (&mut it.fields, false),
            Definition::ObjectTypeExtension(it) if is_root(&it.name.value) => (&mut it.fields, true),
            _ => return true,
        };
        let before = fields.len();
        fields.retain(|it| !gone(it));
        !fields.is_empty() || (is_extension && before == 0)
    });
    let is_left = document.definitions.iter().filter_map(Part::of).any(|it| is_root(it.name));
    for definition in document.definitions.iter_mut().filter(|_| !is_left) {
        let operations = match definition {
            Definition::SchemaDefinition(it) => &mut it.operation_types,
            Definition::SchemaExtension(it) => &mut it.operation_types,
            _ => continue,
        };
        operations.retain(|it| !is_root(&it.ty.name.value));
    }
}
