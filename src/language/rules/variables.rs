//! Rules of variables (GraphQL specification, section 5.8).

use super::{
    Aborted, Rules, Step, repeated,
    traversal::{Slot, Visitor, Walker},
};
use crate::language::{
    ast::{Definition, OperationDefinition, Value, Variable, VariableDefinition},
    schema::{Schema, Type, TypeId, TypeKind},
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Uses of variables, as far as they have been looked for.
pub(super) struct State<'a> {
    /// By definition of the document: those within it.
    within: Vec<Option<Usages<'a>>>,
    /// Those of the operation that is being judged.
    of_operation: Option<(usize, Parts<'a>)>,
}

impl State<'_> {
    pub(super) fn of(definitions: usize) -> Self {
        Self { within: vec![None; definitions], of_operation: None }
    }
}

/// Those in one definition.
type Usages<'a> = Rc<[Usage<'a>]>;

/// Those in an operation, and in each fragment that it leads to.
type Parts<'a> = Rc<[Usages<'a>]>;

/// A use of a variable.
struct Usage<'a> {
    variable: &'a Variable,
    slot: Slot<'a>,
}

/// Collects uses.
struct Collector<'a>(Vec<Usage<'a>>);

impl<'a> Visitor<'a> for Collector<'a> {
    const VARIABLE_DEFINITIONS: bool = false;

    fn variable(&mut self, variable: &'a Variable, slot: Slot<'a>) -> Step {
        self.0.push(Usage { variable, slot });
        Ok(())
    }
}

impl<'a> Rules<'a> {
    /// Variables Are Input Types.
    pub(super) fn variables_are_input_types(&mut self, it: &'a VariableDefinition) -> Step {
        let id = self.schema.id(it.ty.name().as_str());
        if id.is_none_or(|it| self.schema.is_input(it)) {
            return Ok(());
        }
        let name = &it.variable.name;
        let message = format!("Variable \"${name}\" cannot be non-input type \"{}\".", it.ty);
        self.report(message, vec![it.ty.place()])
    }

    /// Variable Uniqueness.
    pub(super) fn unique_variable_names(&mut self, it: &'a OperationDefinition) -> Step {
        if it.variables.len() < 2 {
            return Ok(());
        }
        for (name, places) in repeated(it.variables.iter().map(|it| &it.variable.name)) {
            self.report(format!("There can be only one variable named \"${name}\"."), places)?;
        }
        Ok(())
    }

    /// All Variable Uses Defined.
    pub(super) fn no_undefined_variables(&mut self, index: usize, it: &'a OperationDefinition) -> Step {
        let parts = self.usages(index)?;
        if parts.iter().all(|it| it.is_empty()) {
            return Ok(());
        }
        let defined: HashSet<&str> = it.variables.iter().map(|it| it.variable.name.as_str()).collect();
        for usage in parts.iter().flat_map(|it| it.iter()) {
            let name = usage.variable.name.as_str();
            if defined.contains(name) {
                continue;
            }
            let message = match &it.name {
                Some(operation) => {
                    format!("Variable \"${name}\" is not defined by operation \"{operation}\".")
                }
                None => format!("Variable \"${name}\" is not defined."),
            };
            self.report(message, vec![usage.variable.place, it.place])?;
        }
        Ok(())
    }

    /// All Variables Used.
    pub(super) fn no_unused_variables(&mut self, index: usize, it: &'a OperationDefinition) -> Step {
        if it.variables.is_empty() {
            return Ok(());
        }
        let parts = self.usages(index)?;
        let usages = parts.iter().flat_map(|it| it.iter());
        let used: HashSet<&str> = usages.map(|it| it.variable.name.as_str()).collect();
        for definition in &it.variables {
            let name = definition.variable.name.as_str();
            if used.contains(name) {
                continue;
            }
            let message = match &it.name {
                Some(operation) => {
                    format!("Variable \"${name}\" is never used in operation \"{operation}\".")
                }
                None => format!("Variable \"${name}\" is never used."),
            };
            self.report(message, vec![definition.place])?;
        }
        Ok(())
    }

