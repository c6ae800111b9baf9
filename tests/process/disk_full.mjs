// Nodes whose disks are full: on small file systems of their own, filled while votes come in, first one, then all of them. Nothing
// stops, nothing acknowledged is lost, nothing counts twice, and all goes on by itself when there is room again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Cluster, inParallel, until } from './support/cluster.mjs';

const diskBytes = 64 * 1024 * 1024;
const voters = 24;

// Puts a node's data on a disk of its own, while it is stopped.
function moveToDisk(cluster, node) {
  const data = path.join(cluster.data, `node${node}`);
  const disk = path.join(cluster.directory, `disk${node}`);
  fs.mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
  execFileSync('cp', ['-a', `${data}/.`, disk]);
  execFileSync('mount', ['--bind', disk, data]);
  return { disk, data, filler: path.join(disk, 'filler') };
}

// Writes until there is no room any more.
function fill({ filler }) {
  const file = fs.openSync(filler, 'a');
  const chunk = Buffer.alloc(64 * 1024, 1);
  for (let size = chunk.length; size >= 512;) {
    try {
      fs.writeSync(file, chunk, 0, size);
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
      size /= 2;
    }
  }
  fs.closeSync(file);
}

const makeRoom = ({ filler }) => fs.rmSync(filler);

// Keeps the disks busy with large proposals until told to stop; what they were refused with.
function write(cluster) {
  const body = path.join(cluster.directory, 'body.md');
  fs.writeFileSync(body, 'x'.repeat(60_000));
  const seen = { done: 0, refusals: [], stop: false };
  let number = write.number ?? 0;
  seen.ended = inParallel([1, 2, 3, 4], 4, async () => {
    while (!seen.stop) {
      const result = await cluster.conclave(['proposal', 'submit', `P-${++number}`, '--title', 'Large', '--file', body, '--timeout', '3s']);
      write.number = number;
      if (result.status === 0) seen.done++;
      else seen.refusals.push({ status: result.status, error: result.error });
    }
  });
  return seen;
}

async function ready(cluster, node) {
  const answer = await cluster.http(node, '/readyz?verbose');
  return answer && { ...answer, disk: /\[.\] disk +(.*)/.exec(answer.text)?.[1] ?? '' };
}

const isFull = async (cluster, node) => {
  const answer = await ready(cluster, node);
  return answer?.status === 503 && answer.disk.includes('full') && answer;
};

const hasRoom = async (cluster, node) => (await ready(cluster, node))?.status === 200;

async function metric(cluster, node, name) {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec((await cluster.http(node, '/metrics')).text)[1]);
}

