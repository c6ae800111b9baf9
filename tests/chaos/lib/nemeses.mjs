// The faults. Each is {name, begin, end}: begin(world, plan) does it and tells in a few words what it did, end(world, plan, what)
// undoes it as an operator would and returns when every node that is to run runs. `plan.random` is the fault's own stream of chance.
//
// None breaks the fault model (docs/FAULT_MODEL.md): fewer than half of the disks lie or are damaged in a run, and a node whose disk
// did not keep what it had synced never comes back.
import { sleep, until } from './time.mjs';

const stopTimeoutMs = 30_000;

// Whom a fault hits: the leader as often as all others together.
async function victim(world, random) {
  const leader = random.chance(0.5) ? await world.leader() : null;
  return leader ?? random.pick(world.members());
}

const label = (node) => `node ${node.id}`;

async function startAll(world) {
  for (const node of world.members()) {
    if (!node.up && node.damaged) node.out = 'its log is damaged';
  }
  const down = world.members().filter((node) => !node.up);
  for (const node of down) world.start(node);
  for (const node of down) await world.ready(node);
}

// Waits for a node that a fault makes stop itself; kills it if the fault did not reach it.
async function stopsItself(world, node) {
  const stopped = await until(() => !node.up, stopTimeoutMs);
  if (!stopped) await world.kill(node);
  return stopped !== null;
}

const kill = {
  name: 'kill',
  async begin(world, { random }) {
    const node = await victim(world, random);
    await world.kill(node);
    return { node, text: label(node) };
  },
  end: startAll,
};

const pause = {
  name: 'pause',
  async begin(world, { random }) {
    const node = await victim(world, random);
    world.pause(node);
    return { node, text: label(node) };
  },
  async end(world, plan, { node }) {
    world.resume(node);
  },
};

const killAll = {
  name: 'kill-all',
  async begin(world) {
    await Promise.all(world.members().map((node) => world.kill(node)));
    return { text: 'all nodes' };
  },
  end: startAll,
};

const rolling = {
  name: 'rolling-restart',
  async begin(world, { random }) {
    const order = random.shuffle(world.members());
    for (const node of order) {
      await world.kill(node, 'SIGTERM');
      world.start(node);
      await world.ready(node);
    }
    return { text: `nodes ${order.map(({ id }) => id).join(' ')}` };
  },
  async end() {},
};

// The power of one machine goes, while it writes.
const power = {
  name: 'power-cut',
  async begin(world, { random }) {
    const node = await victim(world, random);
    const keep = random.pick([0, 20, 50, 80]);
    await world.cutPower(node, keep, random.between(1, 2 ** 31));
    return { text: `${label(node)}, ${keep} % of what was not synced kept` };
  },
  end: startAll,
};

const powerAll = {
  name: 'power-cut-all',
  async begin(world, { random }) {
    const keeps = world.members().map((node) => ({ node, keep: random.pick([0, 20, 50, 80]), seed: random.between(1, 2 ** 31) }));
    await Promise.all(keeps.map(({ node }) => world.kill(node)));
    for (const { node, keep, seed } of keeps) await world.cutPower(node, keep, seed);
    return { text: `all nodes, ${keeps.map(({ keep }) => keep).join(' ')} % of what was not synced kept` };
  },
  end: startAll,
};

// --- the network ---

const healNetwork = async (world) => {
  await world.unblockAll();
  await world.setLinks({});
};

async function blockBetween(world, some, others) {
  await Promise.all(some.flatMap((a) => others.flatMap((b) => [world.block(a, b), world.block(b, a)])));
}

const halves = {
  name: 'partition',
  async begin(world, { random }) {
    const mixed = random.shuffle(world.members());
    const size = random.between(1, Math.floor((mixed.length - 1) / 2) || 1);
    await blockBetween(world, mixed.slice(0, size), mixed.slice(size));
    return { text: `nodes ${mixed.slice(0, size).map(({ id }) => id).join(' ')} cut off` };
  },
  end: healNetwork,
};

const alone = {
  name: 'leader-cut-off',
  async begin(world) {
    const leader = await world.leader();
    if (!leader) return { text: 'there was no leader' };
    await blockBetween(world, [leader], world.members().filter((node) => node !== leader));
    return { text: label(leader) };
  },
  end: healNetwork,
};

