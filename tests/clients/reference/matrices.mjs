// Whole tables of cases: each value in each place.

// As they stand in a document.
export const STRINGS = [
  '""', '"a"', '"é"', '"😀"', '"\u3000"', '"\u00a0"', '"\\""', '"\\\\"', '"\\/"', '"\\b"', '"\\f"', '"\\n"', '"\\r"',
  '"\\t"', '"\\b\\f\\n\\r\\t\\/\\"\\\\"', '"\\u0041"', '"\\u00e9"', '"\\u00E9"', '"\\u0000"', '"\\u0008"',
  '"\\u001F"', '"\\u2028"', '"\\uD83D\\uDE00"', '"\\ud83d\\ude00"', '"\\uDBFF\\uDFFF"', '"\\uD83D"', '"\\uDE00"',
  '"\\uD83Dx"', '"\\uD83D\\u0041"', '"\\uDE00\\uD83D"', '"\\uD83D\\n"', '"\\u{41}"', '"\\u{1F600}"', '"\\u{0}"',
  '"\\u{10FFFF}"', '"\\u{110000}"', '"\\u{D83D}"', '"\\u{DE00}"', '"\\u{}"', '"\\u{000041}"', '"\\u{00000041}"',
  '"\\u{000000041}"', '"\\u{FFFFFFFF}"', '"\\u{g}"', '"\\u{41"', '"\\u{D83D}\\u{DE00}"', '"\\uD83D\\u{DE00}"',
  '"\\u"', '"\\u0"', '"\\u00"', '"\\u004"', '"\\u004g"', '"\\u+041"', '"\\u 041"', '"\\u-041"', '"\\U0041"',
  '"\\x41"', '"\\a"', '"\\0"', '"\\ "', '"\\\'"', '"\\é"', '"\\😀"', '"\\', '"', '"a', '"a\\"', '"a\nb"', '"a\rb"',
  '"a\r\nb"', '"a\tb"', '"\u0000"', '"\u0007"', '"\u001f"', '"\u007f"', '"\u0085"', '"\u2028"', '"\ufeff"',
  '"\ufffd"', '"a""b"', '"" "b"', '"""', '""""', '"""""', '""""""', '"""a"""', '"""a', '"""a"', '"""a""', '"""a\\"""',
  '"""\\""""""', '"""a\\"b"""', '"""\\n\\u0041\\"""', '"""\\"""\\""""""', '""" a """', '"""\n a\n"""',
  '"""\n  a\n    b\n  c\n"""', '"""\n\n\n  a\n\n  b\n\n\n"""', '"""a\n  b\n c"""', '"""\n\ta\n\t b\n"""',
  '"""\n \t a\n \tb\n"""', '"""\r\n  a\r\n  b\r\n"""', '"""\r  a\r  b\r"""', '"""a\rb\r\nc\nd"""',
  '"""\n\r\n  a\n\r  b"""', '"""\n   \n a\n   \n"""', '"""\n \u3000a\n \u3000b\n"""', '"""\n\u3000a\n\u3000b\n"""',
  '"""\n\u00a0a\n\u00a0 b\n"""', '"""\n \u00a0\n a"""', '"""\n\u3000\n a\n\u3000"""', '"""\u3000"""',
  '"""\n \u2003x\n  y"""', '"""\n\u0085a\n b"""', '"""\n\u000ba\n b"""', '"""\n\u000ca\n b"""',
  '"""\n \u2028 a\n  b"""', '"""\n\ufeff a\n  b"""', '"""\u0000"""', '"""\u0007"""', '"""\u007f"""', '"""é😀"""',
  '"""\n  é\n 😀"""', '"""\n    \n   a\n  \n"""', '"""   \n   """', '"""\n"""', '"""\r"""', '"""\t"""', '"""\n\n"""',
  '""" \n \n """', '"""a\\\nb"""', '"""#c\n{"""', '"""\n  a\n b\\"""\n  c"""', "'a'", "`a`", "a", "“a”",
];
const STRING_PLACES = [
  ["inputs", (it) => `{ string(value: ${it}) }`],
  ["inputs", (it) => `query ($v: String = ${it}) { string(value: $v) }`],
  ["inputs", (it) => `{ strings(value: ["x", ${it}]) json(value: { k: ${it} }) }`],
  ["directives", (it) => `{ items @tagged(name: ${it}) { id } }`],
  ["shop", (it) => `{ node(id: ${it}) { id } }\n`],
  ["readonly", (it) => `${it} query A { today }`],
];

