//! Whether a document means something in a schema (GraphQL specification, section 5).
//!
//! One walk per definition, at each step of which the rules speak in the order of the reference implementation
//! (graphql-js 16.15, its `specifiedRules`), so that errors come in its order. The rules lie in files by theme.

mod arguments;
mod directives;
mod fields;
mod fragments;
mod operations;
mod overlap;
mod traversal;
mod values;
mod variables;

use super::{
    ast::{
        Argument, Definition, Directive, Document, Field, FragmentDefinition, FragmentSpread, InlineFragment,
        Name, ObjectField, OperationDefinition, Place, SelectionSet, Value, VariableDefinition,
    },
    error::Error,
    schema::{Schema, Type, TypeId},
    suggest,
};
use std::collections::HashMap;
use traversal::{Site, Slot, Visitor, Walker};

/// How validation goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationOptions {
    /// With this many errors it stops, and says so in one more.
    pub errors_max: usize,
    /// Comparisons and visits of fragments, beyond the one walk through the document. Past it the document is refused
    /// with [`ErrorKind::Limit`](super::ErrorKind::Limit).
    pub work_max: usize,
    /// Fields within fields that are compared with each other, through fragments too: a bound of the stack. Past
    /// it the document is refused likewise.
    pub nesting_max: usize,
    /// Whether messages name what may have been meant. They tell of the schema.
    pub suggestions: bool,
}

impl Default for ValidationOptions {
    /// The numbers of the reference implementation, without suggestions.
    fn default() -> Self {
        Self { errors_max: 100, work_max: 550_000, nesting_max: 200, suggestions: false }
    }
}

/// All mistakes of a document, in the order of the reference implementation; none for a valid one.
pub fn validate(schema: &Schema, document: &Document, options: &ValidationOptions) -> Vec<Error> {
    let context = Context::of(schema, document);
    let mut rules = Rules::new(&context, *options);
    // Why it ended early is the last of the errors.
    let _ = rules.document();
    rules.errors
}

/// Validation ends early: an error says why.
struct Aborted;

type Step = Result<(), Aborted>;

/// What all rules look things up in.
struct Context<'a> {
    schema: &'a Schema,
    document: &'a Document,
    /// The definitions of fragments by name, as numbers among the document's definitions. Of two of one name the last
    /// counts.
    fragments: HashMap<&'a str, usize>,
    /// Types of variables, by definition of the document; `None` for unknown ones.
    variable_types: Vec<Vec<Option<Type>>>,
}

impl<'a> Context<'a> {
    fn of(schema: &'a Schema, document: &'a Document) -> Self {
        let mut fragments = HashMap::new();
        let mut variable_types = Vec::with_capacity(document.definitions.len());
        for (index, definition) in document.definitions.iter().enumerate() {
            let mut types = Vec::new();
            match definition {
                Definition::Operation(it) => {
                    types.extend(it.variables.iter().map(|it| schema.resolve(&it.ty)));
                }
                Definition::Fragment(it) => {
                    fragments.insert(it.name.as_str(), index);
                }
                Definition::TypeSystem(_) => {}
            }
            variable_types.push(types);
        }
        Self { schema, document, fragments, variable_types }
    }

    fn fragment(&self, name: &str) -> Option<&'a FragmentDefinition> {
        self.fragments.get(name).and_then(|it| self.fragment_at(*it))
    }

    fn fragment_at(&self, index: usize) -> Option<&'a FragmentDefinition> {
        match &self.document.definitions[index] {
            Definition::Fragment(it) => Some(it),
            _ => None,
        }
    }

    /// The selections of an operation or fragment.
    fn selection_set(&self, index: usize) -> Option<&'a SelectionSet> {
        match &self.document.definitions[index] {
            Definition::Operation(it) => Some(&it.selection_set),
            Definition::Fragment(it) => Some(&it.selection_set),
            Definition::TypeSystem(_) => None,
        }
    }
}

/// The rules at work: what they have seen and found.
struct Rules<'a> {
    context: &'a Context<'a>,
    schema: &'a Schema,
    options: ValidationOptions,
    errors: Vec<Error>,
    work: usize,
    operations: operations::State<'a>,
    fragments: fragments::State<'a>,
    variables: variables::State<'a>,
    values: values::State<'a>,
    overlap: overlap::State<'a>,
    fields: fields::State<'a>,
}

impl<'a> Rules<'a> {
    fn new(context: &'a Context<'a>, options: ValidationOptions) -> Self {
        let definitions = context.document.definitions.len();
        Self {
            context,
            schema: context.schema,
            options,
            errors: Vec::new(),
            work: 0,
            operations: operations::State::default(),
            fragments: fragments::State::of(definitions),
            variables: variables::State::of(definitions),
            values: values::State::default(),
            overlap: overlap::State::default(),
            fields: fields::State::default(),
        }
    }

    fn document(&mut self) -> Step {
        let context = self.context;
        self.executable_definitions()?;
        // What else is wrong with a document that is not to be executed helps nobody.
        if !self.errors.is_empty() {
            return Ok(());
        }
        for (index, definition) in context.document.definitions.iter().enumerate() {
            let mut walker = Walker { context, visitor: self };
            match definition {
                Definition::Operation(it) => {
                    walker.operation(it, &context.variable_types[index])?;
                    self.leave_operation(index, it)?;
                }
                Definition::Fragment(it) => walker.fragment_definition(it)?,
                Definition::TypeSystem(_) => {}
            }
        }
        self.no_unused_fragments()
    }

    fn leave_operation(&mut self, index: usize, it: &'a OperationDefinition) -> Step {
        self.no_undefined_variables(index, it)?;
        self.no_unused_variables(index, it)?;
        self.variables_in_allowed_position(index, it)
    }

