// What the nodes have at the end, each read from the node itself: its log, its digest, its polls, tallies, ballots and decisions.
import { shown } from './clients.mjs';
import { Connection, readCommand, RpcError } from './rpc.mjs';
import { until } from './time.mjs';

const callMs = 30_000;
const settleMs = 60_000;

async function pages(connection, method, params, key) {
  const items = [];
  for (let after, more = true; more;) {
    const page = await connection.call(method, { ...params, stale: true, limit: 1000, ...(after === undefined ? {} : { after }) }, callMs);
    items.push(...page.items);
    more = page.more;
    after = key(page.items.at(-1));
  }
  return items;
}

async function readPoll(connection, poll) {
  const tally = shown.tally(await connection.call('tally', { poll: poll.id, stale: true }, callMs));
  const ballots = {};
  for (const ballot of await pages(connection, 'ballot.list', { poll: poll.id }, (item) => item?.member)) ballots[ballot.member] = shown.ballot(ballot);
  const decision = poll.state === 'open' ? null
    : shown.decision(await connection.call('decision.get', { poll: poll.id, question: 'q', stale: true }, callMs));
  return { tally, ballots, decision };
}

// Every node that takes part at one applied index: {node, applied, digest} of each.
export async function settle(world) {
  const settled = await until(async () => {
    const all = await world.statuses();
    const whole = all.length === world.members().length && new Set(all.map(({ status }) => status.applied)).size === 1
      && all.every(({ status }) => status.applied === status.last);
    return whole ? all : null;
  }, settleMs, 100);
  if (settled === null) throw new Error(`the nodes do not come to one applied index in ${settleMs / 1000} s`);
  return settled.map(({ node, status }) => ({ node: node.id, applied: status.applied, digest: Buffer.from(status.digest).toString('hex') }));
}

export async function readFinals(world, { node, applied, digest }) {
  const connection = await Connection.open(world.endpoint(node));
  try {
    const polls = {};
    for (const poll of await pages(connection, 'poll.list', {}, (item) => item?.id)) polls[poll.id] = await readPoll(connection, poll);
    return { node, applied, digest, polls };
  } finally {
    connection.close();
  }
}

function readEntry({ index, term, type, time, closes, commands }) {
  return { index, term, type, time, closes, commands: commands.map(({ command, code }) => ({ ...readCommand(command), code })) };
}

// The log up to `last` as this node has it.
export async function readLog(world, id, last) {
  const connection = await Connection.open(world.endpoint(id));
  try {
    const entries = [];
    for (let more = true; more;) {
      const page = await connection.call('log.read', { from: entries.length + 1, limit: 1000 }, callMs);
      entries.push(...page.items.map(readEntry));
      more = page.more && page.items.length > 0;
    }
    return entries.filter(({ index }) => index <= last); // a change of the leader may have added to it meanwhile
  } finally {
    connection.close();
  }
}

// What `read` reads of a node; null when the node finds that its disk is damaged, and says so or stops, which only one may whose disk is.
export async function unlessDamaged(world, id, read) {
  try {
    return await read();
  } catch (error) {
    if (!world.nodes[id - 1].damaged || (error instanceof RpcError && error.code !== 'corrupt')) throw error;
    return null;
  }
}
