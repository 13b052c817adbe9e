//! Operations made up by the schema's grammar: valid but for the mistakes that the dice ask for.

use crate::{
    dice::Dice,
    types::{Argument, Field, Types, named, spelling},
    values::{Form, Maker},
    world::World,
};
use juga::graphql::{InputType, InputTypes};
use std::collections::BTreeSet;

/// An operation's text and its variables, a JSON object.
#[derive(Debug)]
pub struct Operation {
    pub text: String,
    pub variables: String,
}

/// Fields of an operation, the unit in which its size is bounded before the router's own bounds are.
const FIELDS_MAX: usize = 400;
const LEVELS_MAX: usize = 12;

pub fn generate(world: &World, dice: &mut Dice<'_>) -> Operation {
    let inputs = world.schema.input_types();
    let mut writer = Writer {
        types: &world.public,
        literals: Maker { types: inputs, form: Form::Literal, mistakes: 0 },
        mistakes: [0, 0, 0, 40][dice.below(4)],
        dice,
        variables: Vec::new(),
        fragments: Vec::new(),
        fields_left: FIELDS_MAX,
        aliases: 0,
    };
    writer.literals.mistakes = writer.mistakes;
    let (keyword, root) = [
        ("query", "Query"),
        ("query", "Query"),
        ("query", "Query"),
        ("mutation", "Mutation"),
        ("subscription", "Subscription"),
    ][writer.dice.below(5)];
    let selection = writer.root(root);
    writer.finish(keyword, &selection, inputs)
}

struct Writer<'w, 'd, 'b> {
    types: &'w Types,
    literals: Maker<'w>,
    /// As in [`Maker::mistakes`].
    mistakes: usize,
    dice: &'d mut Dice<'b>,
    variables: Vec<InputType>,
    /// Finished fragments: the type they are on, and their text.
    fragments: Vec<(String, String)>,
    fields_left: usize,
    aliases: usize,
}

