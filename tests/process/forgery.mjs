// Operators who lie: one ballot is changed, moved or dropped in the stored logs of all nodes, or of one, with every checksum and every hash that
// nobody signed made anew (forgery/forge.c); then the nodes are started again, and sign what they have. Each lie must be named: by whoever
// checks an export without a server, or by whoever holds a receipt. What each says is printed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Cluster, binaryDirectory, run, until } from './support/cluster.mjs';

const forge = path.join(binaryDirectory, 'forge');

// A cluster where ada and bob have voted in a poll of three letters, and the receipts of both; all nodes are stopped.
async function voted(t, closed) {
  const cluster = await Cluster.start(t, 3);
  const held = path.join(cluster.directory, 'receipts');
  const keys = { ada: await cluster.admit('ada'), bob: await cluster.admit('bob') };
  for (const poll of ['one', 'two']) await cluster.json(['poll', 'open', poll, '--title', poll, '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?']);
  const places = {};
  for (const [member, answer] of [['ada', 'yes'], ['bob', 'no']]) {
    places[member] = await cluster.json(['vote', 'one', `q=${answer}`, '--yes'], { key: keys[member], environment: { CONCLAVE_RECEIPTS: held } });
  }
  await until('the receipts', async () => (await cluster.conclave(['receipt', '--pending'], { environment: { CONCLAVE_RECEIPTS: held } })).status === 0);
  const { cluster: id } = await cluster.json(['cluster', 'show']);
  const receipts = fs.readdirSync(path.join(held, id)).map((name) => path.join(held, id, name));
  assert.equal(receipts.length, 2);
  if (closed) await cluster.json(['poll', 'close', 'one']);
  for (const node of [1, 2, 3]) await cluster.local('stop', String(node));
  return { cluster, held, receipts, places };
}

const nodeDirectory = (cluster, node) => path.join(cluster.data, `node${node}`);

async function rewrite(cluster, nodes, { index, position }, ...words) {
  for (const node of nodes) {
    const directory = nodeDirectory(cluster, node);
    const forged = await run(forge, [path.join(directory, 'log'), String(index), String(position), ...words]);
    assert.equal(forged.status, 0, forged.error);
    for (const name of ['state', 'checkpoint']) fs.rmSync(path.join(directory, name), { recursive: true, force: true });
  }
}

async function serve(cluster) {
  await cluster.local('up');
  // They have signed what they have now: the lie is as good as it gets.
  await until('a final checkpoint', async () => (await cluster.status()).nodes.some((node) => Number(node.status?.record?.final ?? 0) > 0));
}

async function verifyExport(cluster, ...receipts) {
  const file = path.join(cluster.directory, 'export.jsonl');
  const exported = await cluster.conclave(['export', '--out', file]);
  assert.equal(exported.status, 0, exported.error);
  return cluster.conclave(['verify', '--export', file, ...receipts]);
}

const caught = (t, lie, result, pattern) => {
  assert.equal(result.status, 1, `${lie}: ${result.out}${result.error}`);
  assert.match(result.error + result.out, pattern);
  t.diagnostic(`${lie}: ${(result.error + result.out).split('\n').find((line) => pattern.test(line)).trim()}`);
};

const audit = ({ cluster, held }) => cluster.conclave(['audit', '--receipts', held]);

test('nothing was forged', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, true);
  await serve(world.cluster);
  const verified = await verifyExport(world.cluster, ...world.receipts);
  assert.equal(verified.status, 0, verified.error);
  assert.match(verified.out, /the root is the one that a majority of the nodes has signed\n {2}2 receipts agree/);
  assert.equal((await audit(world)).status, 0);
});

test('a ballot is changed in all logs', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, true);
  await rewrite(world.cluster, [1, 2, 3], world.places.ada, 'replace', 'yes', 'no');
  await serve(world.cluster);
  const tally = await world.cluster.json(['tally', 'one']);
  assert.deepEqual(tally.questions[0].no.map(Number), [2, 2], 'the lie is what all nodes say');
  caught(t, 'changed, the export', await verifyExport(world.cluster), /log \d+, command \d+: the signature of this ballot.cast is not by the key of its author "ada"/);
  caught(t, 'changed, the receipts', await audit(world), /ada/);
});

test('a ballot is moved to another poll in all logs', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, false);
  await rewrite(world.cluster, [1, 2, 3], world.places.ada, 'replace', 'one', 'two');
  await serve(world.cluster);
  caught(t, 'moved, the export', await verifyExport(world.cluster), /log \d+, command \d+: the signature of this ballot.cast is not by the key of its author "ada"/);
  caught(t, 'moved, the receipts', await audit(world), /ada/);
});

