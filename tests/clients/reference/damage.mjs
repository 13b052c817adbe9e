// What can be wrong with a document: with its characters, its grammar, and each rule of validation. Whether a damaged
// document is invalid is not known here: some damages heal each other, and the reference has the word.

import { Kind, isCompositeType, isInputType, isOutputType, parse } from "graphql";
import { anyJson, literal, nameNode, typeNode, variableNode } from "./documents.mjs";

// Every node of these kinds.
export function nodes(tree, ...kinds) {
  const found = [];
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk);
    else if (node && typeof node === "object") {
      if (kinds.includes(node.kind)) found.push(node);
      Object.values(node).forEach(walk);
    }
  };
  walk(tree);
  return found;
}

const copy = (node) => structuredClone(node);
const field = (name, more = {}) => ({ kind: Kind.FIELD, name: nameNode(name), arguments: [], directives: [], ...more });
const selection = (...selections) => ({ kind: Kind.SELECTION_SET, selections });
const spread = (name) => ({ kind: Kind.FRAGMENT_SPREAD, name: nameNode(name), directives: [] });
const fragment = (name, on, ...selections) => ({
  kind: Kind.FRAGMENT_DEFINITION,
  name: nameNode(name),
  typeCondition: typeNode(on),
  directives: [],
  selectionSet: selection(...selections),
});
const inline = (on) => ({
  kind: Kind.INLINE_FRAGMENT,
  typeCondition: typeNode(on),
  directives: [],
  selectionSet: selection(field("__typename")),
});
const directive = (name, ...args) => ({ kind: Kind.DIRECTIVE, name: nameNode(name), arguments: args });
const argument = (name, value) => ({ kind: Kind.ARGUMENT, name: nameNode(name), value });
const misspelt = (name, random) =>
  random.pick([`${name}s`, name.slice(0, -1) || "q", `x${name}`, "unknown", name.toUpperCase(), `__${name}`]);
const operations = (tree) => nodes(tree, Kind.OPERATION_DEFINITION);
const sets = (tree) => nodes(tree, Kind.SELECTION_SET);
const directed = (tree) =>
  nodes(
    tree,
    Kind.FIELD,
    Kind.INLINE_FRAGMENT,
    Kind.FRAGMENT_SPREAD,
    Kind.FRAGMENT_DEFINITION,
    Kind.OPERATION_DEFINITION,
    Kind.VARIABLE_DEFINITION,
  );
const types = (schema, is) => Object.values(schema.getTypeMap()).filter(is);
const insert = (list, item, random) => list.splice(random.below(list.length + 1), 0, item);

const FOREIGN = [
  "type A { b: Int }", "extend type Query { b: Int }", "schema { query: Query }", "directive @x on FIELD", "scalar S",
  '"said" enum E { A }', "input I { a: Int }", "interface N { a: Int }", "union U = Query", "extend schema @x",
  "extend union U = Query", "extend input I { b: Int }",
];

