//! One walk through a definition that knows the types it passes: fields and arguments by the schema, whatever is
//! known of them. The order of the steps is that of the reference implementation, since the order of errors is.
//!
//! Recursion is as deep as the text is nested, which the parser has bounded.

use super::{Context, Step};
use crate::language::{
    ast::{
        Argument, Directive, Field, FragmentDefinition, FragmentSpread, InlineFragment, Name, ObjectField,
        OperationDefinition, OperationKind, Selection, SelectionSet, Type as WrittenType, Value, Variable,
        VariableDefinition,
    },
    schema::{FieldDefinition, InputValueDefinition, Members, Schema, Type, TypeId, TypeKind},
};

/// What is known of the place of a selection.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The composite type that the selection is made on.
    pub(super) parent: Option<TypeId>,
    /// What the selection itself is of: a field's type, a fragment's.
    pub(super) ty: Option<&'a Type>,
    /// The field, or for others the field around.
    pub(super) field: Option<&'a FieldDefinition>,
}

/// What is known of the place of a value.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    /// What is expected.
    pub(super) ty: Option<&'a Type>,
    /// Whether the schema has a default for it.
    pub(super) has_default: bool,
    /// The input object, where it is one's field.
    pub(super) object: Option<TypeId>,
}

/// What happens at each step. Whatever a visitor leaves out is passed by.
pub(super) trait Visitor<'a> {
    /// Whether definitions of variables are of interest.
    const VARIABLE_DEFINITIONS: bool = true;

    fn enter_operation(&mut self, _: &'a OperationDefinition) -> Step {
        Ok(())
    }
    fn enter_fragment_definition(&mut self, _: &'a FragmentDefinition) -> Step {
        Ok(())
    }
    fn variable_definition(&mut self, _: &'a VariableDefinition) -> Step {
        Ok(())
    }
    fn named_type(&mut self, _: &'a Name) -> Step {
        Ok(())
    }
    /// `is_inline` for the braces of an inline fragment.
    fn selection_set(&mut self, _: &'a SelectionSet, _parent: Option<TypeId>, _is_inline: bool) -> Step {
        Ok(())
    }
    fn enter_field(&mut self, _: &'a Field, _: Site<'a>) -> Step {
        Ok(())
    }
    fn leave_field(&mut self, _: &'a Field, _: Site<'a>) -> Step {
        Ok(())
    }
    fn inline_fragment(&mut self, _: &'a InlineFragment, _: Site<'a>) -> Step {
        Ok(())
    }
    fn fragment_spread(&mut self, _: &'a FragmentSpread, _: Site<'a>) -> Step {
        Ok(())
    }
    fn enter_directive(&mut self, _: &'a Directive, _location: &'static str) -> Step {
        Ok(())
    }
    fn leave_directive(&mut self, _: &'a Directive) -> Step {
        Ok(())
    }
    /// An argument of a field; those of directives come with their directive.
    fn field_argument(&mut self, _: &'a Argument, _: Site<'a>) -> Step {
        Ok(())
    }
    fn leaf(&mut self, _: &'a Value, _: Slot<'a>) -> Step {
        Ok(())
    }
    fn variable(&mut self, _: &'a Variable, _: Slot<'a>) -> Step {
        Ok(())
    }
    fn enter_list(&mut self, _: &'a Value, _: Slot<'a>) -> Step {
        Ok(())
    }
    fn enter_object(&mut self, _: &'a Value, _members: &'a [ObjectField], _: Slot<'a>) -> Step {
        Ok(())
    }
    fn object_field(&mut self, _siblings: &'a [ObjectField], _at: usize, _: Slot<'a>) -> Step {
        Ok(())
    }
    /// After a list or an object.
    fn leave_compound(&mut self, _: &'a Value) {}
}

/// Walks, and tells a visitor of each step.
pub(super) struct Walker<'a, 'v, V> {
    pub(super) context: &'a Context<'a>,
    pub(super) visitor: &'v mut V,
}