export const NUMBERS = [
  "0", "-0", "1", "-1", "00", "01", "-01", "007", "-", "+1", "0.0", "-0.0", "1.0", "1.50", "0.5", ".5", "1.", "1.e1",
  "1.0e", "1e", "1e+", "1e-", "1e1", "1E1", "1e+1", "1e-1", "1.5e3", "1e9", "2.5e9", "0e0", "-0e0", "0e1", "1e0",
  "1e10", "1e21", "1e300", "1e400", "-1e400", "1e-400", "2147483647", "2147483648", "-2147483648", "-2147483649",
  "4294967296", "9007199254740991", "9007199254740993", "9223372036854775807", "9223372036854775808",
  "-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "0.1", "0.30000000000000004",
  "0.1234567890123456789", "123456789.123456789", "9007199254740993.0", "1e-7", "5e-324", "1.7976931348623157e308",
  "0x1F", "0b1", "1_000", "1a", "1.5a", "1e5a", "1.5.5", "1..5", "1...a", "1-1", "1e1.5", "1,5", "0xg", "1é", '1"a"',
  "1$", "1_", "0_", "- 1", "--1", "Infinity", "NaN", "-Infinity", "1f", "1e1e1", "١", "1#", "1)", "1!",
];
const SCALARS = [
  "int", "intRequired", "intDefault", "float", "id", "string", "boolean", "json", "date", "color", "ints", "grid",
  "cube", "ids",
];

export const LITERALS = [
  "null", "true", "false", "1", "0", "-1", "1.5", "1.0", "1e2", '""', '"a"', '"1"', '"RED"', '"""a"""', "RED",
  "PURPLE", "red", "TRUE", "Null", "[]", "[null]", "[1]", "[1, 2]", "[[1]]", "[[1, null], null]", "[[[1.5]]]",
  '["a"]', '["a", 1, true, null]', "[RED, GREEN]", "[RED, RED, NOPE]", "{}", "{ x: 1 }",
  "{ x: 1, y: 2, label: null }", "{ x: null }", "{ x: 1.5 }", "{ z: 1 }", "{ x: 1, z: 2 }", "[{ x: 1 }, null, {}]",
  "{ point: {} }", "{ point: null }", "{ point: { x: 1 }, points: { x: 2 } }", "{ point: {}, grid: [[{}], null] }",
  "{ point: {}, deep: { point: {}, deep: { point: {} } } }", "{ point: {}, deep: { color: NOPE } }",
  '{ point: {}, color: null, flag: null, when: "x", any: { b: [1, {}], a: null } }', "{ color: RED }",
  "{ point: {}, points: [null] }", "{ point: [{ x: 1 }] }", "{ a: 1 }", '{ b: "x" }', "{ a: null }",
  "{ a: 1, b: null }", '{ a: 1, b: "x" }', '{ a: "x" }', "{ c: { x: 1 } }", "{ d: 1 }", "{ d: [1, null] }",
  "{ e: RED }", "{ f: 1 }", '[{ a: 1 }, { b: "x" }]', "[{ a: 1 }, {}]", "2147483648", "-2147483649",
  "{ x: 2147483648 }",
];
const FIELDS = [
  "int", "intRequired", "intDefault", "float", "floatRequired", "string", "stringRequired", "stringDefault", "id",
  "idRequired", "boolean", "booleanRequired", "color", "colorDefault", "json", "date", "point", "pointDefault",
  "deep", "choice", "choiceRequired", "choices", "ints", "intsRequired", "strings", "ids", "grid", "cube", "colors",
  "points",
];

