//! A rule that the validation crate leaves out: an object stands where an input object or a custom scalar is
//! declared, and nowhere else (GraphQL specification, section 5.6.1).

use graphql_tools::{
    ast::{OperationVisitor, OperationVisitorContext},
    static_graphql::{query::Value, schema::TypeDefinition},
    validation::{
        rules::{ValidationRule, ValidationVisitor},
        utils::{ValidationError, ValidationErrorContext},
    },
};

pub(super) struct ObjectsOfObjectTypes;

impl ValidationRule for ObjectsOfObjectTypes {
    fn error_code(&self) -> &'static str {
        "ObjectsOfObjectTypes"
    }

    fn visitor<'doc>(&self) -> ValidationVisitor<'doc> {
        Box::new(Self)
    }
}

impl<'doc> OperationVisitor<'doc, ValidationErrorContext> for ObjectsOfObjectTypes {
    fn enter_object_value(
        &mut self,
        visitor: &mut OperationVisitorContext<'doc>,
        errors: &mut ValidationErrorContext,
        members: &[(String, Value)],
    ) {
        let Some(declared) = visitor.current_input_type().filter(|it| takes_no_object(it)) else { return };
        let found = Value::Object(members.to_vec());
        errors.report_error(ValidationError {
            locations: Vec::new(),
            message: format!("Expected value of type \"{}\", found {found}.", declared.name()),
            error_code: self.error_code(),
        });
    }
}

fn takes_no_object(declared: &TypeDefinition) -> bool {
    match declared {
        TypeDefinition::Enum(_) => true,
        TypeDefinition::Scalar(it) => {
            matches!(it.name.as_str(), "Int" | "Float" | "String" | "Boolean" | "ID")
        }
        _ => false,
    }
}