// Each takes the tree, the chance and the schema, changes the tree, and gives `false` where nothing fits.
export const RULES = {
  ExecutableDefinitions: (tree, random) =>
    insert(tree.definitions, parse(random.pick(FOREIGN), { noLocation: true }).definitions[0], random),

  UniqueOperationNames(tree, random) {
    const [first] = operations(tree);
    first.name ??= nameNode("A");
    insert(tree.definitions, copy(first), random);
  },

  LoneAnonymousOperation(tree, random) {
    const [first] = operations(tree);
    const other = copy(first);
    if (random.percent(50)) other.name = nameNode("B");
    first.name = undefined;
    first.description = undefined;
    insert(tree.definitions, other, random);
  },

  SingleFieldSubscriptions(tree, random, schema) {
    const root = schema.getSubscriptionType();
    const [operation] = operations(tree).filter((it) => it.operation === "subscription");
    if (!operation || !root) return false;
    const own = operation.selectionSet.selections;
    const more = random.below(7);
    if (more === 0) insert(own, field("__typename"), random);
    if (more === 1) own.push({ ...copy(own[0]), alias: nameNode("b") });
    if (more === 2) own.push(copy(own[0]));
    if (more === 3)
      own.push({
        kind: Kind.INLINE_FRAGMENT,
        directives: [],
        selectionSet: selection({ ...copy(own[0]), alias: nameNode("c") }),
      });
    if (more === 4) {
      own.push(spread("Sub"));
      tree.definitions.push(fragment("Sub", root.name, { ...copy(own[0]), alias: nameNode("d") }));
    }
    if (more === 5)
      own[0] = random.pick([field("__typename"), field("__schema", { selectionSet: selection(field("__typename")) })]);
    if (more === 6) {
      own[0].directives = [
        directive(random.pick(["skip", "include"]), argument("if", { kind: Kind.BOOLEAN, value: random.percent(50) })),
      ];
    }
  },

  KnownTypeNames(tree, random) {
    const named = nodes(tree, Kind.NAMED_TYPE);
    if (named.length === 0) return false;
    const node = random.pick(named);
    node.name = nameNode(misspelt(node.name.value, random));
  },

  FragmentsOnCompositeTypes(tree, random, schema) {
    const on = random.pick(types(schema, (it) => !isCompositeType(it))).name;
    const found = nodes(tree, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_DEFINITION);
    if (found.length > 0 && random.percent(70)) random.pick(found).typeCondition = typeNode(on);
    else
      insert(random.pick(sets(tree)).selections, inline(on), random);
  },

  VariablesAreInputTypes(tree, random, schema) {
    const found = nodes(tree, Kind.VARIABLE_DEFINITION);
    const type = random.pick(types(schema, (it) => !isInputType(it))).name;
    const declared = typeNode(random.pick([type, `${type}!`, `[${type}]`]));
    if (found.length > 0) random.pick(found).type = declared;
    else
      random
        .pick(operations(tree))
        .variableDefinitions.push({
          kind: Kind.VARIABLE_DEFINITION,
          variable: variableNode("w"),
          type: declared,
          directives: [],
        });
  },

  ScalarLeafs(tree, random) {
    const found = nodes(tree, Kind.FIELD);
    const node = random.pick(found);
    node.selectionSet = node.selectionSet ? undefined : selection(field(random.pick(["x", "__typename", "id"])));
  },

  FieldsOnCorrectType(tree, random, schema) {
    const node = random.pick(nodes(tree, Kind.FIELD));
    const owners = types(schema, (it) => it.getFields && isOutputType(it));
    const other = random.pick(Object.keys(random.pick(owners).getFields()));
    node.name = nameNode(random.pick([misspelt(node.name.value, random), other]));
  },

  UniqueFragmentNames(tree, random) {
    const found = nodes(tree, Kind.FRAGMENT_DEFINITION);
    if (found.length === 0) return false;
    insert(tree.definitions, copy(random.pick(found)), random);
  },

  KnownFragmentNames(tree, random) {
    const found = nodes(tree, Kind.FRAGMENT_SPREAD);
    if (found.length > 0 && random.percent(60)) random.pick(found).name = nameNode("Nowhere");
    else insert(random.pick(sets(tree)).selections, spread("Nowhere"), random);
  },

  NoUnusedFragments(tree, random, schema) {
    const on = random.pick(types(schema, isCompositeType)).name;
    insert(tree.definitions, fragment("Unused", on, field("__typename")), random);
    if (random.percent(30)) insert(tree.definitions, fragment("UnusedToo", on, spread("Unused")), random);
  },

  PossibleFragmentSpreads(tree, random, schema) {
    const found = nodes(tree, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_DEFINITION);
    const on = random.pick(types(schema, isCompositeType)).name;
    if (found.length > 0 && random.percent(60)) random.pick(found).typeCondition = typeNode(on);
    else
      insert(random.pick(sets(tree)).selections, inline(on), random);
  },

  NoFragmentCycles(tree, random, schema) {
    const found = nodes(tree, Kind.FRAGMENT_DEFINITION);
    if (found.length > 0 && random.percent(60)) {
      const from = random.pick(found);
      const inner = random.percent(50) ? random.pick(sets(from)) : from.selectionSet;
      insert(inner.selections, spread(random.pick(found).name.value), random);
      return true;
    }
    const root = schema.getQueryType().name;
    const names = ["C1", "C2", "C3"].slice(0, 1 + random.below(3));
    names.forEach((name, at) =>
      insert(
        tree.definitions,
        fragment(name, root, field("__typename"), spread(names[(at + 1) % names.length])),
        random,
      ),
    );
    insert(operations(tree)[0].selectionSet.selections, spread(random.pick(names)), random);
  },

  UniqueVariableNames(tree, random) {
    const found = operations(tree).filter((it) => it.variableDefinitions.length > 0);
    if (found.length === 0) return false;
    const list = random.pick(found).variableDefinitions;
    insert(list, copy(random.pick(list)), random);
  },

  NoUndefinedVariables(tree, random) {
    const found = operations(tree).filter((it) => it.variableDefinitions.length > 0);
    if (found.length > 0 && random.percent(50)) {
      const list = random.pick(found).variableDefinitions;
      list.splice(random.below(list.length), 1);
      return true;
    }
    const values = nodes(tree, Kind.ARGUMENT, Kind.OBJECT_FIELD);
    if (values.length === 0) return false;
    random.pick(values).value = variableNode("missing");
  },

  NoUnusedVariables(tree, random) {
    const declared = typeNode(random.pick(["Int", "[String!]", "Boolean!"]));
    const definition = {
      kind: Kind.VARIABLE_DEFINITION,
      variable: variableNode("unused"),
      type: declared,
      directives: [],
    };
    if (declared.kind === Kind.NON_NULL_TYPE) definition.defaultValue = { kind: Kind.BOOLEAN, value: true };
    insert(random.pick(operations(tree)).variableDefinitions, definition, random);
  },

  KnownDirectives(tree, random, schema) {
    const known = schema.getDirectives().map((it) => it.name);
    const node = random.pick(directed(tree));
    insert(node.directives, directive(random.pick(["unknown", ...known])), random);
  },

  UniqueDirectivesPerLocation(tree, random) {
    const node = random.pick(directed(tree));
    const found =
      node.directives.length > 0
        ? random.pick(node.directives)
        : directive(random.pick(["skip", "include"]), argument("if", { kind: Kind.BOOLEAN, value: true }));
    node.directives.push(copy(found));
    if (node.directives.length < 2) node.directives.push(found);
  },

  KnownArgumentNames(tree, random) {
    const found = nodes(tree, Kind.ARGUMENT);
    if (found.length > 0 && random.percent(60)) {
      const node = random.pick(found);
      node.name = nameNode(misspelt(node.name.value, random));
    } else {
      const node = random.pick(nodes(tree, Kind.FIELD, Kind.DIRECTIVE));
      insert(
        node.arguments,
        argument(random.pick(["unknown", "i", "values", "first"]), { kind: Kind.INT, value: "1" }),
        random,
      );
    }
  },

  UniqueArgumentNames(tree, random) {
    const found = nodes(tree, Kind.FIELD, Kind.DIRECTIVE).filter((it) => it.arguments.length > 0);
    if (found.length === 0) return false;
    const list = random.pick(found).arguments;
    insert(list, copy(random.pick(list)), random);
  },

  ValuesOfCorrectType(tree, random) {
    const found = nodes(tree, Kind.ARGUMENT, Kind.OBJECT_FIELD);
    const lists = nodes(tree, Kind.LIST).filter((it) => it.values.length > 0);
    const definitions = nodes(tree, Kind.VARIABLE_DEFINITION).filter((it) => it.defaultValue);
    const value = random.percent(15)
      ? { kind: Kind.ENUM, value: random.pick(["RED", "NOPE", "EURO", "red"]) }
      : literal(anyJson(random, 2), undefined, random);
    if (definitions.length > 0 && random.percent(20)) random.pick(definitions).defaultValue = value;
    else if (lists.length > 0 && random.percent(25)) random.pick(lists).values[0] = value;
    else if (found.length > 0) random.pick(found).value = value;
    else return false;
    const objects = nodes(tree, Kind.OBJECT);
    if (objects.length > 0 && random.percent(25)) {
      const object = random.pick(objects);
      if (random.percent(50))
        object.fields.push({
          kind: Kind.OBJECT_FIELD,
          name: nameNode(random.pick(["z", "colour", "nam"])),
          value: copy(value),
        });
      else object.fields.splice(random.below(object.fields.length + 1), 1);
    }
  },

  ProvidedRequiredArguments(tree, random) {
    const found = nodes(tree, Kind.FIELD, Kind.DIRECTIVE).filter((it) => it.arguments.length > 0);
    if (found.length === 0) return false;
    const list = random.pick(found).arguments;
    list.splice(random.below(list.length), 1);
  },

  VariablesInAllowedPosition(tree, random, schema) {
    const found = nodes(tree, Kind.VARIABLE_DEFINITION);
    if (found.length === 0) return false;
    const node = random.pick(found);
    const named = random.pick(types(schema, (it) => isInputType(it))).name;
    const type = node.type;
    node.type = random.pick([
      type.kind === Kind.NON_NULL_TYPE ? type.type : type,
      { kind: Kind.LIST_TYPE, type },
      type.kind === Kind.LIST_TYPE ? type.type : typeNode(`[${named}]`),
      typeNode(named),
    ]);
    if (random.percent(30)) node.defaultValue = random.percent(50) ? undefined : { kind: Kind.NULL };
  },

  OverlappingFieldsCanBeMerged(tree, random) {
    const found = sets(tree).filter((it) => it.selections.some((one) => one.kind === Kind.FIELD));
    const set = random.pick(found);
    const fields = set.selections.filter((it) => it.kind === Kind.FIELD);
    const node = copy(random.pick(fields));
    const way = random.below(4);
    if (way === 0 && fields.length > 1) {
      fields.forEach((it) => (it.alias = nameNode("same")));
      return true;
    }
    if (way === 1 && node.arguments.length > 0) node.arguments.splice(random.below(node.arguments.length), 1);
    else if (node.arguments.length > 0)
      random.pick(node.arguments).value = literal(anyJson(random, 2), undefined, random);
    if (way === 2 && node.selectionSet)
      random
        .pick(sets(node))
        .selections.push(field("__typename", { alias: random.pick(fields).alias ?? nameNode("id") }));
    if (way === 3) {
      set.selections.push({ kind: Kind.INLINE_FRAGMENT, directives: [], selectionSet: selection(node) });
      return true;
    }
    set.selections.push(node);
  },

  UniqueInputFieldNames(tree, random) {
    const found = nodes(tree, Kind.OBJECT).filter((it) => it.fields.length > 0);
    if (found.length === 0) return false;
    const list = random.pick(found).fields;
    insert(list, copy(random.pick(list)), random);
  },

  // No rule, but where rules meet types that every graph has.
  DeepIntrospection(tree, random) {
    const [operation] = operations(tree);
    if (operation.operation !== "query") return false;
    let inner = selection(field("name"));
    for (let depth = 1 + random.below(4); depth > 0; depth -= 1) {
      inner = selection(
        field(random.pick(["fields", "interfaces", "possibleTypes", "inputFields"]), {
          selectionSet: selection(
            field("name"),
            ...(random.percent(60) ? [field("type", { selectionSet: inner })] : []),
          ),
        }),
      );
    }
    operation.selectionSet.selections.push(
      field("__schema", { selectionSet: selection(field("types", { selectionSet: inner })) }),
    );
  },
};

