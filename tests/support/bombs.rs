//! Operations that are short as text and endless to plan, and the graph that makes them so: interfaces that lead to
//! themselves, with fields that one of two subgraphs gives.

use std::fmt::Write;

/// Types that a value may be of.
pub const TYPES: [usize; 3] = [10, 20, 40];
/// Levels of the operation.
pub const DEPTHS: std::ops::RangeInclusive<usize> = 2..=10;

/// A way to make planning explode.
pub struct Family {
    pub name: &'static str,
    /// What of it each of the two subgraphs has, where `NODE` is an interface or union, and `TYPES` stands for a line for each
    /// type (`T`). The first has a field of the query, `root: NODE`.
    graphs: [&'static str; 2],
    /// What an operation says again and again, and what it ends with.
    levels: (&'static str, &'static str),
}

pub const FAMILIES: &[Family] = &[
    Family {
        name: "name",
        graphs: [
            "interface NODE { id: ID! next: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE }",
            "interface NODE { id: ID! name: String }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! name: String }",
        ],
        levels: ("next { ", "name"),
    },
    Family {
        name: "two ways on",
        graphs: [
            "interface NODE { id: ID! next: NODE back: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE back: NODE }",
            "interface NODE { id: ID! name: String }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! name: String }",
        ],
        levels: ("back { name } next { ", "name"),
    },
    Family {
        name: "from graph to graph",
        graphs: [
            "interface NODE { id: ID! left: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! left: NODE }",
            "interface NODE { id: ID! right: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! right: NODE }",
        ],
        levels: ("left { right { ", "id"),
    },
    Family {
        name: "in the other graph",
        graphs: [
            "interface NODE { id: ID! }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! }",
            "interface NODE { id: ID! next: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE }",
        ],
        levels: ("next { ", "id"),
    },
    Family {
        name: "required",
        graphs: [
            "interface NODE { id: ID! next: NODE weight: Int }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE weight: Int }",
            "interface NODE { id: ID! name: String }
             TYPES type T implements NODE @key(fields: \"id\") {
                 id: ID! weight: Int @external name: String @requires(fields: \"weight\") }",
        ],
        levels: ("next { ", "name"),
    },
    Family {
        name: "two interfaces",
        graphs: [
            "interface NODE { id: ID! next: NODE } interface OTHER { id: ID! friend: OTHER }
             TYPES type T implements NODE & OTHER @key(fields: \"id\") { id: ID! next: NODE friend: OTHER }",
            "interface OTHER { id: ID! name: String }
             TYPES type T implements OTHER @key(fields: \"id\") { id: ID! name: String }",
        ],
        levels: ("next { ... on OTHER { friend { ... on NODE { ", "id"),
    },
    Family {
        name: "a union",
        graphs: [
            "interface OTHER { id: ID! next: NODE } union NODE = MEMBERS
             TYPES type T implements OTHER @key(fields: \"id\") { id: ID! next: NODE }",
            "TYPES type T @key(fields: \"id\") { id: ID! name: String }",
        ],
        levels: ("... on OTHER { next { ", "__typename"),
    },
    Family {
        name: "one graph",
        graphs: [
            "interface NODE { id: ID! next: NODE name: String }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE name: String }",
            "",
        ],
        levels: ("next { ", "name"),
    },
    Family {
        name: "an interface object",
        graphs: [
            "interface NODE @key(fields: \"id\") { id: ID! next: NODE }
             TYPES type T implements NODE @key(fields: \"id\") { id: ID! next: NODE }",
            "type NODE @key(fields: \"id\") @interfaceObject { id: ID! name: String }",
        ],
        levels: ("next { ", "name"),
    },
];

/// The SDL of both subgraphs, with all families of all [`TYPES`], and a field `quick` of the first.
pub fn subgraphs() -> [String; 2] {
    const HEAD: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\",
        import: [\"@key\", \"@external\", \"@requires\", \"@interfaceObject\"])\n";
    let (mut graphs, mut fields) = ([HEAD.to_owned(), HEAD.to_owned()], String::from("quick: Int"));
    for (number, family) in FAMILIES.iter().enumerate() {
        for types in TYPES {
            fields.push_str(&spell(" root: NODE", number, types));
            for (graph, text) in graphs.iter_mut().zip(family.graphs) {
                writeln!(graph, "{}", spell(text, number, types)).expect("a text grows");
            }
        }
    }
    writeln!(graphs[0], "type Query {{ {fields} }}").expect("a text grows");
    graphs
}

impl Family {
    /// The operation of one of [`TYPES`] and so many levels, with a name of its own.
    pub fn operation(&self, name: &str, types: usize, depth: usize) -> String {
        let number = FAMILIES.iter().position(|it| it.name == self.name).expect("one of them");
        let (level, end) = self.levels;
        let closing = "}".repeat(level.matches('{').count() - level.matches('}').count());
        let text =
            format!("query {name} {{ root {{ {}{end}{} }} }}", level.repeat(depth), closing.repeat(depth));
        spell(&text, number, types)
    }
}

/// Names that no other family of no other size has.
fn spell(text: &str, family: usize, types: usize) -> String {
    let own = format!("{family}x{types}");
    let members: Vec<String> = (0..types).map(|it| format!("T{own}x{it}")).collect();
    let (fixed, each) = text.split_once("TYPES").unwrap_or((text, ""));
    let each: String =
        members.iter().map(|it| each.replace("type T ", &format!("type {it} ")) + "\n").collect();
    (fixed.to_owned() + &each)
        .replace("MEMBERS", &members.join(" | "))
        .replace("NODE", &format!("Node{own}"))
        .replace("OTHER", &format!("Other{own}"))
        .replace("root", &format!("root{own}"))
}
