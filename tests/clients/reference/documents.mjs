// Valid operations, as syntax trees, over whatever a schema has.

import {
  Kind,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isAbstractType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
  parseType,
  specifiedDirectives,
} from "graphql";

export const nameNode = (value) => ({ kind: Kind.NAME, value });
export const variableNode = (name) => ({ kind: Kind.VARIABLE, name: nameNode(name) });
export const typeNode = (type) => parseType(String(type), { noLocation: true });

const TEXTS = [
  "",
  "a",
  "é",
  "\u{1F600}",
  "a b",
  '"',
  "\\",
  "line\nbreak",
  "tab\t",
  "\u0007",
  "\u2028",
  "x".repeat(40),
  "null",
  "$v",
  "#",
  "\u00a0",
  "{}",
];
const INTS = [0, 1, -1, 2, 7, 42, 1000, 2147483647, -2147483648];
const FLOATS = [0, 1, -1, 0.5, -2.25, 1e3, 1.5e-3, 123456.789];

// A value of a scalar, as JSON.
function scalarJson(type, random) {
  switch (type.name) {
    case "Int":
      return random.pick(INTS);
    case "Float":
      return random.pick(FLOATS);
    case "Boolean":
      return random.percent(50);
    case "ID":
      return random.percent(50) ? random.pick(INTS) : random.pick(TEXTS);
    case "String":
      return random.pick(TEXTS);
    default:
      return anyJson(random, 2);
  }
}

export function anyJson(random, depth) {
  const what = random.below(depth > 0 ? 8 : 6);
  if (what === 6) return Array.from({ length: random.below(3) }, () => anyJson(random, depth - 1));
  if (what === 7)
    return Object.fromEntries(
      Array.from({ length: random.below(3) }, (_, at) => [`k${2 - at}`, anyJson(random, depth - 1)]),
    );
  return [null, random.percent(50), random.pick(INTS), random.pick(FLOATS), random.pick(TEXTS), 1][what];
}

// A value of an input type, as JSON.
export function json(type, random, depth = 3) {
  if (isNonNullType(type)) return present(type.ofType, random, depth);
  return random.percent(12) ? null : present(type, random, depth);
}

function present(type, random, depth) {
  if (isListType(type)) {
    if (random.percent(15)) return json(type.ofType, random, depth - 1);
    return Array.from({ length: random.below(3) }, () => json(type.ofType, random, depth - 1));
  }
  if (isEnumType(type)) return random.pick(type.getValues()).name;
  if (!isInputObjectType(type)) return scalarJson(type, random);
  const fields = Object.values(type.getFields());
  if (type.isOneOf) {
    const field = random.pick(fields);
    return { [field.name]: present(getNullableType(field.type), random, depth - 1) };
  }
  const given = fields.filter((it) => isRequiredInputField(it) || (depth > 0 && random.percent(35)));
  if (random.percent(30)) given.reverse();
  return Object.fromEntries(given.map((it) => [it.name, json(it.type, random, depth - 1)]));
}

// JSON as a literal of a type; strings are blocks now and then.
export function literal(value, type, random) {
  const nullable = type && getNullableType(type);
  if (value === null) return { kind: Kind.NULL };
  if (Array.isArray(value)) {
    const inner = isListType(nullable) ? nullable.ofType : undefined;
    return { kind: Kind.LIST, values: value.map((it) => literal(it, inner, random)) };
  }
  switch (typeof value) {
    case "boolean":
      return { kind: Kind.BOOLEAN, value };
    case "number":
      return Number.isInteger(value) && Math.abs(value) < 1e15
        ? { kind: Kind.INT, value: String(value) }
        : { kind: Kind.FLOAT, value: String(value) };
    case "object": {
      const fields = isInputObjectType(nullable) ? nullable.getFields() : {};
      const field = ([name, it]) => ({
        kind: Kind.OBJECT_FIELD,
        name: nameNode(name),
        value: literal(it, fields[name]?.type, random),
      });
      return { kind: Kind.OBJECT, fields: Object.entries(value).map(field) };
    }
    default: {
      const named = nullable && getNamedType(nullable);
      if (isEnumType(named)) return { kind: Kind.ENUM, value };
      // What a block cannot hold as it stands is no block.
      const block = random.percent(15) && /^[\x20-\x7e\n\u00a1-\uffff]*$/.test(value);
      return { kind: Kind.STRING, value, block };
    }
  }
}

