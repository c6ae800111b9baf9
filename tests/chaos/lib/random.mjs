// Chance from a seed: splitmix64, as its author published it. Streams of their own for each purpose, so that one more draw
// here changes nothing there.
import { createHash } from 'node:crypto';

const mask = (1n << 64n) - 1n;

export class Random {
  constructor(seed, purpose) {
    const digest = createHash('sha256').update(`${seed}/${purpose}`).digest();
    this.state = digest.readBigUInt64BE(0);
  }

  next64() {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & mask;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  }

  // 0 <= result < 1
  real() {
    return Number(this.next64() >> 11n) / 2 ** 53;
  }

  // low <= result <= high, integers
  between(low, high) {
    return low + Math.floor(this.real() * (high - low + 1));
  }

  chance(probability) {
    return this.real() < probability;
  }

  pick(items) {
    return items[this.between(0, items.length - 1)];
  }

  // One of [[weight, item], ...].
  weighted(pairs) {
    let at = this.real() * pairs.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, item] of pairs) {
      if (at < weight) return item;
      at -= weight;
    }
    return pairs.at(-1)[1];
  }

  shuffle(items) {
    const mixed = [...items];
    for (let i = mixed.length - 1; i > 0; i--) {
      const k = this.between(0, i);
      [mixed[i], mixed[k]] = [mixed[k], mixed[i]];
    }
    return mixed;
  }
}