// As they stand in a request.
export const JSONS = [
  "null", "true", "false", "0", "-0", "1", "1.0", "1e2", "1.5", "-1", "2147483647", "2147483648", "-2147483649",
  "9007199254740993", "1e400", "0.1234567890123456789", '""', '"a"', '"1"', '"RED"', '"red"', '"PURPLE"',
  '"\\u0008é😀"', "[]", "[null]", "[1]", "[1,2]", "[[1]]", "[[1,null],null]", "[[[1.5]]]", '["a"]',
  '["a",1,true,null]', '["RED","NOPE"]', "{}", '{"x":1}', '{"x":null}', '{"x":1.5}', '{"x":"1"}', '{"z":1}',
  '{"x":1,"z":2,"w":3}', '[{"x":1},null,{}]', '{"point":{}}', '{"point":null}', '{"point":{"x":1},"points":{"x":2}}',
  '{"point":{},"grid":[[{}],null]}', '{"point":{},"deep":{"point":{}}}', '{"point":{},"deep":{"color":"NOPE"}}',
  '{"any":{"b":[1,{}],"a":null},"point":{"y":1},"color":null}', '{"color":"RED"}',
  '{"point":{},"points":[null,{"x":"a"}]}', '{"a":1}', '{"b":"x"}', '{"a":null}', '{"a":1,"b":null}',
  '{"a":1,"b":"x"}', '{"a":"x"}', '{"c":{"x":1}}', '{"d":1}', '{"d":[1,null]}', '{"e":"RED"}', '{"f":1}',
  '[{"a":1},{"b":"x"}]', '[{"a":1},{}]', undefined,
];
const TYPES = {
  int: "Int",
  intRequired: "Int!",
  float: "Float",
  string: "String",
  stringRequired: "String!",
  id: "ID",
  boolean: "Boolean",
  booleanRequired: "Boolean!",
  color: "Color",
  json: "JSON",
  date: "Date!",
  point: "Point",
  deep: "Deep",
  choice: "Choice",
  choiceRequired: "Choice!",
  choices: "[Choice!]",
  ints: "[Int]",
  intsRequired: "[Int!]!",
  strings: "[String!]",
  ids: "[ID!]",
  grid: "[[Int!]]",
  cube: "[[[Float]!]!]",
  colors: "[Color!]",
  points: "[Point]",
};

const CONDITIONS = ["true", "false", "null", "1", '"true"', "TRUE", "[true]", "{}", "$v"];
const DECLARED = [
  "$v: Boolean", "$v: Boolean!", "$v: Boolean = true", "$v: Boolean! = false", "$v: Boolean = null", "$v: String",
  "$v: [Boolean]", "$v: Int = 1",
];
const DECIDED = [undefined, "null", "true", "false", '"true"', "1", "[true]"];
const SELECTED = [
  "count @skip(if: C)", "count @include(if: C)", "... @skip(if: C) { count }", "...F @include(if: C)",
  "count @skip(if: C) @include(if: C)", "me @include(if: C) { id name @skip(if: C) }", "count @include(if: C) count",
];

const OPERATIONS = [
  "", "{ count }", "query A { count }", "query A { count } query B { __typename }",
  "query A { count } mutation B { removeReview(id: 1) }", "fragment F on Query { count }",
  "query A { ...F } fragment F on Query { count }", "query A { count } query A { count }",
  "{ count } query A { count }", "query A { count } subscription S { tick }", "query A { nope } query B { count }",
  "query a { count }", "# nothing", "query A($v: Int!) { products(first: $v) { id } } query B { count }",
  "mutation A { removeReview(id: 1) }", "query A { count } type T { a: Int }",
];
const NAMES = [undefined, null, "", "A", "B", "a", " A", "Nope", "é", "F"];

