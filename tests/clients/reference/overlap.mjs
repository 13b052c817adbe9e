// Selections of few names at random: what can be merged, and what cannot, also behind fragments.

const FIELDS = {
  Query: [["someBox", "SomeBox"], ["dog", "Dog"], ["pet", "Pet"], ["connection", "Connection"], ["echo"]],
  SomeBox: [["deepBox", "SomeBox"], ["unrelatedField"]],
  StringBox: [
    ["scalar"],
    ["deepBox", "StringBox"],
    ["unrelatedField"],
    ["stringBox", "StringBox"],
    ["intBox", "IntBox"],
    ["listStringBox", "StringBox"],
  ],
  IntBox: [["scalar"], ["deepBox", "IntBox"], ["unrelatedField"], ["stringBox", "StringBox"], ["intBox", "IntBox"]],
  NonNullStringBox1: [["scalar"]],
  Dog: [["name"], ["barkVolume"], ["doesKnowCommand"], ["nickname"]],
  Cat: [["name"], ["meowVolume"], ["nickname"]],
  Pet: [["__typename"]],
  Connection: [["edges", "Edge"]],
  Edge: [["node", "Node"]],
  Node: [["id"], ["name"]],
};
const WITHIN = {
  SomeBox: ["StringBox", "IntBox", "NonNullStringBox1"],
  Pet: ["Dog", "Cat"],
  StringBox: ["SomeBox"],
  Dog: ["Pet"],
};
const ARGUMENTS = {
  echo: [
    "", "(list: [1])", "(list: [1, 2])", "(list: [])", "(list: 1)", '(text: "a")', '(text: """a""")', '(text: "b")',
    '(how: { loud: true, words: ["a"] })', '(how: { words: ["a"], loud: true })', "(how: { loud: true })",
    '(text: "a", list: [1])', '(list: [1], text: "a")', "(list: [$v])", "(list: null)", '(text: "\\u0061")',
  ],
  name: ["", "(surname: true)", "(surname: false)", "(surname: null)"],
  doesKnowCommand: [
    "(command: SIT)", "(command: DOWN)", "(command: SIT, times: [1])", "(command: SIT, times: [1, 2])",
    "(times: 1, command: SIT)", "(command: SIT, how: { loud: true })",
  ],
};

export function overlapping(random) {
  const fragments = [];
  const set = (type, depth) => {
    const parts = Array.from({ length: 1 + random.below(3) }, () => part(type, depth));
    return `{ ${parts.join(random.percent(20) ? "\n" : " ")} }`;
  };
  const part = (type, depth) => {
    const what = random.below(100);
    if (what < 15 && depth > 0) return `... on ${inner(type)} ${set(inner.last, depth - 1)}`;
    if (what < 35 && depth > 0) {
      if (fragments.length > 0 && random.percent(40)) {
        const fitting = fragments.filter((it) => it.on === type);
        if (fitting.length > 0) return `...${random.pick(fitting).name}`;
      }
      const fragment = { name: `F${fragments.length}`, on: random.percent(60) ? type : inner(type) };
      fragments.push(fragment);
      fragment.text = `fragment ${fragment.name} on ${fragment.on} ${set(fragment.on, depth - 1)}`;
      return `...${fragment.name}`;
    }
    const leaves = FIELDS[type].filter(([, below]) => !below);
    const [name, below] = random.pick(depth <= 0 && leaves.length > 0 ? leaves : FIELDS[type]);
    const alias = random.percent(45) ? `${random.pick(["x", "x", "y"])}: ` : "";
    const args = ARGUMENTS[name] ? random.pick(ARGUMENTS[name]) : "";
    return `${alias}${name}${args}${below ? ` ${set(below, depth - 1)}` : ""}`;
  };
  const inner = (type) => (inner.last = WITHIN[type] ? random.pick(WITHIN[type]) : type);
  const operation = set("Query", 4);
  const texts = fragments.map((it) => it.text);
  const text = [operation, ...(random.percent(50) ? texts : texts.reverse())].join("\n");
  return text.includes("$v") ? text.replace("{", "query ($v: Int) {") : text;
}