// One document with what belongs to it.
export class Writer {
  constructor(schema, random) {
    Object.assign(this, { schema, random, fragments: [], variables: {}, definitions: new Map(), aliases: 0 });
    this.directives = schema.getDirectives().filter((it) => !specifiedDirectives.includes(it));
  }

  // `{ document, variables, operationName }`
  request() {
    const kinds = ["query", "query", "query", "mutation", "subscription"];
    const kind = this.random.pick(kinds.filter((it) => this.schema.getRootType(it)));
    const operations = [this.operation(kind, this.random.percent(60) ? "A" : undefined)];
    const { variables } = this;
    let operationName = operations[0].name && this.random.percent(40) ? "A" : undefined;
    if (operations[0].name && this.random.percent(8)) {
      this.variables = {};
      operations[this.random.percent(50) ? "push" : "unshift"](this.operation("query", "B"));
      operationName = "A";
    }
    const definitions = [...operations, ...this.fragments];
    if (this.random.percent(20)) definitions.reverse();
    return { document: { kind: Kind.DOCUMENT, definitions }, variables, operationName };
  }

  operation(kind, name) {
    this.definitions = new Map();
    // Variables of fragments would have to be known to all operations.
    this.shared = [];
    const root = this.schema.getRootType(kind);
    const selectionSet = this.set(root, 3, kind === "subscription" ? 1 : 1 + this.random.below(4), kind);
    return {
      kind: Kind.OPERATION_DEFINITION,
      operation: kind,
      name: name && nameNode(name),
      description: name && this.random.percent(4) ? { kind: Kind.STRING, value: "What it does." } : undefined,
      variableDefinitions: [...this.definitions.values()],
      directives: this.customDirectives(kind.toUpperCase()),
      selectionSet,
    };
  }

  set(type, depth, count = 1 + this.random.below(3), root = undefined) {
    const used = new Set();
    const selections = [];
    for (let at = 0; at < count; at += 1) {
      const what = root === "subscription" ? 0 : this.random.below(100);
      if (isUnionType(type) ? what < 70 : what >= 86 && what < 96) selections.push(this.fragment(type, depth));
      else if (what >= 96 || isUnionType(type)) selections.push(this.typename());
      else selections.push(this.field(type, depth, used, root));
    }
    return { kind: Kind.SELECTION_SET, selections };
  }

  typename() {
    return {
      kind: Kind.FIELD,
      name: nameNode("__typename"),
      alias: this.random.percent(30) ? this.alias() : undefined,
      arguments: [],
      directives: this.conditions("FIELD"),
    };
  }

  alias() {
    this.aliases += 1;
    return nameNode(`a${this.aliases}`);
  }

  field(type, depth, used, root) {
    const fields = Object.values(type.getFields());
    const leaves = fields.filter((it) => isLeafType(getNamedType(it.type)));
    const field = this.random.pick(depth <= 0 && leaves.length > 0 ? leaves : fields);
    const args = this.args(field.args);
    const alias = used.has(field.name) || (args.length > 0 && this.random.percent(80)) || this.random.percent(20);
    used.add(field.name);
    const inner = getNamedType(field.type);
    return {
      kind: Kind.FIELD,
      name: nameNode(field.name),
      alias: alias ? this.alias() : undefined,
      arguments: args,
      directives: root === "subscription" ? this.customDirectives("FIELD") : this.conditions("FIELD"),
      selectionSet: isCompositeType(inner) ? this.set(inner, depth - 1, depth <= 0 ? 1 : undefined) : undefined,
    };
  }

  args(args) {
    const given = args.filter((it) => isRequiredArgument(it) || this.random.percent(45));
    return given.map((it) => ({
      kind: Kind.ARGUMENT,
      name: nameNode(it.name),
      value: this.value(it.type, it.defaultValue !== undefined),
    }));
  }

  // A literal or a variable, or a literal with a variable somewhere in it.
  value(type, hasDefault) {
    if (this.inFragment === undefined && this.random.percent(30)) return this.variable(type, hasDefault);
    const node = literal(json(type, this.random), type, this.random);
    if (this.inFragment === undefined && this.random.percent(15)) this.plant(node, type);
    return node;
  }