    fn report(&mut self, message: String, places: Vec<Place>) -> Step {
        if self.errors.len() >= self.options.errors_max {
            let message = "Too many validation errors, error limit reached. Validation aborted.";
            self.errors.push(Error::validation(message.to_owned(), Vec::new()));
            return Err(Aborted);
        }
        self.errors.push(Error::validation(message, places));
        Ok(())
    }

    /// Counts work that the document's size alone does not bound.
    fn spend(&mut self, work: usize) -> Step {
        self.work = self.work.saturating_add(work);
        if self.work <= self.options.work_max { Ok(()) } else { Err(self.abort()) }
    }

    fn abort(&mut self) -> Aborted {
        self.errors.push(Error::limit("Validation aborted.", Vec::new()));
        Aborted
    }

    /// "Did you mean …?", where that is wanted.
    fn suggest<'n>(&self, what: &str, input: &str, names: impl Iterator<Item = &'n str>) -> String {
        if !self.options.suggestions {
            return String::new();
        }
        suggest::did_you_mean(what, &suggest::near(input, names))
    }
}

/// Which rules look at which step, in the order in which they do.
impl<'a> Visitor<'a> for Rules<'a> {
    fn enter_operation(&mut self, it: &'a OperationDefinition) -> Step {
        self.unique_operation_names(it)?;
        self.lone_anonymous_operation(it)?;
        self.single_field_subscriptions(it)?;
        self.unique_variable_names(it)?;
        self.unique_directives(&it.directives)
    }

    fn enter_fragment_definition(&mut self, it: &'a FragmentDefinition) -> Step {
        self.composite_fragment(it)?;
        self.unique_fragment_names(it)?;
        self.no_fragment_cycles(it)?;
        self.unique_directives(&it.directives)
    }

    fn variable_definition(&mut self, it: &'a VariableDefinition) -> Step {
        self.variables_are_input_types(it)?;
        self.unique_directives(&it.directives)
    }

    fn named_type(&mut self, it: &'a Name) -> Step {
        self.known_type_names(it)
    }

    fn selection_set(&mut self, it: &'a SelectionSet, parent: Option<TypeId>, is_inline: bool) -> Step {
        if is_inline { Ok(()) } else { self.overlapping_fields(it, parent) }
    }

    fn enter_field(&mut self, it: &'a Field, site: Site<'a>) -> Step {
        self.scalar_leafs(it, site)?;
        self.fields_on_correct_type(it, site)?;
        self.unique_directives(&it.directives)?;
        self.unique_argument_names(&it.arguments)?;
        self.introspection_depth(it)
    }

    fn leave_field(&mut self, it: &'a Field, site: Site<'a>) -> Step {
        self.leave_introspection(it);
        self.required_field_arguments(it, site)
    }

    fn inline_fragment(&mut self, it: &'a InlineFragment, site: Site<'a>) -> Step {
        self.composite_inline_fragment(it)?;
        self.possible_inline_fragment(it, site)?;
        self.unique_directives(&it.directives)
    }

    fn fragment_spread(&mut self, it: &'a FragmentSpread, site: Site<'a>) -> Step {
        self.known_fragment_names(it)?;
        self.possible_fragment_spread(it, site)?;
        self.unique_directives(&it.directives)
    }

    fn enter_directive(&mut self, it: &'a Directive, location: &'static str) -> Step {
        self.known_directives(it, location)?;
        self.known_directive_arguments(it)?;
        self.unique_argument_names(&it.arguments)
    }

    fn leave_directive(&mut self, it: &'a Directive) -> Step {
        self.required_directive_arguments(it)
    }

    fn field_argument(&mut self, it: &'a Argument, site: Site<'a>) -> Step {
        self.known_field_argument(it, site)
    }

    fn leaf(&mut self, it: &'a Value, slot: Slot<'a>) -> Step {
        self.leaf_of_correct_type(it, slot)
    }

    fn enter_list(&mut self, it: &'a Value, slot: Slot<'a>) -> Step {
        self.list_of_correct_type(it, slot)
    }

    fn enter_object(&mut self, it: &'a Value, members: &'a [ObjectField], slot: Slot<'a>) -> Step {
        self.object_of_correct_type(it, members, slot)?;
        self.enter_unique_fields(members);
        Ok(())
    }

    fn object_field(&mut self, siblings: &'a [ObjectField], at: usize, slot: Slot<'a>) -> Step {
        self.known_input_field(&siblings[at], slot)?;
        self.unique_input_field_names(siblings, at)
    }

    fn leave_compound(&mut self, it: &'a Value) {
        self.leave_value();
        if matches!(it, Value::Object(..)) {
            self.leave_unique_fields();
        }
    }
}

/// Groups of two or more of one name, each in the order of the text.
fn repeated<'n>(names: impl Iterator<Item = &'n Name> + Clone) -> Vec<(&'n str, Vec<Place>)> {
    /// Below this, comparing each with each costs less than a table.
    const FEW: usize = 8;
    let few = names.clone().take(FEW + 1).count() <= FEW;
    let is_new = |(at, name): (usize, &Name)| !names.clone().take(at).any(|it| it.text == name.text);
    if few && names.clone().enumerate().all(is_new) {
        return Vec::new();
    }
    let (mut groups, mut index) = (Vec::<(&str, Vec<Place>)>::new(), HashMap::new());
    for name in names {
        let at = *index.entry(name.as_str()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, places)) => places.push(name.place),
            None => groups.push((name.as_str(), vec![name.place])),
        }
    }
    groups.retain(|(_, places)| places.len() > 1);
    groups
}