const PUNCTUATION = ["!", "$", "&", "(", ")", "...", ":", "=", "@", "[", "]", "{", "}", "|"];
const OTHERS = [
  "name", "on", "fragment", "query", "true", "null", "1", "1.5", '"s"', '"""b"""', "$v1", "type", "extend",
  "subscription", "..", "@skip",
];
// A part of the grammar each, written wrongly or hardly.
export const PHRASES = [
  "query ($) { a }", "query () { a }", "{ }", "{}", "query", "query A", "query A {", "mutation { }", "{ a() }",
  "{ a(b) }", "{ a(b:) }", "{ a(: 1) }", "{ a(b: ) { c } }", "{ a(b: [) }", "{ a(b: [1 }", "{ a(b: {c}) }",
  "{ a(b: {c:}) }", "{ a(b: {1: 2}) }", '{ a(b: {"c": 2}) }', "{ a(b: $) }", "{ a(b: @c) }", "{ a: }", "{ a: b: c }",
  "{ : a }", "{ a @ }", "{ a @1 }", "{ a @b( }", "{ a @b() }", "{ ... }", "{ ...on }", "{ ... on { a } }",
  "{ ... on T }", "{ ...A { b } }", "{ ...@skip(if: true) }", "{ ... @skip(if: true) { a } }", "{ ...{ a } }",
  "{ ...on T @x { a } }", "{ ...1 }", '{ a, ..."b" }', "fragment on on T { a }", "fragment A { a }",
  "fragment A on { a }", "fragment A on T", "fragment A on T { }", "fragment on T { a }", "fragment A on T! { a }",
  "fragment A on [T] { a }", "fragment A on T @x { a } { ...A }", "fragment A($a: Int) on T { a }",
  "fragment true on T { a }", "{ ...true }", "{ on }", "{ ... on on { a } }", "{ true false null }",
  "query query { query }", "query on { a }", "subscription on { a }", "mutation true { a }", "query A B { a }",
  'query "A" { a }', "query ($a) { b }", "query ($a:) { b }", "query ($a: Int =) { b }", "query ($a: Int = $b) { b }",
  "query ($a: [Int) { b }", "query ($a: Int]) { b }", "query ($a: Int!!) { b }", "query ($a: []) { b }",
  "query ($a: [Int!]!) { b(c: $a) }", "query ($a: !Int) { b }", "query (a: Int) { b }", "query ($a Int) { b }",
  "query ($a: Int, $b: Int) { b }", "query ($a: [Int] = [$b]) { b }", "query ($a: T = {b: $c}) { b }",
  "query ($a: Int @x(y: $b)) { b }", "query ($a: Int = 1 @x) { b }", "query ($a: Int @x = 1) { b }", "query @x { a }",
  "query A @x(y: 1) { a }", "query A($a: Int) @x @y { a }", "query A @x ($a: Int) { a }", "@x { a }", "query @ { a }",
  '"d" { a }', '"d" query { a }', '"d" query A { a }', '"""d""" fragment A on T { a }', '"d" "e" query A { a }',
  '{ "d" a }', 'query ("d" $a: Int) { b(c: $a) }', '"d"', '"d" extend type A { b: C }', '"d" type A { b: C }',
  "{ a } }", "{ a { b }", "{ a ] }", "{ a & b }", "{ a | b }", "{ a = b }", "{ a ! }", "a", "1", '"s"', "$a", "!",
  "...", "{ a } b", "{ a } query", "{ a } { b }", "{ a } 1", "type", "type A", "type A {", "type A { b }",
  "type A { b: C } { a }", "extend", "extend { a }", "schema { query: Q } { a }", "schema {}",
  "directive @a on FIELD { a }", "directive a on FIELD", "enum A { true }", "scalar A { a }", "union A = { a }",
  "input A { a: Int = $b } { a }", "interface A implements & B { c: D }",
  'type A implements B & C @d { "e" f(g: H = 1): I }', "extend type A", "extend scalar A", "subscription",
  "subscription { a b }", "mutation { a } mutation { b }", "{ a(b: 1, c: 2,,) }", ",,, { a }", "{ a(b: [1, 2, ,3]) }",
  "{ a(b: [[], {}]) }", "{ a(b: {c: {d: [{e: 1}]}}) }", "{a:b(c:d)@e(f:g){h}}", "{a...b}", "{a...on b{c}}", "{a@b@c}",
  "{ a(b: true, b: false) }", "{ a(b: -) }", "{ a(b: - 1) }", "{ a(b: +1) }", "{ a(b: 'c') }", "{ a(b: `c`) }",
  "{ a.b }", "{ a..b }", "{ a ....b }", "{ a; b }", "{ a? }", "{ a % b }", "{ a - b }", "{ a / b }", "{ a * }",
  "{ a ~ }", "{ a ^ }", "{ \\ }", "{ a < b }", "", " ", ",", "#", "# only", "\uFEFF", "\uFEFF{ a }",
  "{\uFEFFa\uFEFF}", "{ a\uFEFFb }", "{ a \u00a0 b }", "{ a \u3000 }", "{ é }", "{ aé }", "{ a😀 }", "{ 😀 }",
  '{ a(b: "é" é) }', "{ a \u0000 }", "{ a \u0007 }", "{ a \u000b b }", "{ a \u000c b }", "{ a \u0085 b }",
  "{ a \u2028 b }", "{ _ }", "{ __ }", "{ _1 }", "{ 1a }", "{ a-b }", "{ a # b }", "{ a # b\r c }", "{ a #\u0000\n }",
  "{ a # \u0007 b\n }", "{ a #😀\n b }", "{ a }\u0000", "{ a } \u00a0", "{\ra\r\r\nb\n}", "\r\n\r\n{ a(b: $c }",
  "\r\r{ a(b: $c) ", "{ a\n\n\r\n  ( }",
];