const oneWay = {
  name: 'one-way',
  async begin(world, { random }) {
    const node = await victim(world, random);
    const deaf = random.chance(0.5);
    const others = world.members().filter((other) => other !== node);
    await Promise.all(others.map((other) => (deaf ? world.block(other, node) : world.block(node, other))));
    return { text: `${label(node)} ${deaf ? 'hears nobody' : 'is heard by nobody'}` };
  },
  end: healNetwork,
};

// Two sides that only one node connects.
const bridge = {
  name: 'bridge',
  async begin(world, { random }) {
    const [middle, ...others] = random.shuffle(world.members());
    const half = Math.ceil(others.length / 2);
    await blockBetween(world, others.slice(0, half), others.slice(half));
    return { text: `only node ${middle.id} sees nodes ${others.slice(0, half).map(({ id }) => id).join(' ')} and the others` };
  },
  end: healNetwork,
};

const slowNetwork = {
  name: 'slow-network',
  async begin(world, { random }) {
    const delayMs = random.between(5, 60);
    const jitterMs = random.between(0, 60);
    await world.setLinks({ delayMs, jitterMs });
    return { text: `${delayMs} to ${delayMs + jitterMs} ms each way` };
  },
  end: healNetwork,
};

const lossyNetwork = {
  name: 'lossy-network',
  async begin(world, { random }) {
    const loss = random.between(10, 200);
    await world.setLinks({ loss, jitterMs: random.between(0, 20) });
    return { text: `${loss / 10} % of all packets lost` };
  },
  end: healNetwork,
};

// --- disks ---

// One disk is full, or all are; no node stops for it, and all go on by themselves.
const fullDisk = {
  name: 'full-disk',
  async begin(world, { random }) {
    const nodes = random.chance(0.3) ? world.members() : [await victim(world, random)];
    for (const node of nodes) await node.disk.tell(`capacity +${random.between(0, 64 * 1024)}`);
    return { nodes, text: `nodes ${nodes.map(({ id }) => id).join(' ')}` };
  },
  async end(world, plan, { nodes }) {
    for (const node of nodes) await node.disk.tell('capacity 1048576M');
    for (const node of nodes) await world.ready(node);
  },
};

// After a failed sync nobody knows what is on the disk: the machine is started anew, so that it shows.
const failedSync = {
  name: 'failed-sync',
  async begin(world, { random }) {
    const node = await victim(world, random);
    node.mayStop = true;
    await node.disk.tell(`fail-syncs ${random.between(1, 3)} ${random.pick([0, 30, 70])} ${random.between(1, 2 ** 31)}`);
    return { node, text: label(node) };
  },
  async end(world, { random }, what) {
    const { node } = what;
    what.text += (await stopsItself(world, node)) ? ', it stopped itself' : ', it synced nothing';
    await node.disk.tell('fail-syncs 0 0 0');
    await world.cutPower(node, random.pick([0, 50, 100]), random.between(1, 2 ** 31));
    node.mayStop = false;
    await startAll(world);
  },
};

const slowDisk = {
  name: 'slow-disk',
  async begin(world, { random }) {
    const nodes = random.shuffle(world.members()).slice(0, random.between(1, Math.floor((world.nodes.length - 1) / 2)));
    const ms = random.between(20, 300);
    await Promise.all(nodes.map((node) => node.disk.tell(`sync-delay ${ms}`)));
    return { nodes, text: `nodes ${nodes.map(({ id }) => id).join(' ')}, ${ms} ms a sync` };
  },
  async end(world, plan, { nodes }) {
    await Promise.all(nodes.map((node) => node.disk.tell('sync-delay 0')));
  },
};

// The disk says that it synced, and loses it when the power goes. The node is lost: it has forgotten what it acknowledged.
const lyingDisk = {
  name: 'lying-syncs',
  lasting: true,
  async begin(world, { random }) {
    const node = await victim(world, random);
    await node.disk.tell('lie on');
    return { node, text: label(node) };
  },
  async end(world, { random }, what) {
    const { node } = what;
    const told = await world.cutPower(node, random.pick([0, 10]), random.between(1, 2 ** 31));
    node.out = 'its disk lied';
    what.text += `, the power cut, ${/lied=(\d+)/.exec(told)[1]} syncs were lies: out to the end`;
    await startAll(world);
  },
};