// Operations of kinds that a graph may not have, and of nothing.
const ROOTS = [
  "mutation { a }", "mutation A { __typename }", "mutation { a(b: 1) { c } }", "subscription { a }",
  "subscription A { __typename }", "subscription { tick }", "mutation { set(input: { point: {} }) }", "query { a }",
  "mutation { ...F } fragment F on Mutation { a }", "subscription { ... on Subscription { a } }",
];

const TYPE = "kind name description specifiedByURL isOneOf";
const REF = "type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
const QUESTIONS = [
  "{ __typename }", "{ a: __typename __typename }", "{ __schema { __typename } }", "{ __schema { description } }",
  "{ __schema { queryType { name } mutationType { name } subscriptionType { name } } }",
  "{ __schema { queryType { fields { name } } } }",
  "{ __schema { directives { name description isRepeatable locations } } }",
  `{ __schema { directives { name args { name description defaultValue ${REF} } } } }`,
  "{ __schema { directives { args(includeDeprecated: true) { name isDeprecated deprecationReason } } } }",
  `{ __schema { types { ${TYPE} } } }`,
  "{ __schema { types { name fields { name } } } }",
  "{ __schema { types { name fields(includeDeprecated: true) { name isDeprecated deprecationReason } } } }",
  `{ __schema { types { name fields { name args { name defaultValue ${REF} } } } } }`,
  `{ __schema { types { name inputFields { name defaultValue description ${REF} } } } }`,
  "{ __schema { types { name enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } } } }",
  "{ __schema { types { name enumValues { name } } } }",
  "{ __schema { types { name interfaces { name } possibleTypes { name } } } }",
  '{ __type(name: "Query") { name kind fields { name } } }', '{ __type(name: "Nope") { name } }',
  '{ __type(name: "Int") { name kind fields { name } description } }',
  '{ __type(name: "String") { name ofType { name } enumValues { name } inputFields { name } interfaces { name } possibleTypes { name } } }',
  '{ __type(name: "__Type") { name fields { name } } }',
  '{ __type(name: "__TypeKind") { enumValues { name description } } }',
  '{ __type(name: "__DirectiveLocation") { enumValues { name } } }', '{ __type(name: "") { name } }',
  "{ __type { name } }", "{ __type(name: null) { name } }", "{ __type(name: 1) { name } }",
  '{ __type(nam: "Query") { name } }', '{ __type(name: "Query") }', '{ __type(name: "Query") { nope } }',
  "{ __schema }", "{ __schema { nope } }", "{ __nope }",
  '{ a: __type(name: "Query") { name } b: __type(name: "Mutation") { name } c: __type(name: "Sort") { enumValues { name } } }',
  '{ __type(name: "Product") { interfaces { name } fields { name args { name defaultValue } } } }',
  '{ __type(name: "Deep") { inputFields { name defaultValue } isOneOf } }',
  '{ __type(name: "Choice") { inputFields { name } isOneOf } }', '{ __type(name: "Date") { specifiedByURL } }',
  '{ __type(name: "Boolean") { name } }', '{ __type(name: "ID") { name } }', '{ __type(name: "Float") { name } }',
  "{ __schema { types @skip(if: true) { name } queryType @include(if: true) { name } } }",
  "{ ...F } fragment F on Query { __schema { queryType { ...T } } } fragment T on __Type { name kind }",
  "mutation { __typename }", "subscription { __typename }", "mutation { __schema { queryType { name } } }",
  "query ($n: String!) { __type(name: $n) { name } }", 'query ($n: String = "Query") { __type(name: $n) { name } }',
  "query ($d: Boolean) { __schema { queryType { fields(includeDeprecated: $d) { name } } } }",
  "query ($d: Boolean = null) { __schema { queryType { fields(includeDeprecated: $d) { name } } } }",
  "{ __schema { queryType { fields(includeDeprecated: null) { name } } } }",
  '{ __type(name: "Query") { ... on __Type { name } ... on Query { __typename } } }',
  "{ __schema { types { ... on __Field { name } } } }", "{ __schema { types { name { x } } } }",
  "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
  "{ __schema { types { interfaces { possibleTypes { name } } } } }",
  "{ __schema { types { possibleTypes { interfaces { possibleTypes { interfaces { name } } } } } } }",
];
const GRAPHS = ["shop", "inputs", "readonly", "directives", "events", "boxes", "chains"];