test('a ballot is dropped from all logs', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, true);
  await rewrite(world.cluster, [1, 2, 3], world.places.bob, 'drop');
  await serve(world.cluster);
  const alone = await verifyExport(world.cluster);
  assert.equal(alone.status, 0, 'a log from which something is gone, signed anew, is right by itself: that is what receipts are for');
  caught(t, 'dropped, the export beside a receipt', await verifyExport(world.cluster, ...world.receipts), /is not the one that .*bob.* proves|the root is not the one that .*bob/);
  caught(t, 'dropped, the receipts', await audit(world), /bob/);
});

test('a ballot is changed in one log', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, true);
  await rewrite(world.cluster, [2], world.places.ada, 'replace', 'yes', 'no');
  await world.cluster.local('up').catch((error) => assert.match(error.message, /exit 5/)); // no write may be possible
  // The two histories cannot both be signed. Nodes that follow a leader with another one cannot tell who is right: they take part in nothing
  // more. So either node 2 stands alone, or, while it leads, nothing is decided at all; no majority signs what was forged.
  const apart = await until('it is found out', async () => {
    const { nodes } = await world.cluster.status();
    const found = nodes.filter(({ status }) => status?.record?.diverged);
    return found.length > 0 && found;
  });
  const names = apart.map(({ node }) => node).join(' and ');
  assert.ok(['2', '1 and 3', '1', '3'].includes(names), names);
  const { size, own, other } = apart[0].status.record.diverged;
  assert.notEqual(own, other);
  t.diagnostic(`forked: node ${apart[0].node} takes part in nothing more: with ${size} leaves its root is ${own}, and another node has signed ${other}`);
  const log = fs.readFileSync(path.join(world.cluster.data, `node${apart[0].node}.log`), 'utf8');
  assert.match(log, /the record of this node is not that of the others/);
  const { out } = await world.cluster.conclave(['status']);
  t.diagnostic(`forked, status: ${out.split('\n').find((line) => line.trim().startsWith(apart[0].node)).trim()}`);
});

test('what comes with the log is forged', { timeout: 120_000 }, async (t) => {
  const world = await voted(t, true);
  await serve(world.cluster);
  const file = path.join(world.cluster.directory, 'export.jsonl');
  assert.equal((await world.cluster.conclave(['export', '--out', file])).status, 0);
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  const verifyWith = async (lie, pattern, change) => {
    const forged = path.join(world.cluster.directory, 'forged.jsonl');
    fs.writeFileSync(forged, lines.map((line) => (line === '' ? '' : JSON.stringify(change(JSON.parse(line))))).filter((line) => line !== 'null').join('\n'));
    caught(t, lie, await world.cluster.conclave(['verify', '--export', forged]), pattern);
  };
  const isCheckpoint = ({ schema }) => schema === 'conclave.checkpoint.v1';
  await verifyWith('a forged root', /signature/, (line) => (isCheckpoint(line)
    ? { ...line, note: line.note.replace(/^(.*\n.*\n)./, (all, head) => head + (all.at(-1) === 'A' ? 'B' : 'A')) } : line));
  await verifyWith('a checkpoint with one signature less than a majority', /not final/, (line) => (isCheckpoint(line)
    ? { ...line, note: line.note.split('\n').filter((text) => !/^— \S+\/[23] /.test(text)).join('\n') } : line));
  await verifyWith('a command that was never decided so', /the export says "ok" of this command; by the rules it is|says "not_chair" of this command/, (line) => {
    const at = (line.commands ?? []).length > 0 && Array.isArray(line.commands) && line.index === String(world.places.ada.index);
    return at ? { ...line, commands: line.commands.map((command) => ({ ...command, code: 'not_chair' })) } : line;
  });
});

test('a ballot of another cluster is replayed', { timeout: 120_000 }, async (t) => {
  const other = await voted(t, false);
  await serve(other.cluster);
  const foreign = path.join(other.cluster.directory, 'export.jsonl');
  assert.equal((await other.cluster.conclave(['export', '--out', foreign])).status, 0);
  const ballot = fs.readFileSync(foreign, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
    .flatMap((line) => (Array.isArray(line.commands) ? line.commands : [])).find(({ kind }) => kind === 'ballot.cast');
  const world = await voted(t, false);
  await serve(world.cluster);
  const file = path.join(world.cluster.directory, 'export.jsonl');
  assert.equal((await world.cluster.conclave(['export', '--out', file])).status, 0);
  const forged = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((line) => (
    line.schema === 'conclave.entry.v1' && line.index === String(world.places.bob.index) ? { ...line, commands: [...line.commands, ballot] } : line));
  fs.writeFileSync(file, forged.map((line) => `${JSON.stringify(line)}\n`).join(''));
  caught(t, 'replayed', await world.cluster.conclave(['verify', '--export', file]), /by the rules it is "wrong_cluster"/);
});