// Each gives a damaged text.
export const GRAMMAR = {
  drop: (list, random) => list.filter((_, at) => at !== random.at),
  double: (list, random) => list.flatMap((it, at) => (at === random.at ? [it, it] : [it])),
  swap(list, random) {
    const changed = [...list];
    const next = (random.at + 1) % list.length;
    [changed[random.at], changed[next]] = [changed[next], changed[random.at]];
    return changed;
  },
  replace: (list, random) =>
    list.map((it, at) => (at === random.at ? { kind: "raw", text: random.pick([...PUNCTUATION, ...OTHERS]) } : it)),
  add: (list, random) => list.toSpliced(random.at, 0, { kind: "raw", text: random.pick([...PUNCTUATION, ...OTHERS]) }),
  end: (list, random) => list.slice(0, random.at),
};

const ODD = [
  '"', '"""', "\\", "'", ";", "?", "%", "..", ".", "-", "é", "😀", "\u0000", "\u0001", "\u001f", "\u007f", "\u0085",
  "\u00a0", "\u200b", "\u2028", "\u2029", "\u3000", "\ufeff", "\ufffd", "\u{10ffff}", "\r", "\n", "\t", "#", "0",
  "1e", '"\\u00"', '"\\x"', "\u000b", "\u000c", "^", "~", "`", "<", "/*", "//",
];

// A character somewhere, tokens or not.
export function oddCharacter(text, random) {
  const at = random.below(text.length + 1);
  // No pair of surrogates is parted: such a text could not be sent.
  const whole = at > 0 && /[\ud800-\udbff]/.test(text[at - 1]) ? at - 1 : at;
  return text.slice(0, whole) + random.pick(ODD) + text.slice(whole);
}