const POSITIONS = [
  "Int", "Int!", "Int = 1", "Int! = 1", "Int = null", "[Int]", "[Int!]", "[Int]!", "[Int!]! = [1]", "String", "Float",
  "ID", "Boolean", "Color", "Color = RED", "Point", "Point! = {}", "Choice", "Choice!", "[[Int!]]",
];
const POSITION_VALUES = {
  Int: "3",
  "[Int": "[3]",
  "[[Int": "[[3]]",
  String: '"s"',
  Float: "1.5",
  ID: '"i"',
  Boolean: "true",
  Color: '"BLUE"',
  Point: '{"x":1}',
  Choice: '{"a":1}',
};
const POSITION_PLACES = [
  "intDefault(value: $v)", "intRequired(value: $v)", "int(value: $v)", "float(value: $v)", "ints(value: [$v])",
  "ints(value: $v)", "intsRequired(value: [$v, 1])", "point(value: { x: $v })", "point(value: { x: 1, label: $v })",
  "point(value: $v)", "choice(value: { a: $v })", "choiceRequired(value: { a: $v })", "choice(value: $v)",
  "choice(value: { a: 1, b: $v })", "grid(value: [[$v]])", "grid(value: $v)", "json(value: { k: [$v] })",
  "json(value: $v)", "colors(value: [$v])", "colors(value: $v)", "colorDefault(value: $v)",
  "deep(value: { point: { y: $v }, color: $v })", "id(value: $v)", "idRequired(value: $v)",
];

// `[kind, schema, query, variables as JSON text, operationName]`
function* cases() {
  for (const [schema, at] of STRING_PLACES) for (const text of STRINGS) yield ["strings", schema, at(text)];
  for (const field of SCALARS)
    for (const number of NUMBERS) yield ["numbers", "inputs", `{ ${field}(value: ${number}) }`];
  for (const number of NUMBERS) yield ["numbers", "inputs", `query ($v: Float = ${number}) { float(value: $v) }`];
  for (const field of FIELDS)
    for (const value of LITERALS) yield ["literals", "inputs", `{ ${field}(value: ${value}) }`];
  for (const [field, type] of Object.entries(TYPES)) {
    for (const value of LITERALS)
      yield ["literals as defaults", "inputs", `query ($v: ${type} = ${value}) { ${field}(value: $v) }`];
    for (const value of JSONS)
      yield ["json", "inputs", `query A($v: ${type}) { ${field}(value: $v) }`, value && `{"v":${value}}`];
  }
  for (const type of POSITIONS) {
    const base = type.replace(/[^[A-Za-z].*/, "");
    for (const place of POSITION_PLACES)
      for (const value of [undefined, "null", POSITION_VALUES[base]])
        yield ["positions", "inputs", `query ($v: ${type}) { ${place} }`, value && `{"v":${value}}`];
  }
  for (const chosen of SELECTED) {
    const fragments = chosen.includes("...F") ? " fragment F on Query { count }" : "";
    for (const condition of CONDITIONS) {
      const body = `{ ${chosen.replaceAll("C)", `${condition})`)} me { id } }${fragments}`;
      if (condition !== "$v") yield ["conditions", "shop", body];
      else
        for (const type of DECLARED)
          for (const value of DECIDED)
            yield ["conditions", "shop", `query (${type}) ${body}`, value && `{"v":${value}}`];
    }
  }
  for (const text of OPERATIONS) for (const name of NAMES) yield ["operation names", "shop", text, undefined, name];
  for (const text of ROOTS) for (const schema of GRAPHS) yield ["roots", schema, text];
  for (const text of QUESTIONS)
    for (const schema of GRAPHS)
      yield ["introspection", schema, text, text.startsWith("query ($n") ? '{"n":"Query"}' : undefined];
}

export const MATRICES = [...cases()];
