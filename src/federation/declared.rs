//! What each graph declares, type by type and field by field, and which federation directives apply to it: what
//! the checks of composition compare. The composer has such a view of its own, which it does not show.

use super::{
    dialect::directives_used,
    events::selection_of,
    links::{self, Names},
    sdl::{Sdl, argument, named, string},
};
use federation_composition::graphql_core::{
    Definition, Directive, Document, EnumValueDefinition, Field as Selected, FieldDefinition,
    InputValueDefinition, NamedType, OperationType, Selection, SelectionSet, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// Owning type and field.
pub(super) type Coordinate = (String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Interface,
    Union,
    Enum,
    Input,
    Scalar,
}

/// A type, its definition and its extensions taken together.
pub(super) struct Type<'a> {
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part<'a>>,
}

/// A definition or an extension of a type.
pub(super) struct Part<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) extends: bool,
    pub(super) directives: &'a [Directive],
    pub(super) interfaces: &'a [NamedType],
    pub(super) fields: &'a [FieldDefinition],
    pub(super) inputs: &'a [InputValueDefinition],
    pub(super) members: &'a [NamedType],
    pub(super) values: &'a [EnumValueDefinition],
}

impl<'a> Type<'a> {
    pub(super) fn directives(&self) -> impl Iterator<Item = &'a Directive> {
        self.parts.iter().flat_map(|it| it.directives)
    }

    pub(super) fn interfaces(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().flat_map(|it| it.interfaces).map(|it| it.name.value.as_str())
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &'a FieldDefinition> {
        self.parts.iter().flat_map(|it| it.fields)
    }

    pub(super) fn field(&self, name: &str) -> Option<&'a FieldDefinition> {
        self.fields().find(|it| it.name.value == name)
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = &'a InputValueDefinition> {
        self.parts.iter().flat_map(|it| it.inputs)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().flat_map(|it| it.members).map(|it| it.name.value.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &'a EnumValueDefinition> {
        self.parts.iter().flat_map(|it| it.values)
    }

    pub(super) fn has_fields(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Interface)
    }

    pub(super) fn is_abstract(&self) -> bool {
        matches!(self.kind, Kind::Interface | Kind::Union)
    }

    pub(super) fn is_composite(&self) -> bool {
        self.has_fields() || self.kind == Kind::Union
    }
}

impl<'a> Part<'a> {
    pub(super) fn of(definition: &'a Definition) -> Option<Self> {
        let part = |kind, name, extends, directives| Part {
            kind,
            name,
            extends,
            directives,
            interfaces: &[],
            fields: &[],
            inputs: &[],
            members: &[],
            values: &[],
        };
        macro_rules! part {
            ($kind:ident, $it:ident, $extends:literal $(, $slot:ident: $from:ident)*) => {
                Part {
                    $($slot: &$it.$from,)*
                    ..part(Kind::$kind, $it.name.value.as_str(), $extends, &$it.directives)
                }
            };
        }
        Some(match definition {
            Definition::ObjectTypeDefinition(it) => {
                part!(Object, it, false, fields: fields, interfaces: interfaces)
            }
            Definition::ObjectTypeExtension(it) => {
                part!(Object, it, true, fields: fields, interfaces: interfaces)
            }
            Definition::InterfaceTypeDefinition(it) => {
                part!(Interface, it, false, fields: fields, interfaces: interfaces)
            }
            Definition::InterfaceTypeExtension(it) => {
                part!(Interface, it, true, fields: fields, interfaces: interfaces)
            }
            Definition::UnionTypeDefinition(it) => part!(Union, it, false, members: types),
            Definition::UnionTypeExtension(it) => part!(Union, it, true, members: types),
            Definition::EnumTypeDefinition(it) => part!(Enum, it, false, values: values),
            Definition::EnumTypeExtension(it) => part!(Enum, it, true, values: values),
            Definition::InputObjectTypeDefinition(it) => part!(Input, it, false, inputs: fields),
            Definition::InputObjectTypeExtension(it) => part!(Input, it, true, inputs: fields),
            Definition::ScalarTypeDefinition(it) => part!(Scalar, it, false),
            Definition::ScalarTypeExtension(it) => part!(Scalar, it, true),
            _ => return None,
        })
    }
}

