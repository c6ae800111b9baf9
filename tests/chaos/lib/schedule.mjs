// What happens when: drawn from the seed before the run begins. How many of the faults there is time for, the run shows.
import { lasting, passing } from './nemeses.mjs';
import { Random } from './random.mjs';

const gapMs = [1000, 4000]; // between a recovery and the next fault
const holdMs = [1500, 9000];

// A fault of each kind first, in an order of its own for each seed, then as chance has it.
function draw(random, count) {
  const first = random.shuffle(passing.map(([, nemesis]) => nemesis));
  return Array.from({ length: count }, (_, i) => (i < first.length ? first[i] : random.weighted(passing)));
}

// {faults, last}: `last` come when the time is nearly over, because the nodes they hit do not come back. At most so many as leave a
// majority and one.
export function makeSchedule({ seed, nodes, minutes, only }) {
  const random = new Random(seed, 'schedule');
  const plan = (nemesis, i) => ({
    nemesis, number: i + 1, random: new Random(seed, `nemesis/${i}`),
    gapMs: random.between(...gapMs), holdMs: random.between(...holdMs),
  });
  const chosen = draw(random, Math.max(40, minutes * 20));
  const matching = only ? chosen.filter(({ name }) => only.includes(name)) : chosen;
  const faults = matching.map(plan);
  const losable = Math.floor((nodes - 1) / 2);
  const wanted = random.shuffle(lasting.filter(({ name }) => !only || only.includes(name))).slice(0, losable);
  return { faults, last: wanted.map((nemesis, i) => plan(nemesis, 100_000 + i)) };
}
