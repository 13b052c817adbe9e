// Chance that can be had again: everything follows from a number.

const mix = (state) => {
  let it = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  it = Math.imul(it ^ (it >>> 15), 0x735a2d97);
  return (it ^ (it >>> 15)) >>> 0;
};

// A number of any texts and numbers, the same at every run.
export function hash(...parts) {
  let state = 0x9e3779b9;
  for (const part of parts) {
    const text = String(part);
    for (let at = 0; at < text.length; at += 1) state = mix((state + 0x9e3779b9 + text.charCodeAt(at)) | 0);
    state = mix((state + 0x51ed270b) | 0);
  }
  return state;
}

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // A whole number below `bound`.
  below(bound) {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    return mix(this.state) % bound;
  }

  // Whether something of this probability, in percent, comes about.
  percent(chance) {
    return this.below(100) < chance;
  }

  pick(items) {
    return items[this.below(items.length)];
  }

  // One of `[weight, item]`.
  weighted(items) {
    let at = this.below(items.reduce((sum, [weight]) => sum + weight, 0));
    return items.find(([weight]) => (at -= weight) < 0)[1];
  }
}
