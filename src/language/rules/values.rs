//! Rules of values (GraphQL specification, section 5.6).

use super::{
    Rules, Step,
    traversal::{Slot, input_fields, item_type},
};
use crate::language::{
    ast::{ObjectField, Place, Value},
    printer::print_value,
    schema::{EnumValueDefinition, InputValueDefinition, Members, Type, TypeId, TypeKind},
};
use std::collections::HashMap;

/// Where in a value the walk is.
#[derive(Default)]
pub(super) struct State<'a> {
    /// Lists and objects around that were judged as a whole: nothing in them is looked at again.
    judged: usize,
    /// For each object around, where names stand first; `None` for one of few members.
    names: Vec<Option<HashMap<&'a str, Place>>>,
}

/// Members of an object among which looking costs less than a table.
const MEMBERS_FEW: usize = 16;

impl<'a> Rules<'a> {
    /// Values of Correct Type, for all that are neither lists, objects nor variables.
    pub(super) fn leaf_of_correct_type(&mut self, it: &'a Value, slot: Slot<'a>) -> Step {
        let Some(ty) = slot.ty.filter(|_| self.values.judged == 0) else { return Ok(()) };
        if let Value::Null(place) = it {
            if ty.is_non_null() {
                return self.report(self.unexpected(it, ty), vec![*place]);
            }
            return Ok(());
        }
        self.correct_type(it, ty)
    }

    /// The same for lists.
    pub(super) fn list_of_correct_type(&mut self, it: &'a Value, slot: Slot<'a>) -> Step {
        if self.values.judged > 0 {
            self.values.judged += 1;
            return Ok(());
        }
        if matches!(slot.ty.map(Type::nullable), Some(Type::List(_))) {
            return Ok(());
        }
        self.values.judged = 1;
        slot.ty.map_or(Ok(()), |ty| self.correct_type(it, item_type(ty)))
    }

    /// The same for objects.
    pub(super) fn object_of_correct_type(
        &mut self,
        it: &'a Value,
        members: &'a [ObjectField],
        slot: Slot<'a>,
    ) -> Step {
        if self.values.judged > 0 {
            self.values.judged += 1;
            return Ok(());
        }
        let object = slot.ty.map(Type::named);
        let Some((id, fields)) = object.and_then(|id| Some((id, input_fields(self.schema, id)?))) else {
            self.values.judged = 1;
            return slot.ty.map_or(Ok(()), |ty| self.correct_type(it, ty));
        };
        self.required_fields(id, fields, members, it.place())?;
        self.one_of(id, members, it.place())
    }

    /// After a list or object.
    pub(super) fn leave_value(&mut self) {
        self.values.judged = self.values.judged.saturating_sub(1);
    }

    /// Input Object Required Fields.
    fn required_fields(
        &mut self,
        id: TypeId,
        fields: &'a Members<InputValueDefinition>,
        members: &'a [ObjectField],
        place: Place,
    ) -> Step {
        for field in fields.iter().filter(|it| it.is_required()) {
            if members.iter().any(|it| it.name.text == field.name) {
                continue;
            }
            let message = format!(
                "Field \"{}.{}\" of required type \"{}\" was not provided.",
                self.schema.name(id),
                field.name,
                self.schema.show(&field.ty)
            );
            self.report(message, vec![place])?;
        }
        Ok(())
    }

    /// OneOf Input Objects Have Exactly One Field, which is not null.
    fn one_of(&mut self, id: TypeId, members: &'a [ObjectField], place: Place) -> Step {
        if !matches!(self.schema.definition(id).kind, TypeKind::InputObject { is_one_of: true, .. }) {
            return Ok(());
        }
        let name = self.schema.name(id);
        let message = match members.last() {
            // Of several members of one name the last counts.
            Some(last) if members.iter().all(|it| it.name.text == last.name.text) => match last.value {
                Value::Null(_) => format!("Field \"{name}.{}\" must be non-null.", last.name),
                _ => return Ok(()),
            },
            _ => format!("OneOf Input Object \"{name}\" must specify exactly one key."),
        };
        self.report(message, vec![place])
    }