impl<'a, V: Visitor<'a>> Walker<'a, '_, V> {
    fn schema(&self) -> &'a Schema {
        self.context.schema
    }

    /// Everything of an operation but its end, which is the caller's. `variable_types` are those of its definitions.
    pub(super) fn operation(
        &mut self,
        it: &'a OperationDefinition,
        variable_types: &'a [Option<Type>],
    ) -> Step {
        self.visitor.enter_operation(it)?;
        if V::VARIABLE_DEFINITIONS {
            for (definition, ty) in it.variables.iter().zip(variable_types) {
                self.variable_definition(definition, ty.as_ref())?;
            }
        }
        let root = self.schema().root(it.kind).filter(|it| self.schema().is_object(*it));
        let site = Site { parent: None, ty: root.map(|it| self.schema().reference(it)), field: None };
        self.directives(&it.directives, location(it.kind), site)?;
        self.selection_set(&it.selection_set, site, false)
    }

    fn variable_definition(&mut self, it: &'a VariableDefinition, ty: Option<&'a Type>) -> Step {
        self.visitor.variable_definition(it)?;
        self.type_reference(&it.ty)?;
        let ty = ty.filter(|it| self.schema().is_input(it.named()));
        if let Some(default) = &it.default_value {
            self.value(default, Slot { ty, has_default: false, object: None })?;
        }
        let nowhere = Site { parent: None, ty: None, field: None };
        self.directives(&it.directives, "VARIABLE_DEFINITION", nowhere)
    }

    fn type_reference(&mut self, ty: &'a WrittenType) -> Step {
        self.visitor.named_type(ty.name())
    }

    pub(super) fn fragment_definition(&mut self, it: &'a FragmentDefinition) -> Step {
        self.visitor.enter_fragment_definition(it)?;
        self.visitor.named_type(&it.type_condition)?;
        let site = Site { parent: None, ty: self.condition(it.type_condition.as_str()), field: None };
        self.directives(&it.directives, "FRAGMENT_DEFINITION", site)?;
        self.selection_set(&it.selection_set, site, false)
    }

    /// The type of a fragment, where values of it can be selected.
    fn condition(&self, name: &str) -> Option<&'a Type> {
        let id = self.schema().id(name)?;
        let is_output = self.schema().is_composite(id) || self.schema().is_leaf(id);
        is_output.then(|| self.schema().reference(id))
    }

    fn selection_set(&mut self, set: &'a SelectionSet, around: Site<'a>, is_inline: bool) -> Step {
        let parent = around.ty.map(Type::named).filter(|it| self.schema().is_composite(*it));
        self.visitor.selection_set(set, parent, is_inline)?;
        for item in &set.items {
            match item {
                Selection::Field(it) => self.field(it, parent)?,
                Selection::InlineFragment(it) => self.inline_fragment(it, parent, around)?,
                Selection::FragmentSpread(it) => {
                    let site = Site { parent, ..around };
                    self.visitor.fragment_spread(it, site)?;
                    self.directives(&it.directives, "FRAGMENT_SPREAD", site)?;
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, it: &'a Field, parent: Option<TypeId>) -> Step {
        let field = parent.and_then(|parent| self.schema().field(parent, &it.name.text));
        let site = Site { parent, ty: field.map(|it| &it.ty), field };
        self.visitor.enter_field(it, site)?;
        for argument in &it.arguments {
            self.visitor.field_argument(argument, site)?;
            self.argument(argument, field.map(|it| &it.arguments))?;
        }
        self.directives(&it.directives, "FIELD", site)?;
        if let Some(set) = &it.selection_set {
            self.selection_set(set, site, false)?;
        }
        self.visitor.leave_field(it, site)
    }

    fn inline_fragment(&mut self, it: &'a InlineFragment, parent: Option<TypeId>, around: Site<'a>) -> Step {
        let ty = match &it.type_condition {
            Some(condition) => self.condition(condition.as_str()),
            None => around.ty.map(|it| self.schema().reference(it.named())),
        };
        let site = Site { parent, ty, field: around.field };
        self.visitor.inline_fragment(it, site)?;
        if let Some(condition) = &it.type_condition {
            self.visitor.named_type(condition)?;
        }
        self.directives(&it.directives, "INLINE_FRAGMENT", site)?;
        self.selection_set(&it.selection_set, site, true)
    }

    /// Arguments of an unknown directive are taken for those of the field around, as the reference
    /// implementation does.
    fn directives(&mut self, items: &'a [Directive], location: &'static str, site: Site<'a>) -> Step {
        for item in items {
            let known = self.schema().directives().get(&item.name.text).map(|it| &it.arguments);
            let definitions = known.or(site.field.map(|it| &it.arguments));
            self.visitor.enter_directive(item, location)?;
            for argument in &item.arguments {
                self.argument(argument, definitions)?;
            }
            self.visitor.leave_directive(item)?;
        }
        Ok(())
    }

    fn argument(&mut self, it: &'a Argument, definitions: Option<&'a Members<InputValueDefinition>>) -> Step {
        let definition = definitions.and_then(|all| all.get(&it.name.text));
        self.value(&it.value, slot(definition, None))
    }

    fn value(&mut self, it: &'a Value, slot_of_it: Slot<'a>) -> Step {
        match it {
            Value::Variable(variable) => self.visitor.variable(variable, slot_of_it),
            Value::List(items, _) => {
                self.visitor.enter_list(it, slot_of_it)?;
                let ty = slot_of_it.ty.map(item_type);
                for item in items {
                    self.value(item, Slot { ty, has_default: false, object: None })?;
                }
                self.visitor.leave_compound(it);
                Ok(())
            }
            Value::Object(members, _) => {
                self.visitor.enter_object(it, members, slot_of_it)?;
                let object = slot_of_it.ty.map(Type::named);
                let fields = object.and_then(|id| input_fields(self.schema(), id));
                for (at, member) in members.iter().enumerate() {
                    let definition = fields.and_then(|all| all.get(&member.name.text));
                    self.visitor.object_field(members, at, slot(definition, object))?;
                    self.value(&member.value, slot(definition, object))?;
                }
                self.visitor.leave_compound(it);
                Ok(())
            }
            leaf => self.visitor.leaf(leaf, slot_of_it),
        }
    }
}

fn slot<'a>(definition: Option<&'a InputValueDefinition>, object: Option<TypeId>) -> Slot<'a> {
    let has_default = definition.is_some_and(|it| it.default_value.is_some());
    Slot { ty: definition.map(|it| &it.ty), has_default, object }
}

/// What items of a list value are of. A list where none is expected is taken for a list of the type itself.
pub(super) fn item_type(ty: &Type) -> &Type {
    match ty.nullable() {
        Type::List(inner) => inner,
        other => other,
    }
}

/// The fields of an input object.
pub(super) fn input_fields(schema: &Schema, id: TypeId) -> Option<&Members<InputValueDefinition>> {
    match &schema.definition(id).kind {
        TypeKind::InputObject { fields, .. } => Some(fields),
        _ => None,
    }
}

fn location(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Query => "QUERY",
        OperationKind::Mutation => "MUTATION",
        OperationKind::Subscription => "SUBSCRIPTION",
    }
}
