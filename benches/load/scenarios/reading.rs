//! Reading and validating operations, beside the library that the planner's crate brings along: in this process, on
//! one thread, over the same schema.

use super::{Settings, median};
use crate::load::{process::own_thread_ns, report::Row};
use allocation_counter::measure;
use graphql_tools::{
    parser::{parse_query_with_token_limit, parse_schema},
    static_graphql::schema,
    validation::{
        rules::default_rules_validation_plan,
        validate::{ValidationPlan, validate},
    },
};
use juga::federation::{Graphs, Limits, Schema, SubgraphSource};
use std::{hint::black_box, io};

const SDL: &str = include_str!("../../../tests/fixtures/reference/shop.graphql");
/// What the library wants to see in a schema beside what stands there.
const BUILT_IN: &str = "scalar Int scalar Float scalar String scalar Boolean scalar ID ";

const SIZES: [usize; 3] = [5, 50, 500];
/// Fields that are read in a round, in as many operations as they make.
const FIELDS_PER_ROUND: usize = 25_000;
/// Time and allocations as a share of the library's.
const BAR: f64 = 1.0;

pub fn reading(settings: &Settings) -> io::Result<Vec<Row>> {
    let (ours, theirs) = (Ours::load()?, Theirs::load()?);
    let mut rows = Vec::new();
    for fields in SIZES {
        let text = operation(fields);
        let (read, read_by_library) = (|| ours.read(&text), || theirs.read(&text));
        if !read() || !read_by_library() {
            return Err(io::Error::other(format!("the operation of {fields} fields is refused")));
        }
        let (mut times, mut ratios) = (Vec::new(), Vec::new());
        // Rounds take turns, so that whatever else the machine does hits both alike.
        for _ in 0..settings.rounds {
            let count = FIELDS_PER_ROUND / fields;
            let (time, beside) = (microseconds(count, read), microseconds(count, read_by_library));
            times.push(time);
            ratios.push(time / beside);
        }
        let allocations = |read: &dyn Fn() -> bool| measure(|| assert!(read())).count_total as f64;
        let (made, made_beside) = (allocations(&read), allocations(&read_by_library));
        let mut row = |what: &str, value, unit, bar| {
            let what = format!("{fields} fields: {what}");
            rows.push(Row { scenario: "reading", what, value, unit, bar });
        };
        row("CPU", median(times), "us", None);
        row("CPU, beside graphql-tools", median(ratios), "x", Some(BAR));
        row("allocations", made, "", None);
        row("allocations, beside graphql-tools", made / made_beside, "x", Some(BAR));
    }
    Ok(rows)
}

/// CPU per call.
fn microseconds(count: usize, read: impl Fn() -> bool) -> f64 {
    let before = own_thread_ns();
    for _ in 0..count {
        black_box(read());
    }
    (own_thread_ns() - before) as f64 / 1e3 / count as f64
}

struct Ours {
    schema: Schema,
    limits: Limits,
}

impl Ours {
    fn load() -> io::Result<Self> {
        let shop = SubgraphSource {
            name: "shop".into(),
            routing_url: "http://localhost".into(),
            sdl: SDL.into(),
            ..SubgraphSource::default()
        };
        let graphs = Graphs { subgraphs: vec![shop], ..Graphs::default() };
        let schema = Schema::load(&graphs).map_err(io::Error::other)?;
        Ok(Self { schema, limits: Limits::default() })
    }

    /// Limits, syntax, validation, and what later steps want to know of the operation.
    fn read(&self, text: &str) -> bool {
        self.schema.parse(black_box(text), None, &self.limits).is_ok()
    }
}

struct Theirs {
    schema: schema::Document,
    rules: ValidationPlan,
}

impl Theirs {
    fn load() -> io::Result<Self> {
        let sdl = format!("{BUILT_IN}{SDL}");
        let schema = parse_schema::<String>(&sdl).map_err(io::Error::other)?.into_static();
        Ok(Self { schema, rules: default_rules_validation_plan() })
    }

    /// Syntax and validation.
    fn read(&self, text: &str) -> bool {
        match parse_query_with_token_limit::<String>(black_box(text), Limits::default().tokens) {
            Ok(read) => validate(&self.schema, &read.into_static(), &self.rules).is_empty(),
            Err(_) => false,
        }
    }
}

/// An operation of so many fields: aliases, arguments, variables and nesting as people write them.
fn operation(fields: usize) -> String {
    const OF_A_PRODUCT: [&str; 4] =
        ["name(upper: true, locale: EN)", "price(currency: EUR, digits: $digits)", "tags", "stock"];
    let mut text = String::from("query Products($id: ID!, $digits: Int = 2) {\n  product(id: $id) {\n");
    let mut left = fields - 1;
    let mut number = 0;
    while left > 0 {
        let chosen = OF_A_PRODUCT.len().min(left);
        let of_a_product = OF_A_PRODUCT[..chosen].join("\n      ");
        left -= chosen;
        if left == 0 {
            text.push_str(&format!("    {of_a_product}\n"));
        } else {
            number += 1;
            left -= 1;
            text.push_str(&format!(
                "    related{number}: related(first: {number}) {{\n      {of_a_product}\n    }}\n"
            ));
        }
    }
    text + "  }\n}\n"
}
