//! Input values: made up by type, mostly right, and the judgement whether one is right.

use crate::dice::Dice;
use juga::graphql::{InputDefinition, InputField, InputType, InputTypes};
use serde_json::Value;

/// How a value is spelt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    /// As in the text of an operation: names without quotes.
    Literal,
}

/// Levels of objects and lists that are made up.
const LEVELS_MAX: usize = 6;

/// Makes up values of one schema's input types.
pub struct Maker<'t> {
    pub types: &'t InputTypes,
    pub form: Form,
    /// Something is wrong once in so many values; never where this is 0.
    pub mistakes: usize,
}

impl Maker<'_> {
    pub fn write(&self, ty: &InputType, dice: &mut Dice<'_>, out: &mut String) {
        self.value(ty, 0, dice, out);
    }

    fn value(&self, ty: &InputType, level: usize, dice: &mut Dice<'_>, out: &mut String) {
        if self.mistakes > 0 && dice.one_in(self.mistakes) {
            return self.anything(level, dice, out);
        }
        match ty {
            InputType::NonNull(inner) => self.not_null(inner, level, dice, out),
            _ if level >= LEVELS_MAX || dice.one_in(8) => out.push_str("null"),
            _ => self.not_null(ty, level, dice, out),
        }
    }

    fn not_null(&self, ty: &InputType, level: usize, dice: &mut Dice<'_>, out: &mut String) {
        match ty {
            InputType::NonNull(inner) => self.not_null(inner, level, dice, out),
            // A single value stands for a list of itself.
            InputType::List(item) if dice.one_in(6) => self.not_null(item, level + 1, dice, out),
            InputType::List(item) => {
                let count = if level >= LEVELS_MAX { 0 } else { dice.below(4) };
                out.push('[');
                for index in 0..count {
                    separate(index, out);
                    self.value(item, level + 1, dice, out);
                }
                out.push(']');
            }
            InputType::Named(name) => match self.types.get(name) {
                Some(InputDefinition::Object { fields, one_of }) => {
                    self.object(fields, *one_of, level, dice, out)
                }
                Some(leaf) => self.leaf(leaf, level, dice, out),
                None => out.push_str("null"),
            },
        }
    }

    fn object(
        &self,
        fields: &[InputField],
        one_of: bool,
        level: usize,
        dice: &mut Dice<'_>,
        out: &mut String,
    ) {
        let only = one_of.then(|| dice.below(fields.len()));
        let (start, mut members) = (level >= LEVELS_MAX, 0);
        out.push('{');
        for (index, field) in fields.iter().enumerate() {
            let required = matches!(field.ty, InputType::NonNull(_)) && field.default.is_none();
            let given = match only {
                Some(only) => index == only,
                None => required || !start && dice.below(2) == 1,
            };
            if !given {
                continue;
            }
            separate(members, out);
            members += 1;
            self.name(&field.name, out);
            match only {
                Some(_) => self.not_null(&field.ty, level + 1, dice, out),
                None => self.value(&field.ty, level + 1, dice, out),
            }
        }
        if self.mistakes > 0 && dice.one_in(self.mistakes * 4) {
            separate(members, out);
            self.name("stray", out);
            out.push('1');
        }
        out.push('}');
    }

    fn name(&self, name: &str, out: &mut String) {
        match self.form {
            Form::Json => out.push_str(&format!("{name:?}:")),
            Form::Literal => out.push_str(&format!("{name}:")),
        }
    }

    fn leaf(&self, leaf: &InputDefinition, level: usize, dice: &mut Dice<'_>, out: &mut String) {
        match leaf {
            InputDefinition::Int => out.push_str(dice.pick(INTS).unwrap_or(&"0")),
            InputDefinition::Float => out.push_str(dice.pick(FLOATS).unwrap_or(&"0")),
            InputDefinition::Boolean => out.push_str(if dice.below(2) == 0 { "true" } else { "false" }),
            InputDefinition::Id if dice.one_in(3) => out.push_str(dice.pick(INTS).unwrap_or(&"0")),
            InputDefinition::Id | InputDefinition::String => self.string(dice, out),
            InputDefinition::Enum(names) => {
                let name = dice.pick(names).map_or("NONE", |it| it);
                match self.form {
                    Form::Json => out.push_str(&format!("{name:?}")),
                    Form::Literal => out.push_str(name),
                }
            }
            InputDefinition::Custom | InputDefinition::Object { .. } => self.anything(level, dice, out),
        }
    }

    fn string(&self, dice: &mut Dice<'_>, out: &mut String) {
        let text =
            if dice.one_in(3) { dice.text() } else { (*dice.pick(STRINGS).unwrap_or(&"a")).to_owned() };
        // GraphQL's quotes are JSON's.
        out.push_str(&serde_json::to_string(&text).expect("a string"));
    }

    fn anything(&self, level: usize, dice: &mut Dice<'_>, out: &mut String) {
        let choices = if level >= LEVELS_MAX { 6 } else { 8 };
        match dice.below(choices) {
            0 => out.push_str("null"),
            1 => out.push_str("true"),
            2 => out.push_str(dice.pick(INTS).unwrap_or(&"0")),
            3 => out.push_str(dice.pick(FLOATS).unwrap_or(&"0")),
            4 => self.string(dice, out),
            5 => out.push_str(dice.pick(NUMBERS).unwrap_or(&"0")),
            6 => {
                out.push('[');
                for index in 0..dice.below(3) {
                    separate(index, out);
                    self.anything(level + 1, dice, out);
                }
                out.push(']');
            }
            _ => {
                out.push('{');
                for index in 0..dice.below(3) {
                    separate(index, out);
                    self.name(["a", "b", "__typename"][index], out);
                    self.anything(level + 1, dice, out);
                }
                out.push('}');
            }
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

const INTS: &[&str] = &["1", "0", "-1", "7", "2147483647", "-2147483648"];
const FLOATS: &[&str] = &["1.5", "0", "-0.0", "1e3", "123456789012345.0", "2147483647"];
/// Numbers that few types take.
const NUMBERS: &[&str] =
    &["2147483648", "9007199254740993", "1e400", "1.0", "1e3", "-0", "123456789012345678901", "1E-400"];
const STRINGS: &[&str] = &["a", "", "x*", "ä€😀", "a.b", "\"\\\n", "\u{7f}\u{0}"];

/// Whether a coerced value is one of its type; the text is what is wrong.
pub fn conforms(types: &InputTypes, ty: &InputType, value: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{value} is no {what}"));
    match (ty, value) {
        (InputType::NonNull(_), Value::Null) => wrong("non-null value"),
        (InputType::NonNull(inner), _) => conforms(types, inner, value),
        (_, Value::Null) => Ok(()),
        (InputType::List(item), Value::Array(items)) => {
            items.iter().try_for_each(|it| conforms(types, item, it))
        }
        (InputType::List(_), _) => wrong("list"),
        (InputType::Named(name), _) => match types.get(name) {
            Some(InputDefinition::Object { fields, one_of }) => {
                object_conforms(types, fields, *one_of, value)
            }
            Some(leaf) if leaf_conforms(leaf, value) => Ok(()),
            _ => wrong(name),
        },
    }
}

fn leaf_conforms(leaf: &InputDefinition, value: &Value) -> bool {
    match leaf {
        InputDefinition::Int => value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        InputDefinition::Float => value.is_number(),
        InputDefinition::String | InputDefinition::Id => value.is_string(),
        InputDefinition::Boolean => value.is_boolean(),
        InputDefinition::Enum(names) => names.iter().any(|it| value.as_str() == Some(it)),
        InputDefinition::Custom => true,
        InputDefinition::Object { .. } => false,
    }
}

fn object_conforms(
    types: &InputTypes,
    fields: &[InputField],
    one_of: bool,
    value: &Value,
) -> Result<(), String> {
    let Some(members) = value.as_object() else { return Err(format!("{value} is no object")) };
    for (name, member) in members {
        let Some(field) = fields.iter().find(|it| *it.name == **name) else {
            return Err(format!("{name} is not declared"));
        };
        conforms(types, &field.ty, member)?;
    }
    if one_of && (members.len() != 1 || members.values().any(Value::is_null)) {
        return Err(format!("{value} does not have one member"));
    }
    let is_missing = |it: &&InputField| {
        let needed = matches!(it.ty, InputType::NonNull(_)) || it.default.is_some();
        needed && !members.contains_key(&*it.name)
    };
    match fields.iter().find(is_missing) {
        Some(field) => Err(format!("{} is missing", field.name)),
        None => Ok(()),
    }
}