// Bits of the log turn while the machine is off. The node must never answer from what is damaged; at the end its whole log is read.
const bitRot = {
  name: 'bit-rot',
  lasting: true,
  async begin(world, { random }) {
    const node = await victim(world, random);
    await world.kill(node);
    const bits = random.pick([1, 10, 100]);
    const file = random.pick(['data.mdb', 'journal']);
    await node.disk.tell(`flip /data/log/${file} ${bits} ${random.between(1, 2 ** 31)}`);
    node.mayStop = true;
    node.damaged = true;
    world.start(node);
    return { node, text: `${label(node)}, ${bits} bits of its log (${file})` };
  },
  async end(world, plan, what) {
    const { node } = what;
    const serves = await until(async () => !node.up || (await world.statusOf(node)), stopTimeoutMs);
    if (node.up && serves) {
      what.text += ': it serves (nothing damaged was read yet)';
    } else {
      node.out = 'its log is damaged';
      what.text += `: it stopped (${world.lastLine(node).slice(0, 90)}): out to the end`;
    }
    await startAll(world);
  },
};

// Bits of the state turn while the machine is off: whatever is damaged is found when it is read, and then made anew from the log. What was
// not read goes with the machine's next start, for which the fault does not wait.
const stateRot = {
  name: 'state-rot',
  async begin(world, { random }) {
    const node = await victim(world, random);
    const bits = random.pick([1, 10, 100]);
    await world.kill(node);
    await node.disk.tell(`cut 100 ${random.between(1, 2 ** 31)}`); // all of it was written back
    await node.disk.tell(`flip /data/state/data.mdb ${bits} ${random.between(1, 2 ** 31)}`);
    node.mayStop = true;
    world.start(node);
    return { node, text: `${label(node)}, ${bits} bits of its state` };
  },
  async end(world, plan, what) {
    const { node } = what;
    what.text += node.up ? '' : ', it found the damage and stopped';
    await world.kill(node);
    world.newBoot(node);
    node.mayStop = false;
    await startAll(world);
  },
};

// --- clocks ---

const clockJump = {
  name: 'clock-jump',
  async begin(world, { random }) {
    const node = await victim(world, random);
    const minutes = random.pick([-60, -5, -1, 1, 5, 60]);
    world.setClock(node, minutes * 60_000);
    return { node, text: `${label(node)} by ${minutes} min` };
  },
  async end(world, plan, { node }) {
    world.setClock(node, 0);
  },
};

// All clocks differ, and change every half second.
const clockStrobe = {
  name: 'clock-strobe',
  async begin(world, { random, holdMs }) {
    for (let left = holdMs; left > 0; left -= 500) {
      for (const node of world.members()) world.setClock(node, random.between(-120_000, 120_000));
      await sleep(500);
    }
    return { text: 'every node, two minutes either way, every half second' };
  },
  async end(world) {
    for (const node of world.nodes) world.setClock(node, 0);
  },
};

// --- two at once ---

// A fault of the network, and in the middle of it one of a machine.
const storm = {
  name: 'storm',
  async begin(world, plan) {
    const { random, holdMs } = plan;
    const both = [random.pick([halves, oneWay, bridge, slowNetwork, lossyNetwork]),
      random.pick([kill, pause, power, powerAll, failedSync, slowDisk, clockJump])];
    const whats = [];
    for (const one of both) {
      whats.push(await one.begin(world, plan));
      await sleep(holdMs / 3);
    }
    return { both, whats, text: both.map(({ name }, i) => `${name} (${whats[i].text})`).join(' and ') };
  },
  // The machine comes back first: into a network that is broken still.
  async end(world, plan, what) {
    await what.both[1].end(world, plan, what.whats[1]);
    await what.both[0].end(world, plan, what.whats[0]);
  },
};

export const passing = [
  [4, kill], [3, pause], [2, killAll], [1, rolling], [3, power], [2, powerAll],
  [3, halves], [3, alone], [3, oneWay], [2, bridge], [2, slowNetwork], [2, lossyNetwork],
  [2, fullDisk], [2, failedSync], [2, slowDisk], [2, stateRot], [2, clockJump], [1, clockStrobe], [6, storm],
];
export const lasting = [lyingDisk, bitRot];