impl Writer<'_, '_, '_> {
    fn root(&mut self, root: &str) -> String {
        if root != "Subscription" || self.wrong() {
            return self.selection(root, 0);
        }
        let fields = self.types.composite(root).map_or(&[][..], |it| &it.fields);
        let mut out = String::from("{");
        if let Some(field) = self.dice.pick(fields) {
            self.field(field, 0, &mut out);
        }
        out + "}"
    }

    fn selection(&mut self, of: &str, level: usize) -> String {
        let types = self.types;
        let fields = types.composite(of).map_or(&[][..], |it| &it.fields);
        let mut out = String::from("{");
        let mut used = BTreeSet::new();
        for _ in 0..=self.dice.below(6) {
            if self.fields_left == 0 {
                break;
            }
            match self.dice.below(10) {
                0..=6 => self.some_field(of, fields, level, &mut used, &mut out),
                7 => self.inline_fragment(of, level, &mut out),
                8 => self.spread(of, level, &mut out),
                _ => self.special(of, &mut out),
            }
        }
        if out.len() == 1 {
            out.push_str("__typename ");
        }
        out + "}"
    }

    fn some_field<'w>(
        &mut self,
        of: &str,
        fields: &'w [Field],
        level: usize,
        used: &mut BTreeSet<&'w str>,
        out: &mut String,
    ) {
        let Some(field) = self.dice.pick(fields) else { return self.inline_fragment(of, level, out) };
        if level >= LEVELS_MAX && self.types.composite(named(&field.ty)).is_some() {
            return out.push_str("__typename ");
        }
        // Two fields under one name need equal arguments and selections that go together.
        let is_leaf = self.types.composite(named(&field.ty)).is_none();
        let may_repeat = is_leaf && field.arguments.is_empty();
        if self.dice.one_in(5) || (!used.insert(&field.name) && !may_repeat && !self.wrong()) {
            self.aliases += 1;
            out.push_str(&format!("a{}:", self.aliases));
        }
        self.field(field, level, out);
    }

    fn field(&mut self, field: &Field, level: usize, out: &mut String) {
        self.fields_left = self.fields_left.saturating_sub(1);
        out.push_str(&field.name);
        self.arguments(&field.arguments, out);
        self.directives(level, out);
        if self.types.composite(named(&field.ty)).is_some() {
            let selection = self.selection(named(&field.ty), level + 1);
            out.push_str(&selection);
        }
        out.push(' ');
    }

    fn arguments(&mut self, arguments: &[Argument], out: &mut String) {
        let mut given = Vec::new();
        for argument in arguments {
            if (argument.is_required() && !self.wrong()) || self.dice.below(2) == 1 {
                let value = self.argument_value(&argument.ty);
                given.push(format!("{}:{value}", argument.name));
            }
        }
        if !given.is_empty() {
            out.push_str(&format!("({})", given.join(" ")));
        }
    }

    fn argument_value(&mut self, ty: &InputType) -> String {
        if self.dice.below(3) == 1 {
            return self.variable(ty);
        }
        let mut literal = String::new();
        self.literals.write(ty, self.dice, &mut literal);
        literal
    }

    /// A variable of this type, an old one if there is one and the dice say so.
    fn variable(&mut self, ty: &InputType) -> String {
        let known = self.variables.iter().position(|it| it == ty).filter(|_| self.dice.below(3) != 0);
        let number = known.unwrap_or_else(|| {
            self.variables.push(ty.clone());
            self.variables.len() - 1
        });
        format!("$v{number}")
    }

    fn directives(&mut self, level: usize, out: &mut String) {
        if level == 0 || !self.dice.one_in(8) {
            return;
        }
        let name = ["skip", "include"][self.dice.below(2)];
        let condition = match self.dice.below(3) {
            0 => "true".to_owned(),
            1 => "false".to_owned(),
            _ => self.variable(&InputType::NonNull(Box::new(InputType::Named("Boolean".into())))),
        };
        out.push_str(&format!(" @{name}(if: {condition})"));
    }

    fn inline_fragment(&mut self, of: &str, level: usize, out: &mut String) {
        if level >= LEVELS_MAX {
            return out.push_str("__typename ");
        }
        let on = self.condition(of);
        out.push_str("...");
        if let Some(on) = &on {
            out.push_str(&format!(" on {on}"));
        }
        self.directives(level, out);
        let selection = self.selection(on.as_deref().unwrap_or(of), level + 1);
        out.push_str(&selection);
    }

    fn condition(&mut self, of: &str) -> Option<String> {
        let overlapping = self.types.overlapping(of);
        (!self.dice.one_in(5)).then(|| self.dice.pick(&overlapping).map(|it| (*it).to_owned())).flatten()
    }

    fn spread(&mut self, of: &str, level: usize, out: &mut String) {
        let overlapping = self.types.overlapping(of);
        let fitting: Vec<usize> =
            (0..self.fragments.len()).filter(|it| overlapping.contains(&&*self.fragments[*it].0)).collect();
        let number = match self.dice.pick(&fitting) {
            Some(number) if self.dice.below(3) != 0 => *number,
            _ if level >= LEVELS_MAX => return out.push_str("__typename "),
            _ => {
                let on = self.condition(of).unwrap_or_else(|| of.to_owned());
                let text = self.selection(&on, level + 1);
                self.fragments.push((on, text));
                self.fragments.len() - 1
            }
        };
        out.push_str(&format!("...F{number}"));
        self.directives(level, out);
        out.push(' ');
    }

    fn special(&mut self, of: &str, out: &mut String) {
        match (of, self.dice.below(4)) {
            ("Query", 1) => out.push_str("__schema{types{name kind fields{name args{name defaultValue}}}} "),
            ("Query", 2) => {
                let name = self.variable(&InputType::NonNull(Box::new(InputType::Named("String".into()))));
                self.aliases += 1;
                out.push_str(&format!(
                    "a{}:__type(name:{name}){{name possibleTypes{{name}}}} ",
                    self.aliases
                ));
            }
            (_, 3) => {
                self.aliases += 1;
                out.push_str(&format!("a{}:__typename ", self.aliases));
            }
            _ => out.push_str("__typename "),
        }
    }

    /// Whether to make a mistake here.
    fn wrong(&mut self) -> bool {
        self.mistakes > 0 && self.dice.one_in(self.mistakes)
    }

    fn finish(self, keyword: &str, selection: &str, types: &InputTypes) -> Operation {
        let (mut definitions, mut values) = (Vec::new(), Vec::new());
        let json = Maker { types, form: Form::Json, mistakes: self.mistakes };
        for (number, ty) in self.variables.iter().enumerate() {
            let mut definition = format!("$v{number}:{}", spelling(ty));
            if self.dice.one_in(4) {
                definition.push('=');
                // A default of a non-null type must be one.
                self.literals.write(ty, self.dice, &mut definition);
            }
            definitions.push(definition);
            if !self.dice.one_in(6) || matches!(ty, InputType::NonNull(_)) {
                let mut value = format!("\"v{number}\":");
                json.write(ty, self.dice, &mut value);
                values.push(value);
            }
        }
        let definitions =
            if definitions.is_empty() { String::new() } else { format!("({})", definitions.join(" ")) };
        let mut text = format!("{keyword} Q{definitions}{selection}");
        for (number, (on, body)) in self.fragments.iter().enumerate() {
            text.push_str(&format!(" fragment F{number} on {on}{body}"));
        }
        Operation { text, variables: format!("{{{}}}", values.join(",")) }
    }
}