/// One graph.
pub(super) struct Graph<'a> {
    pub(super) name: &'a str,
    pub(super) document: &'a Document,
    pub(super) names: Names,
    /// Written for Federation 1: it links nothing, and what it shares needs no mark.
    pub(super) is_first: bool,
    pub(super) types: BTreeMap<String, Type<'a>>,
    /// Root types by what they are called elsewhere.
    roots: Vec<(&'a str, &'static str)>,
    directives_used: BTreeSet<String>,
    /// Objects that stand for interfaces of other graphs.
    pub(super) interface_objects: BTreeSet<String>,
    external: BTreeSet<Coordinate>,
    provided: BTreeSet<Coordinate>,
    shareable: BTreeSet<Coordinate>,
    used: BTreeSet<Coordinate>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(name: &'a str, document: &'a Document) -> Self {
        let names = Names::of(document);
        let sdl = Sdl::of(document);
        let usual = [
            (OperationType::Query, "Query"),
            (OperationType::Mutation, "Mutation"),
            (OperationType::Subscription, "Subscription"),
        ];
        let roots = usual.map(|(operation, usual)| (sdl.root_name(operation), usual)).to_vec();
        let mut graph = Self {
            name,
            document,
            is_first: names.links_nothing(),
            names,
            types: BTreeMap::new(),
            roots,
            directives_used: directives_used(document),
            interface_objects: BTreeSet::new(),
            external: BTreeSet::new(),
            provided: BTreeSet::new(),
            shareable: BTreeSet::new(),
            used: BTreeSet::new(),
        };
        for part in document.definitions.iter().filter_map(Part::of) {
            let (name, kind) = (graph.canonical(part.name).to_owned(), part.kind);
            graph.types.entry(name).or_insert(Type { kind, parts: Vec::new() }).parts.push(part);
        }
        let stands_for = |(_, it): &(&String, &Type<'_>)| {
            it.kind == Kind::Object && graph.has(it.directives(), "interfaceObject")
        };
        let interface_objects = graph.types.iter().filter(stands_for).map(|(name, _)| name.clone()).collect();
        graph.interface_objects = interface_objects;
        graph.provided = graph.targets_of("provides", true);
        graph.used = graph.used();
        graph.external = graph.external();
        graph.shareable = graph.shareable();
        graph
    }

    /// What a type is called in the supergraph.
    pub(super) fn canonical<'n>(&self, name: &'n str) -> &'n str
    where
        'static: 'n,
    {
        self.roots.iter().find(|(own, _)| *own == name).map_or(name, |(_, usual)| usual)
    }

    /// A type's or field's directives of one name of the federation specification.
    pub(super) fn applied<'d>(
        &self,
        directives: impl IntoIterator<Item = &'d Directive>,
        name: &str,
    ) -> Vec<&'d Directive> {
        let (own, full) = (self.names.federation(name), format!("federation__{name}"));
        directives.into_iter().filter(|it| it.name.value == own || it.name.value == full).collect()
    }

    pub(super) fn has<'d>(&self, directives: impl IntoIterator<Item = &'d Directive>, name: &str) -> bool {
        !self.applied(directives, name).is_empty()
    }

    /// Whether a directive is one that becomes part of the supergraph, of whichever specification.
    pub(super) fn is_mark(&self, directive: &Directive, name: &str) -> bool {
        self.names.of_directive(name).contains(&directive.name.value)
    }

    /// What such a directive is called here, if it is used.
    pub(super) fn name_of_mark(&self, name: &str) -> Option<String> {
        let mut names = self.names.of_directive(name).into_iter();
        names.find(|it| self.directives_used.contains(it))
    }

    /// The graph's uses of `@composeDirective`, with the names that they give.
    pub(super) fn compositions(&self) -> Vec<(Option<&'a str>, &'a Directive)> {
        let directives = self.document.definitions.iter().flat_map(links::schema_directives);
        let compose = self.names.federation("composeDirective");
        let uses = directives.filter(|it| it.name.value == compose);
        uses.map(|it| (argument(it, "name").and_then(string), it)).collect()
    }

    pub(super) fn keys(&self, ty: &Type<'a>) -> Vec<&'a Directive> {
        self.applied(ty.directives(), "key")
    }

    pub(super) fn field(&self, owner: &str, field: &str) -> Option<&'a FieldDefinition> {
        self.types.get(owner).and_then(|it| it.field(field))
    }

    /// The type that a field gives.
    pub(super) fn type_of(&self, field: &'a FieldDefinition) -> Option<(&'a str, &Type<'a>)> {
        let name = self.canonical(named(&field.ty));
        self.types.get(name).map(|it| (name, it))
    }

    /// An object that stands for an interface of other graphs.
    pub(super) fn is_interface_object(&self, name: &str) -> bool {
        self.interface_objects.contains(name)
    }

    /// Objects that a value of a type may have in this graph.
    pub(super) fn possible(&self, name: &str) -> BTreeSet<&str> {
        match self.types.get_key_value(name) {
            Some((name, it)) if it.kind == Kind::Object => [name.as_str()].into(),
            Some((_, it)) if it.kind == Kind::Union => it.members().collect(),
            Some((name, it)) if it.kind == Kind::Interface => {
                let implements = |it: &Type<'_>| it.interfaces().any(|it| it == name);
                let objects = self.types.iter().filter(|(_, it)| it.kind == Kind::Object && implements(it));
                objects.map(|(name, _)| name.as_str()).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Another graph has to resolve the field, whatever this one provides of it.
    pub(super) fn is_external(&self, owner: &str, field: &str) -> bool {
        self.external.contains(&(owner.to_owned(), field.to_owned()))
    }

    /// The field is external and on no path provided.
    pub(super) fn is_fully_external(&self, owner: &str, field: &str) -> bool {
        self.is_external(owner, field) && !self.provided.contains(&(owner.to_owned(), field.to_owned()))
    }

    pub(super) fn is_shareable(&self, owner: &str, field: &str) -> bool {
        (self.is_first && owner != "Subscription")
            || self.shareable.contains(&(owner.to_owned(), field.to_owned()))
    }

    /// A field set leads to the field, or an interface asks for it.
    pub(super) fn is_used(&self, owner: &str, field: &str) -> bool {
        self.used.contains(&(owner.to_owned(), field.to_owned()))
    }

    /// Fields of objects and interfaces, without what Federation 1 passed over: external fields of no use.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &Type<'a>, &'a FieldDefinition)> {
        let all = self.types.iter().filter(|(_, it)| it.has_fields());
        let all = all.flat_map(|(name, it)| it.fields().map(move |field| (name.as_str(), it, field)));
        all.filter(|(owner, _, field)| {
            let field = &field.name.value;
            !(self.is_first && self.is_external(owner, field) && !self.is_used(owner, field))
        })
    }

    /// Every field set: the directive's name, its application, where it stands, the type whose fields it names,
    /// and the set, unless it is none.
    pub(super) fn field_sets(&self) -> Vec<FieldSet<'_>> {
        let mut sets = Vec::new();
        for (name, ty) in &self.types {
            for directive in self.keys(ty) {
                sets.push(FieldSet::of("key", directive, name.clone(), name));
            }
            for field in ty.fields() {
                let at = format!("{name}.{}", field.name.value);
                for directive in self.applied(&field.directives, "requires") {
                    sets.push(FieldSet::of("requires", directive, at.clone(), name));
                }
                let Some((given, _)) = self.type_of(field).filter(|(_, it)| it.is_composite()) else {
                    continue;
                };
                for directive in self.applied(&field.directives, "provides") {
                    sets.push(FieldSet::of("provides", directive, at.clone(), given));
                }
            }
        }
        sets
    }

    /// The fields that a field set leads to; those of implementations too, if wanted.
    pub(super) fn targets(&self, owner: &str, set: &SelectionSet, implementations: bool) -> Vec<Coordinate> {
        let mut found = Vec::new();
        self.walk(owner, set, &mut |owner, selected| {
            let field = &selected.name.value;
            found.push((owner.to_owned(), field.clone()));
            let is_interface = self.types.get(owner).is_some_and(|it| it.kind == Kind::Interface);
            if implementations && is_interface {
                let objects = self.possible(owner).into_iter().filter(|it| self.field(it, field).is_some());
                found.extend(objects.map(|it| (it.to_owned(), field.clone())));
            }
        });
        found
    }

    /// Visits the fields of a set that are there, with the types that they are selected on.
    pub(super) fn walk<'s>(
        &self,
        owner: &str,
        set: &'s SelectionSet,
        visit: &mut dyn FnMut(&str, &'s Selected),
    ) {
        for selection in &set.selections {
            match selection {
                Selection::Field(selected) => {
                    let Some(field) = self.field(owner, &selected.name.value) else { continue };
                    visit(owner, selected);
                    if let Some(inner) = &selected.selection_set {
                        self.walk(self.canonical(named(&field.ty)), inner, visit);
                    }
                }
                Selection::InlineFragment(it) => {
                    let condition =
                        it.type_condition.as_ref().map_or(owner, |it| self.canonical(&it.name.value));
                    self.walk(condition, &it.selection_set, visit);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn targets_of(&self, name: &str, implementations: bool) -> BTreeSet<Coordinate> {
        let sets = self.field_sets();
        let sets = sets.iter().filter(|it| it.name == name);
        let targets = sets.filter_map(|it| Some(self.targets(it.owner, it.set.as_ref()?, implementations)));
        targets.flatten().collect()
    }

    fn used(&self) -> BTreeSet<Coordinate> {
        let sets = ["key", "requires", "provides"].iter().flat_map(|it| self.targets_of(it, true));
        let mut used: BTreeSet<Coordinate> = sets.collect();
        for (name, ty) in self.types.iter().filter(|(_, it)| it.kind == Kind::Interface) {
            for object in self.possible(name) {
                used.extend(ty.fields().map(|it| (object.to_owned(), it.name.value.clone())));
            }
        }
        used
    }

    fn external(&self) -> BTreeSet<Coordinate> {
        let mut external = BTreeSet::new();
        for (name, ty) in self.types.iter().filter(|(_, it)| it.has_fields()) {
            if self.is_first && ty.kind == Kind::Interface {
                continue;
            }
            let all = !self.is_first && ty.kind == Kind::Object && self.has(ty.directives(), "external");
            let fields = ty.fields().filter(|it| all || self.has(&it.directives, "external"));
            external.extend(fields.map(|it| (name.clone(), it.name.value.clone())));
        }
        external.difference(&self.known_by_extension()).cloned().collect()
    }

    /// Key fields of an extension are known to it, whatever it says.
    fn known_by_extension(&self) -> BTreeSet<Coordinate> {
        let mut known = BTreeSet::new();
        for (name, ty) in &self.types {
            let all = self.has(ty.directives(), "extends");
            for part in ty.parts.iter().filter(|it| all || it.extends) {
                for key in self.applied(part.directives, "key") {
                    let set = FieldSet::of("key", key, name.clone(), name).set;
                    known.extend(set.map(|it| self.targets(name, &it, false)).unwrap_or_default());
                }
            }
        }
        known
    }

    fn shareable(&self) -> BTreeSet<Coordinate> {
        let mut shareable = self.targets_of("key", true);
        shareable.extend(self.provided.intersection(&self.external).cloned());
        for (name, ty) in self.types.iter().filter(|(_, it)| it.kind == Kind::Object) {
            for part in &ty.parts {
                let all = self.has(part.directives, "shareable");
                let fields = part.fields.iter().filter(|it| all || self.has(&it.directives, "shareable"));
                shareable.extend(fields.map(|it| (name.clone(), it.name.value.clone())));
            }
        }
        shareable
    }
}

/// A use of `@key`, `@requires` or `@provides`.
pub(super) struct FieldSet<'g> {
    pub(super) name: &'static str,
    pub(super) directive: &'g Directive,
    /// `Type` or `Type.field`.
    pub(super) at: String,
    /// The type whose fields are named.
    pub(super) owner: &'g str,
    pub(super) set: Option<SelectionSet>,
}

impl<'g> FieldSet<'g> {
    pub(super) fn of(name: &'static str, directive: &'g Directive, at: String, owner: &'g str) -> Self {
        let set = argument(directive, "fields").and_then(string).and_then(selection_of);
        Self { name, directive, at, owner, set }
    }

    /// Keys are there to be asked for, unless they say otherwise.
    pub(super) fn is_resolvable(directive: &Directive) -> bool {
        !matches!(argument(directive, "resolvable"), Some(Value::Boolean(it)) if !it.value)
    }
}