test('full disks', { timeout: 600_000 }, async (t) => {
  let disks = [];
  t.after(() => disks.forEach(({ disk, data }) => execFileSync('umount', ['-l', data, disk])));
  const cluster = await Cluster.start(t, 3);
  const keys = await inParallel(Array.from({ length: voters }, (_, i) => `v${i}`), 4, (id) => cluster.admit(id));
  const poll = (id) => cluster.json(['poll', 'open', id, '--title', id, '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?']);
  for (const id of ['one', 'all']) await poll(id);
  for (const node of [1, 2, 3]) await cluster.local('stop', String(node));
  disks = [1, 2, 3].map((node) => moveToDisk(cluster, node));
  await cluster.local('up');
  await cluster.leader();
  const pids = [1, 2, 3].map((node) => cluster.pid(node));
  const cast = (id, i, answer, more = []) => cluster.conclave(['vote', id, `q=${answer}`, '--yes', ...more], { key: keys[i] });

  // A vote is refused with the code's exit status: at once, or after some whose outcome was not known, as leadership was on its way.
  const refusal = () => until('a vote is refused', async () => {
    const result = await cast('all', 0, 'yes', ['--timeout', '3s']);
    assert.ok([1, 5, 7].includes(result.status), `exit ${result.status}: ${result.error}`);
    return result.status === 1 && result;
  }, 60_000);

  // Every voter is there once, with the answer that was acknowledged; the tally is the sum.
  async function check(id, answers) {
    const list = await cluster.json(['ballot', 'list', id, '--limit', '1000']);
    const found = list.items.map((ballot) => [ballot.member, ballot.answers[0].a]).sort();
    assert.deepEqual(found, answers.map((answer, i) => [`v${i}`, answer]).sort());
    const tally = await cluster.json(['tally', id]);
    for (const answer of ['yes', 'no']) {
      assert.equal(Number(tally.questions[0][answer][0]), answers.filter((one) => one === answer).length);
    }
    assert.equal(new Set(await cluster.digests()).size, 1);
    assert.deepEqual([1, 2, 3].map((node) => cluster.pid(node)), pids);
    for (const pid of pids) process.kill(pid, 0); // it lives
  }

  await t.test('one of three: it hands over and says so, votes go on, and it catches up', async () => {
    const leader = await cluster.leader();
    const writer = write(cluster);
    await until('some are written', () => writer.done > 4);
    fill(disks[leader - 1]);
    const said = await until('the node says that its disk is full', () => isFull(cluster, leader), 60_000);
    assert.match(said.disk, new RegExp(`not ready: full: make room on the one with ${disks[leader - 1].data}$`));
    assert.equal(await metric(cluster, leader, 'conclave_disk_full'), 1);
    const next = await until('another one leads', async () => {
      const now = await cluster.leader();
      return now !== leader && now;
    });
    const answers = keys.map((key, i) => (i % 3 === 0 ? 'no' : 'yes'));
    const results = await inParallel(answers, 4, (answer, i) => cast('one', i, answer));
    results.forEach((result) => assert.equal(result.status, 0, result.error));
    writer.stop = true;
    await writer.ended;
    assert.notEqual(await cluster.leader(), leader);
    assert.ok(await isFull(cluster, leader));
    const log = fs.readFileSync(path.join(cluster.data, `node${leader}.log`), 'utf8');
    assert.match(log, /the disk is full: commands are refused until there is room on it; the node then goes on by itself/);
    makeRoom(disks[leader - 1]);
    await until('it is ready', () => hasRoom(cluster, leader), 60_000);
    assert.equal(await metric(cluster, leader, 'conclave_disk_full'), 0);
    await check('one', answers);
    assert.equal(next, await cluster.leader());
  });

  await t.test('all three: commands are refused with disk_full, reads are served, nodes even start', async () => {
    const writer = write(cluster);
    disks.forEach(fill);
    for (const node of [1, 2, 3]) await until(`node ${node} says so`, () => isFull(cluster, node), 60_000);
    await until('the writer is refused', () => writer.refusals.some(({ error }) => error.includes('is full')));
    writer.stop = true;
    await writer.ended;
    const refused = await refusal();
    assert.match(refused.error, /disk .*of node \d.* is full.*not in the log\. Make room/);
    const tally = await cluster.conclave(['tally', 'one']);
    assert.equal(tally.status, 0, tally.error);
    for (const pid of pids) process.kill(pid, 0);

    // A node that is killed comes back, on a disk without a byte to spare.
    await cluster.local('kill', '2');
    disks.forEach(fill);
    // (Its start took what was in its journal into the reserve: the empty journal is as good a place for what comes next, for a while.)
    await cluster.local('restart', '2').catch(({ message }) => assert.match(message, /no write could be committed through node 2/));
    pids[1] = cluster.pid(2);
    const more = write(cluster);
    await until('it says so', () => isFull(cluster, 2), 60_000);
    more.stop = true;
    await more.ended;
    const status = await cluster.status();
    assert.ok(status.nodes.every(({ up, status: its }) => up && its.leader), JSON.stringify(status));
    await refusal();
  });

  await t.test('room again: votes go on, by themselves', async () => {
    // Half of them try before there is room, and go on trying.
    const answers = keys.map((key, i) => (i % 4 === 0 ? 'no' : 'yes'));
    const early = answers.slice(0, voters / 2).map((answer, i) => cast('all', i, answer, ['--timeout', '60s']));
    disks.forEach(makeRoom);
    const late = await inParallel(answers.slice(voters / 2), 4, (answer, i) => cast('all', voters / 2 + i, answer));
    for (const result of [...await Promise.all(early), ...late]) assert.equal(result.status, 0, result.error);
    for (const node of [1, 2, 3]) await until(`node ${node} is ready`, () => hasRoom(cluster, node), 60_000);
    await check('all', answers);
    await check('one', keys.map((key, i) => (i % 3 === 0 ? 'no' : 'yes')));
  });
  await cluster.local('down');
});