    /// Input Object Field Names.
    pub(super) fn known_input_field(&mut self, it: &'a ObjectField, slot: Slot<'a>) -> Step {
        let Some(object) = slot.object.filter(|_| self.values.judged == 0 && slot.ty.is_none()) else {
            return Ok(());
        };
        let Some(fields) = input_fields(self.schema, object) else { return Ok(()) };
        let suggestion = self.suggest("", it.name.as_str(), fields.iter().map(|it| it.name.as_ref()));
        let owner = self.schema.name(object);
        let message = format!("Field \"{}\" is not defined by type \"{owner}\".{suggestion}", it.name);
        self.report(message, vec![it.name.place])
    }

    /// Input Object Field Uniqueness.
    pub(super) fn unique_input_field_names(&mut self, siblings: &'a [ObjectField], at: usize) -> Step {
        let name = &siblings[at].name;
        let first = match self.values.names.last().and_then(Option::as_ref) {
            Some(table) => table.get(name.as_str()).copied(),
            None => siblings.iter().find(|it| it.name.text == name.text).map(|it| it.name.place),
        };
        match first.filter(|it| *it != name.place) {
            Some(first) => {
                let message = format!("There can be only one input field named \"{name}\".");
                self.report(message, vec![first, name.place])
            }
            None => Ok(()),
        }
    }

    pub(super) fn enter_unique_fields(&mut self, members: &'a [ObjectField]) {
        let table = (members.len() > MEMBERS_FEW).then(|| {
            let mut table = HashMap::with_capacity(members.len());
            for it in members {
                table.entry(it.name.as_str()).or_insert(it.name.place);
            }
            table
        });
        self.values.names.push(table);
    }

    pub(super) fn leave_unique_fields(&mut self) {
        self.values.names.pop();
    }

    /// A value that is neither null nor of a list or input object type, whatever it is itself.
    fn correct_type(&mut self, it: &'a Value, ty: &'a Type) -> Step {
        let message = match &self.schema.definition(ty.named()).kind {
            TypeKind::Scalar { .. } => scalar_fault(self.schema.name(ty.named()), it),
            TypeKind::Enum { values } => self.enum_fault(ty.named(), values, it),
            _ => Some(self.unexpected(it, ty)),
        };
        message.map_or(Ok(()), |message| self.report(message, vec![it.place()]))
    }

    fn unexpected(&self, it: &Value, ty: &Type) -> String {
        format!("Expected value of type \"{}\", found {}.", self.schema.show(ty), print_value(it))
    }

    fn enum_fault(&self, id: TypeId, values: &Members<EnumValueDefinition>, it: &Value) -> Option<String> {
        let name = self.schema.name(id);
        let fault = match it {
            Value::Enum(it) if values.get(it.as_str()).is_some() => return None,
            Value::Enum(it) => format!("Value \"{it}\" does not exist in \"{name}\" enum."),
            it => format!("Enum \"{name}\" cannot represent non-enum value: {}.", print_value(it)),
        };
        if !self.options.suggestions {
            return Some(fault);
        }
        let names = values.iter().map(|it| it.name.as_ref());
        Some(fault + &self.suggest("the enum value ", &print_value(it), names))
    }
}

/// What a scalar of the specification has against a literal; others take any.
fn scalar_fault(scalar: &str, it: &Value) -> Option<String> {
    let what = match (scalar, it) {
        ("Int", Value::Int(it)) if it.text.parse::<i32>().is_ok() => return None,
        ("Int", Value::Int(_)) => "Int cannot represent non 32-bit signed integer value",
        ("Int", _) => "Int cannot represent non-integer value",
        ("Float", Value::Int(_) | Value::Float(_)) => return None,
        ("Float", _) => "Float cannot represent non numeric value",
        ("String", Value::String(_)) => return None,
        ("String", _) => "String cannot represent a non string value",
        ("Boolean", Value::Boolean(..)) => return None,
        ("Boolean", _) => "Boolean cannot represent a non boolean value",
        ("ID", Value::String(_) | Value::Int(_)) => return None,
        ("ID", _) => "ID cannot represent a non-string and non-integer value",
        _ => return None,
    };
    Some(format!("{what}: {}", print_value(it)))
}