  // Puts a variable in the place of a member or an item.
  plant(node, type) {
    const nullable = getNullableType(type);
    if (node.kind === Kind.LIST && isListType(nullable) && node.values.length > 0) {
      node.values[this.random.below(node.values.length)] = this.variable(nullable.ofType, false);
    } else if (node.kind === Kind.OBJECT && isInputObjectType(nullable) && node.fields.length > 0) {
      const field = this.random.pick(node.fields);
      const defined = nullable.getFields()[field.name.value];
      const type = nullable.isOneOf ? `${getNullableType(defined.type)}!` : undefined;
      field.value = this.variable(defined.type, defined.defaultValue !== undefined, type);
    }
  }

  variable(type, hasDefault, spelled = undefined) {
    const { random } = this;
    const name = `v${this.definitions.size + 1}`;
    const nullable = getNullableType(type);
    let declared = spelled ?? String(type);
    if (!spelled && !isNonNullType(type) && random.percent(25)) declared = `${type}!`;
    if (!spelled && isNonNullType(type) && hasDefault && random.percent(30)) declared = String(nullable);
    const isRequired = declared.endsWith("!");
    const defaultValue = random.percent(25) ? literal(present(nullable, random, 2), nullable, random) : undefined;
    this.definitions.set(name, {
      kind: Kind.VARIABLE_DEFINITION,
      variable: variableNode(name),
      type: typeNode(declared),
      defaultValue,
      directives: this.customDirectives("VARIABLE_DEFINITION"),
    });
    const left = random.percent(30) && (!isRequired || defaultValue);
    if (!left) this.variables[name] = isRequired ? present(nullable, random, 2) : json(nullable, random, 2);
    return variableNode(name);
  }

  fragment(type, depth) {
    const { random, schema } = this;
    const possible = isAbstractType(type) ? schema.getPossibleTypes(type) : [type];
    const around = Object.values(schema.getTypeMap()).filter(
      (it) => isAbstractType(it) && possible.some((one) => schema.isSubType(it, one)),
    );
    const on = random.percent(75) ? random.pick(possible) : random.pick([type, ...around]);
    if (random.percent(60)) {
      return {
        kind: Kind.INLINE_FRAGMENT,
        typeCondition: on === type && random.percent(30) ? undefined : typeNode(on.name),
        directives: this.conditions("INLINE_FRAGMENT"),
        selectionSet: this.set(on, depth - 1),
      };
    }
    const known = this.fragments.filter((it) => it.typeCondition.name.value === on.name && it.done);
    let name = known.length > 0 && random.percent(50) ? random.pick(known).name.value : undefined;
    if (!name) {
      name = `F${this.fragments.length + 1}`;
      const definition = {
        kind: Kind.FRAGMENT_DEFINITION,
        name: nameNode(name),
        typeCondition: typeNode(on.name),
        directives: [],
      };
      definition.description = random.percent(3) ? { kind: Kind.STRING, value: "A part." } : undefined;
      this.fragments.push(definition);
      const outer = this.inFragment;
      this.inFragment = name;
      definition.directives = this.customDirectives("FRAGMENT_DEFINITION");
      definition.selectionSet = this.set(on, depth - 1);
      this.inFragment = outer;
      Object.defineProperty(definition, "done", { value: true });
    }
    return { kind: Kind.FRAGMENT_SPREAD, name: nameNode(name), directives: this.conditions("FRAGMENT_SPREAD") };
  }

  conditions(location) {
    const directives = this.customDirectives(location);
    for (const name of ["skip", "include"]) {
      if (!this.random.percent(5)) continue;
      const skip = this.schema.getDirective(name);
      directives.push({
        kind: Kind.DIRECTIVE,
        name: nameNode(name),
        arguments: [{ kind: Kind.ARGUMENT, name: nameNode("if"), value: this.value(skip.args[0].type, false) }],
      });
    }
    return directives;
  }

  customDirectives(location) {
    const fitting = this.directives.filter((it) => it.locations.includes(location));
    const written = [];
    for (const directive of fitting) {
      for (let times = directive.isRepeatable ? 2 : 1; times > 0; times -= 1) {
        if (!this.random.percent(12)) continue;
        const isConstant = location === "VARIABLE_DEFINITION";
        const outer = this.inFragment;
        if (isConstant) this.inFragment = "a constant";
        written.push({ kind: Kind.DIRECTIVE, name: nameNode(directive.name), arguments: this.args(directive.args) });
        this.inFragment = outer;
      }
    }
    return written;
  }
}
