//! Variables of every input type, as JSON that is mostly right or as any bytes.
#![no_main]

use bytes::Bytes;
use juga::graphql::{InputType, Location, VariableDefinition, coerce_variables};
use juga_fuzz::{
    dice::Dice,
    effort::bounded,
    judge,
    values::{Form, Maker},
    world::WORLD,
};
use libfuzzer_sys::fuzz_target;
use std::{sync::Arc, time::Duration};

fuzz_target!(|input: &[u8]| {
    let mut dice = Dice::new(input);
    let types = WORLD.schema.input_types();
    let definitions: Vec<_> = (0..=dice.below(3)).map(|it| definition(it, &mut dice)).collect();
    let given = if dice.one_in(4) {
        Bytes::copy_from_slice(dice.bytes(4096))
    } else {
        let maker = Maker { types, form: Form::Json, mistakes: [0, 12, 40][dice.below(3)] };
        object(&maker, &definitions, &mut dice)
    };
    let coerced =
        bounded("coercing", Duration::from_secs(1), || coerce_variables(&definitions, types, &given));
    if let Some(values) = judge::told(coerced) {
        judge::coerced_well(&WORLD, &definitions, &values);
    }
});

/// `$v0: [Filter!]` and the like.
fn definition(number: usize, dice: &mut Dice<'_>) -> VariableDefinition {
    let types = WORLD.schema.input_types();
    let mut names: Vec<&Arc<str>> = types.keys().collect();
    names.sort_unstable();
    let mut ty = InputType::Named((*dice.pick(&names).expect("some")).clone());
    for _ in 0..dice.below(4) {
        ty = match (dice.below(2), ty) {
            (0, InputType::NonNull(inner)) => InputType::List(inner),
            (0, nullable) => InputType::NonNull(Box::new(nullable)),
            (_, inner) => InputType::List(Box::new(inner)),
        };
    }
    // Validation has seen to it that a default is one of its type.
    let maker = Maker { types, form: Form::Json, mistakes: 0 };
    let default = dice.one_in(4).then(|| {
        let mut json = String::new();
        maker.write(&ty, dice, &mut json);
        json.into()
    });
    let location = Location { line: 1, column: number + 1 };
    VariableDefinition { name: format!("v{number}").into(), ty, default, location }
}

fn object(maker: &Maker<'_>, definitions: &[VariableDefinition], dice: &mut Dice<'_>) -> Bytes {
    let mut members = Vec::new();
    for definition in definitions {
        if dice.one_in(6) {
            continue;
        }
        let mut member = format!("{:?}: ", definition.name);
        maker.write(&definition.ty, dice, &mut member);
        members.push(member);
    }
    format!("{{{}}}", members.join(" ,")).into()
}
