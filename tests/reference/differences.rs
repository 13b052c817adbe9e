//! Where the router differs from the reference on purpose. `docs/conformance.md` has the names and the reasons.

use crate::compare::Class;

/// A way to differ. Patterns are regular expressions that must match somewhere; an empty one matches everything.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    pub(crate) classes: &'static [Class],
    pub(crate) document: &'static str,
    /// What the reference says.
    pub(crate) wanted: &'static str,
    /// What the router says.
    pub(crate) got: &'static str,
    pub(crate) reason: &'static str,
    /// Not met in every few thousand documents.
    pub(crate) is_rare: bool,
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "deep introspection",
        classes: &[Class::Accepted, Class::Message, Class::Others],
        document: "__schema|__type",
        wanted: "",
        got: "Maximum introspection depth exceeded",
        reason: "is refused, by the rule that the reference recommends: a few words could ask for millions",
        is_rare: false,
    },
    Difference {
        name: "descriptions of what the specification brings",
        classes: &[Class::Data],
        document: "description",
        wanted: "scalar type represents|directive|introspection|Indicates this type",
        got: "",
        reason: "are in words of the router's own",
        is_rare: false,
    },
    Difference {
        name: "definitions of types beside operations",
        classes: &[Class::Others],
        document: r"\b(schema|scalar|type|interface|union|enum|input|directive)\b",
        wanted: "",
        got: "^$",
        reason: "are refused for what they are, and nothing else is looked for",
        is_rare: false,
    },
    Difference {
        name: "a condition that is null",
        classes: &[Class::Variables],
        document: r"@(skip|include)\(if: \$",
        wanted: "^accepted",
        got: "Argument \"if\" of non-null type",
        reason: "is an error of the request, as that of a variable: nothing is carried out for it, whereas the reference \
                 has begun",
        is_rare: false,
    },
    Difference {
        name: "numbers in variables",
        classes: &[Class::Variables, Class::Data],
        document: r"\$",
        wanted: "got invalid value|9007199254740992",
        got: r"got invalid value .*(\d\.0\b|\de\d|-0\b|\d{16})|9007199254740993",
        reason: "are told, and passed on, as they were sent: `1.0` and not `1`, with all their digits",
        is_rare: false,
    },
    Difference {
        name: "numbers beyond a Float",
        classes: &[Class::Variables],
        document: r"[eE]\+?\d{3}",
        wanted: "^accepted",
        got: r"Float cannot represent non numeric value: -?[\d.]+[eE]\+?\d{3}",
        reason: "are refused where a variable's default is one: the reference takes them for infinite",
        is_rare: true,
    },
    Difference {
        name: "defaults in introspection",
        classes: &[Class::Data],
        document: "defaultValue",
        wanted: "defaultValue",
        got: "defaultValue",
        reason: "are as the graph has them written: the reference puts in what an input object's own defaults add",
        is_rare: true,
    },
    Difference {
        name: "an empty query",
        classes: &[Class::Message],
        document: r"^\s*$",
        wanted: "Unexpected <EOF>",
        got: "`query` must not be empty",
        reason: "is told as what it is: a request without one",
        is_rare: false,
    },
    Difference {
        name: "order of types in introspection",
        classes: &[Class::Order],
        document: "__schema|__type",
        wanted: "",
        got: "",
        reason: "types, directives and possible types come in the order of the composed graph: they are sets",
        is_rare: false,
    },
    Difference {
        name: "errors below one null",
        classes: &[Class::Causes],
        document: "",
        wanted: "",
        got: "",
        reason: "fields whose parent is null already may be left, so which of their errors are told depends on the \
                 order of fields in the subgraph's operation",
        is_rare: false,
    },
    Difference {
        name: "equal fields under several names",
        classes: &[Class::Twins],
        document: ":",
        wanted: "",
        got: "",
        reason: "are asked for once: where one is null because of what it alone selects, all are",
        is_rare: false,
    },
    Difference {
        name: "conditions on the root field of a subscription",
        classes: &[Class::Accepted, Class::Message, Class::Others],
        document: "subscription",
        wanted: "",
        got: "`@skip` and `@include` are not allowed on the root field of a subscription",
        reason: "are refused, as by the specification of September 2025: without the field there would be no source",
        is_rare: false,
    },
    Difference {
        name: "nullable variables in a required `@oneOf`",
        classes: &[Class::Accepted, Class::Others],
        document: r"\$",
        wanted: "",
        got: "must be non-nullable to be used for OneOf Input Object",
        reason: "are refused, as by the specification: the reference looks at `@oneOf` inputs that may be null, and \
                 not at others",
        is_rare: false,
    },
];