    /// All Variable Usages Are Allowed.
    pub(super) fn variables_in_allowed_position(
        &mut self,
        index: usize,
        it: &'a OperationDefinition,
    ) -> Step {
        if it.variables.is_empty() {
            return Ok(());
        }
        let definitions: HashMap<&str, (&VariableDefinition, Option<&Type>)> = it
            .variables
            .iter()
            .zip(&self.context.variable_types[index])
            .map(|(it, ty)| (it.variable.name.as_str(), (it, ty.as_ref())))
            .collect();
        let parts = self.usages(index)?;
        for usage in parts.iter().flat_map(|it| it.iter()) {
            let Some((definition, Some(ty))) = definitions.get(usage.variable.name.as_str()) else {
                continue;
            };
            self.allowed_position(definition, ty, usage)?;
        }
        Ok(())
    }

    fn allowed_position(
        &mut self,
        definition: &'a VariableDefinition,
        ty: &'a Type,
        usage: &Usage<'a>,
    ) -> Step {
        let schema = self.schema;
        let Some(expected) = usage.slot.ty else { return Ok(()) };
        let (name, shown) = (&usage.variable.name, schema.show(ty));
        let places = || vec![definition.place, usage.variable.place];
        if !is_allowed(schema, definition, ty, expected, usage.slot.has_default) {
            let message = format!(
                "Variable \"${name}\" of type \"{shown}\" used in position expecting type \"{}\".",
                schema.show(expected)
            );
            self.report(message, places())?;
        }
        match usage.slot.object.filter(|it| is_one_of(schema, *it)) {
            Some(object) if !ty.is_non_null() => {
                let message = format!(
                    "Variable \"${name}\" is of type \"{shown}\" but must be non-nullable to be used for OneOf Input Object \"{}\".",
                    schema.name(object)
                );
                self.report(message, places())
            }
            _ => Ok(()),
        }
    }

    /// The uses of variables in an operation and in the fragments that it leads to.
    fn usages(&mut self, operation: usize) -> Result<Parts<'a>, Aborted> {
        if let Some((_, parts)) = self.variables.of_operation.as_ref().filter(|(of, _)| *of == operation) {
            return Ok(parts.clone());
        }
        let mut parts = vec![self.usages_within(operation)?];
        for fragment in self.referenced(&[operation])? {
            let part = self.usages_within(fragment)?;
            self.spend(1 + part.len())?;
            parts.push(part);
        }
        let parts: Rc<[_]> = parts.into();
        self.variables.of_operation = Some((operation, parts.clone()));
        Ok(parts)
    }

    fn usages_within(&mut self, index: usize) -> Result<Usages<'a>, Aborted> {
        if let Some(known) = &self.variables.within[index] {
            return Ok(known.clone());
        }
        let mut collector = Collector(Vec::new());
        let mut walker = Walker { context: self.context, visitor: &mut collector };
        match &self.context.document.definitions[index] {
            Definition::Operation(it) => walker.operation(it, &self.context.variable_types[index])?,
            Definition::Fragment(it) => walker.fragment_definition(it)?,
            Definition::TypeSystem(_) => {}
        }
        let usages: Rc<[_]> = collector.0.into();
        self.variables.within[index] = Some(usages.clone());
        Ok(usages)
    }
}

fn is_one_of(schema: &Schema, id: TypeId) -> bool {
    matches!(schema.definition(id).kind, TypeKind::InputObject { is_one_of: true, .. })
}

/// Whether values of a variable fit a place: a default on either side stands in for null.
fn is_allowed(
    schema: &Schema,
    definition: &VariableDefinition,
    ty: &Type,
    expected: &Type,
    has_default: bool,
) -> bool {
    if expected.is_non_null() && !ty.is_non_null() {
        let stands_in = definition.default_value.as_ref().is_some_and(|it| !matches!(it, Value::Null(_)));
        return (stands_in || has_default) && is_subtype(schema, ty, expected.nullable());
    }
    is_subtype(schema, ty, expected)
}

/// Whether every value of a type is one of the other.
fn is_subtype(schema: &Schema, ty: &Type, of: &Type) -> bool {
    match (ty, of) {
        (Type::NonNull(ty), Type::NonNull(of)) | (Type::List(ty), Type::List(of)) => {
            is_subtype(schema, ty, of)
        }
        (Type::NonNull(ty), of) => is_subtype(schema, ty, of),
        (Type::Named(ty), Type::Named(of)) => ty == of || schema.is_subtype(*ty, *of),
        _ => false,
    }
}
