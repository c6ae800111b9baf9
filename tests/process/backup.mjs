// A backup is saved while 120 voters vote; then all nodes are killed and their directories deleted, and a new cluster goes on from the file. Every ballot
// that was acknowledged at or before the backup's index is there once, where it was; tallies equal a recount that shares no code with the cluster; the nodes
// agree; old receipts verify; nothing of the old cluster gets into the new one. And: bytes flipped, files cut, restores refused and cut off.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createRequire } from 'node:module';
import test from 'node:test';
import { binaryDirectory, Cluster, inParallel, run, sourceDirectory, until } from './support/cluster.mjs';
import { commandsOf, recountYesNo } from './support/recount.mjs';

const { decode, encode } = createRequire(path.join(sourceDirectory, 'tests/process/second-client/package.json'))('@msgpack/msgpack');
const voterCount = 120;
const width = 6; // command lines at once
const saves = 3; // backups in a row while votes come in
const choices = ['yes', 'no', 'abstain'];

// A conclaved of ours: the configuration that `restore` made, or settings.
class Node {
  constructor(t, log, ...args) {
    Object.assign(this, { log, args });
    t.after(() => this.end('SIGKILL'));
  }

  start(...more) {
    const log = fs.openSync(this.log, 'a');
    this.process = spawn(path.join(binaryDirectory, 'conclaved'), [...this.args, ...more], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.ended = new Promise((resolve) => this.process.on('exit', (status) => resolve(status)));
    return this;
  }

  async end(signal = 'SIGTERM') {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill(signal);
    await this.ended;
  }

  text() { return fs.readFileSync(this.log, 'utf8'); }
}

// One MessagePack-RPC request on a connection of its own: {error, result}.
function ask(port, method, params) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(encode([0, 1, method, [params]])));
    const pieces = [];
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
    socket.on('data', (piece) => {
      pieces.push(piece);
      try {
        const [, , error, result] = decode(Buffer.concat(pieces));
        socket.destroy();
        resolve({ error, result });
      } catch { /* not all of it yet */ }
    });
  });
}

const percentile = (times, p) => [...times].sort((a, b) => a - b)[Math.floor(times.length * p)];
const entriesOf = (text) => text.split('\n').filter((line) => line.startsWith('{"schema":"conclave.entry.v1"'));

test('backup under load, all destroyed, restored', { timeout: 600_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const directory = (name) => path.join(cluster.directory, name);
  const conclave = async (status, args, options) => {
    const result = await cluster.conclave(args, { directory: cluster.directory, ...options });
    assert.equal(result.status, status, `conclave ${args.join(' ')}: exit ${result.status}\n${result.out}${result.error}`);
    return result;
  };
  const voters = await inParallel(Array.from({ length: voterCount }, (_, i) => `voter-${i}`), width, async (id) => ({ id, key: await cluster.admit(id) }));

  // Votes until `operation` has ended, at least one each; what was acknowledged, with its place in the log.
  const voteWhile = async (poll, operation) => {
    await conclave(0, ['poll', 'open', poll, '--title', poll, '--for', '2h', '--question', 'q,policy=simple-majority,title=Shall we?']);
    const acknowledged = [];
    const took = [];
    let ended = false;
    let turn = 0;
    const operated = operation().finally(() => { ended = true; });
    await Promise.all(Array.from({ length: width }, async () => {
      while (!ended || turn < voterCount) {
        const mine = turn++;
        const voter = voters[mine % voterCount];
        const answer = choices[(mine + Math.floor(mine / voterCount)) % 3];
        const begun = performance.now();
        const result = await cluster.conclave(['vote', poll, `q=${answer}`, '--yes', '--json', '--timeout', '30s'],
          { key: voter.key, environment: mine % 10 === 0 ? { CONCLAVE_RECEIPTS: directory('receipts') } : {} });
        assert.equal(result.status, 0, result.error);
        if (mine % 10 !== 0) took.push(performance.now() - begun); // those that wait for a receipt wait for a checkpoint
        const reply = JSON.parse(result.out);
        acknowledged.push({ poll, voter: voter.id, answer, request: reply.request, index: Number(reply.index), position: Number(reply.position) });
      }
    }));
    await operated;
    return { acknowledged, took };
  };

  const quiet = await voteWhile('quiet', async () => {});
  await conclave(0, ['poll', 'close', 'quiet']);
  const seconds = [];
  let saved;
  const loaded = await voteWhile('load', async () => {
    for (let i = 0; i < saves; i++) {
      saved = JSON.parse((await conclave(0, ['backup', 'save', 'hive.backup', '--json', ...(i > 0 ? ['--force'] : [])])).out);
      seconds.push(Number(saved.took_ms) / 1000);
      assert.ok(saved.follower, 'it is read from a node that does not lead');
      assert.ok(saved.covered, 'a checkpoint covers it');
      await new Promise((resolve) => setTimeout(resolve, 300)); // so that votes come in between
    }
  });
  const backup = directory('hive.backup');
  const last = Number(saved.index);
  const both = await Promise.all(['--force', '--force'].map((force) => cluster.conclave(['backup', 'save', 'at-once.backup', force], { directory: cluster.directory })));
  assert.ok(both.some(({ status }) => status === 0), both.map(({ error }) => error).join());
  assert.ok(both.every(({ status, error }) => status === 0 || (status === 5 && /another process is writing/.test(error))), both.map(({ error }) => error).join());
  await conclave(0, ['backup', 'verify', 'at-once.backup']);
  const all = [...quiet.acknowledged, ...loaded.acknowledged];
  const kept = all.filter((ballot) => ballot.index <= last);
  assert.ok(kept.length > voterCount && kept.length < all.length, `${kept.length} of ${all.length} ballots are in the backup: some must come after it`);
  assert.match((await conclave(2, ['backup', 'save', 'hive.backup'])).error, /there is a file hive\.backup already/);

  // Everything is gone but the backup, the voters' keys and receipts, the chair's key, and (of one node) what a thief has copied.
  const chair = directory('chair.key');
  fs.copyFileSync(path.join(cluster.data, 'chair.key'), chair);
  fs.chmodSync(chair, 0o600);
  for (const id of [1, 2, 3]) await cluster.local('kill', String(id));
  fs.cpSync(path.join(cluster.data, 'node3'), directory('old3'), { recursive: true });
  for (const id of [1, 2, 3]) fs.rmSync(path.join(cluster.data, `node${id}`), { recursive: true });
  const text = fs.readFileSync(backup, 'utf8');
  const oldId = JSON.parse(text.slice(0, text.indexOf('\n'))).cluster;

  await t.test('verify and inspect', async () => {
    const receipts = fs.readdirSync(directory(`receipts/${oldId}`)).filter((name) => name.endsWith('.tlog-proof'));
    const indexOf = (name) => Number(/\.(\d+)-\d+\.tlog-proof$/.exec(name)[1]);
    const early = receipts.filter((name) => indexOf(name) <= last).map((name) => directory(`receipts/${oldId}/${name}`));
    const late = receipts.filter((name) => indexOf(name) > last).map((name) => directory(`receipts/${oldId}/${name}`));
    assert.ok(early.length > 10 && late.length > 0, `${early.length} receipts before the backup, ${late.length} after it`);
    // A receipt's checkpoint may be of a longer record than the backup: then it cannot be held against it.
    const size = Number(JSON.parse((await conclave(0, ['backup', 'inspect', 'hive.backup', '--json'])).out).leaves);
    const within = early.filter((name) => Number(/\n\nconclave\/\w+\n(\d+)\n/.exec(fs.readFileSync(name, 'utf8'))[1]) <= size);
    assert.ok(within.length > 5);
    fs.mkdirSync(directory('kept-receipts'));
    for (const name of within) fs.copyFileSync(name, path.join(directory('kept-receipts'), path.basename(name)));
    const verified = JSON.parse((await conclave(0, ['backup', 'verify', 'hive.backup', ...within, '--cluster', oldId, '--json'])).out);
    assert.equal(Number(verified.receipts), within.length);
    assert.equal(verified.final, verified.leaves, 'all of it is covered by what the nodes signed');
    await conclave(0, ['verify', '--export', 'hive.backup']);
    await conclave(1, ['backup', 'verify', 'hive.backup', late[0]]);
    await conclave(1, ['backup', 'verify', 'hive.backup', '--cluster', '00'.repeat(16)]);

    const inspected = JSON.parse((await conclave(0, ['backup', 'inspect', 'hive.backup', '--json'])).out);
    const commands = commandsOf(entriesOf(text).join('\n'));
    assert.equal(inspected.head.to, String(last));
    assert.equal(Number(inspected.size), fs.statSync(backup).size);
    for (const [kind, counts] of Object.entries(inspected.commands)) {
      const of = commands.filter((command) => command.kind === kind);
      assert.deepEqual([Number(counts.accepted), Number(counts.refused)], [of.filter((c) => c.code === 'ok').length, of.filter((c) => c.code !== 'ok').length], kind);
    }
    assert.equal(Number(inspected.members), voterCount + 1);
    assert.deepEqual(inspected.polls, { open: '1', closed: '1' });
    const ballots = commands.filter((command) => command.kind === 'ballot.cast' && command.code === 'ok');
    assert.equal(Number(inspected.ballots), ballots.length);
    assert.equal(Number(inspected.revotes), ballots.length - new Set(ballots.map((b) => `${b.body.poll}/${b.author}`)).size);
  });

  await t.test('one flipped byte, or a cut', async () => {
    const bytes = fs.readFileSync(backup);
    const places = [0, 1, 20, ...Array.from({ length: 12 }, (_, i) => Math.floor(bytes.length * (i + 0.5) / 12)), bytes.length - 80, bytes.length - 3, bytes.length - 1];
    for (const [i, at] of places.entries()) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 << (i % 8);
      fs.writeFileSync(directory('damaged'), damaged);
      const result = await cluster.conclave(['backup', 'verify', directory('damaged')]);
      assert.equal(result.status, 1, `byte ${at}: ${result.out}${result.error}`);
      assert.match(result.error, /damaged|cut off/);
    }
    assert.match((await conclave(1, ['backup', 'inspect', 'damaged'])).out, /DAMAGED/);
    assert.match((await conclave(1, ['restore', 'damaged', '--key', chair, '--out', 'never', '--node', '1=127.0.0.1:20001,127.0.0.1:20002'])).error, /damaged/);
    for (const size of [bytes.length - 1, bytes.length - 100, bytes.length >> 1, 400]) {
      fs.writeFileSync(directory('damaged'), bytes.subarray(0, size));
      assert.match((await conclave(1, ['backup', 'verify', 'damaged'])).error, /cut off|damaged/);
    }
    fs.writeFileSync(directory('damaged'), 'hello\n');
    assert.match((await conclave(2, ['backup', 'verify', 'damaged'])).error, /this is no backup/);
    await conclave(3, ['backup', 'verify', 'nothing-there']);
    assert.ok(!fs.existsSync(directory('never')));
  });

  const port = cluster.portBase;
  const nodeOptions = [1, 2, 3].flatMap((id) => ['--node', `${id}=127.0.0.1:${port + id},127.0.0.1:${port + 100 + id}`]);
  await t.test('what restore refuses', async () => {
    assert.match((await conclave(4, ['restore', 'hive.backup', '--out', 'never', ...nodeOptions], { key: voters[0].key })).error, /no active chair/);
    await conclave(0, ['key', 'new', 'chair'], { key: directory('other.key') });
    assert.match((await conclave(4, ['restore', 'hive.backup', '--out', 'never', ...nodeOptions], { key: directory('other.key') })).error, /another key/);
    await conclave(3, ['restore', 'hive.backup', '--out', 'never', ...nodeOptions], { key: directory('no.key') });
    assert.match((await conclave(2, ['restore', 'hive.backup', ...nodeOptions], { key: chair })).error, /--out is needed/);
    assert.ok(!fs.existsSync(directory('never')), 'nothing was made');
  });

  await conclave(0, ['restore', 'hive.backup', '--out', 'new', ...nodeOptions], { key: chair });
  assert.match((await conclave(2, ['restore', 'hive.backup', '--out', 'new', ...nodeOptions], { key: chair })).error, /there is a cluster in/);
  const nodes = Object.fromEntries([1, 2, 3].map((id) => [id, new Node(t, directory(`new${id}.log`), '--config', directory(`new/node${id}.ini`))]));
  const first = ['--bootstrap', directory('new/genesis'), '--restore', backup];

  await t.test('what a node refuses', async () => {
    const refused = async (pattern, ...args) => {
      const result = await run(path.join(binaryDirectory, 'conclaved'), ['--config', directory('new/node1.ini'), ...args]);
      assert.equal(result.status, 2, result.error);
      assert.match(result.error, pattern);
    };
    await refused(/name it with --restore/, '--bootstrap', directory('new/genesis'));
    await refused(/no backup/, '--bootstrap', directory('new/genesis'), '--restore', directory('damaged'));
    await refused(/--bootstrap GENESIS_FILE/, '--restore', backup);
    const lines = text.split('\n');
    fs.writeFileSync(directory('other.backup'), lines.slice(0, 5).join('\n') + '\n');
    await refused(/cut off/, '--bootstrap', directory('new/genesis'), '--restore', directory('other.backup'));
    await refused(/holds no data/);
    // The disk of a node of the old cluster stays what it is.
    const result = await run(path.join(binaryDirectory, 'conclaved'),
      ['--node-id', '3', '--data-dir', directory('old3'), '--node-key', directory('new/node3.key'), ...first]);
    assert.equal(result.status, 2);
    assert.match(result.error, new RegExp(`holds data of the cluster ${oldId}`));
    // Nor is a directory taken in which anything is.
    fs.mkdirSync(directory('used/state'), { recursive: true });
    fs.writeFileSync(directory('used/state/data.mdb'), 'x');
    await refused(/not empty, it has data\.mdb/, '--data-dir', directory('used'), ...first);
  });

  // Node 3's first start is cut off, wherever it is then; the next one makes up for it.
  nodes[3].start(...first);
  await until('node 3 has begun', () => nodes[3].process.exitCode !== null || fs.existsSync(directory('new/node3/log')));
  await nodes[3].end('SIGKILL');
  if (fs.existsSync(directory('new/node3/RESTORING'))) {
    const half = await run(path.join(binaryDirectory, 'conclaved'), ['--config', directory('new/node3.ini')]);
    assert.deepEqual([half.status, /holds no data/.test(half.error)], [2, true], 'what is half restored is not started');
  }
  const started = performance.now();
  for (const id of [1, 2, 3]) nodes[id].start(...first);
  const newCluster = { endpoints: cluster.endpoints(), key: chair };
  await until('the new cluster is well', async () => {
    const dead = [1, 2, 3].filter((id) => nodes[id].process.exitCode !== null);
    assert.deepEqual(dead, [], dead.map((id) => nodes[id].text()).join('\n'));
    return (await cluster.status()).health === 'healthy';
  }, 60_000);
  const restoredIn = (performance.now() - started) / 1000;

  const exported = (await conclave(0, ['export'], newCluster)).out;
  const newId = JSON.parse(exported.slice(0, exported.indexOf('\n'))).cluster;
  await t.test('everything is there', async () => {
    assert.notEqual(newId, oldId);
    assert.deepEqual(entriesOf(exported).slice(0, last), entriesOf(text), 'the log begins with the entries of the backup');
    const commands = commandsOf(entriesOf(exported).join('\n'));
    assert.equal(commands.filter((command) => command.kind === 'cluster.restore' && command.code === 'ok' && command.author === 'chair').length, 1);
    for (const ballot of kept) {
      const found = commands.filter((command) => `${command.author}:${command.nonce}` === ballot.request);
      assert.deepEqual(found.map(({ index, position, code }) => ({ index, position, code })), [{ index: ballot.index, position: ballot.position, code: 'ok' }],
        `the ballot ${ballot.request} is there once, where it was acknowledged`);
      assert.equal(found[0].body.answers[0].a, ballot.answer);
    }
    for (const ballot of all.filter((one) => one.index > last)) {
      assert.ok(!commands.some((command) => `${command.author}:${command.nonce}` === ballot.request), 'what came after the backup is not there');
    }
    for (const poll of ['quiet', 'load']) {
      const recount = recountYesNo(commands, poll, 'q');
      for (const id of [1, 2, 3]) {
        const { questions: [tally] } = await cluster.json(['tally', poll, '--stale'], { endpoints: cluster.endpoint(id) });
        assert.deepEqual([tally.yes[0], tally.no[0], tally.abstain[0]].map(Number), [recount.yes, recount.no, recount.abstain], `${poll} on node ${id}`);
      }
    }
    const times = entriesOf(exported).map((line) => JSON.parse(line)).filter(({ type }) => type === 'batch').map(({ time }) => Number(time));
    assert.ok(times.every((time, i) => i === 0 || times[i - 1] <= time), 'log time does not go back');
    assert.equal(new Set(await cluster.digests()).size, 1, 'one digest on all nodes');
  });

  await t.test('old receipts verify', async () => {
    const receipts = fs.readdirSync(directory('kept-receipts')).map((name) => path.join(directory('kept-receipts'), name));
    await conclave(0, ['verify', ...receipts, '--cluster', oldId]);
    fs.writeFileSync(directory('new.jsonl'), exported);
    const verified = JSON.parse((await conclave(0, ['verify', '--export', 'new.jsonl', ...receipts, '--cluster', newId, '--json'])).out);
    assert.deepEqual([verified.cluster, Number(verified.receipts)], [newId, receipts.length]);
    await conclave(1, ['verify', '--export', 'new.jsonl', '--cluster', oldId]);
    await conclave(0, ['audit', '--receipts', directory('kept-receipts')], newCluster);
  });

  await t.test('old commands and old nodes stay outside', async () => {
    const command = commandsOf(entriesOf(text).join('\n')).findLast((one) => one.kind === 'ballot.cast' && one.code === 'ok');
    const again = await ask(port + 101, 'submit', { command: encode([command.envelope, command.signature]) });
    assert.equal(again.error[0], 'wrong_cluster');
    const first = JSON.parse((await conclave(0, ['request', `${command.author}:${command.nonce}`, '--json'], newCluster)).out);
    assert.deepEqual([first.state, first.reply.index, first.reply.position], ['committed', String(command.index), String(command.position)], 'its reply is still known');
    const restore = commandsOf(entriesOf(exported).join('\n')).find((one) => one.kind === 'cluster.restore');
    const twice = await ask(port + 101, 'submit', { command: encode([restore.envelope, restore.signature]) });
    assert.equal(twice.error[0], 'wrong_cluster', 'nobody can send it');

    await nodes[3].end();
    const old = new Node(t, directory('old3.log'), '--node-id', '3', '--data-dir', directory('old3'), '--node-key', path.join(cluster.data, 'node3.key')).start();
    await until('the old node is turned away', () => /wrong_cluster|another cluster/.test(old.text()));
    const { health, nodes: seen } = await cluster.status();
    assert.equal(health, 'degraded');
    assert.match(seen.find((entry) => entry.node === '3').why, /wrong cluster/);
    await old.end();
    nodes[3].start();
    await until('the new node 3 is back', async () => (await cluster.status()).health === 'healthy');
  });

  await t.test('it goes on', async () => {
    const voted = await inParallel(voters.slice(0, 30), width, (voter, i) =>
      cluster.json(['vote', 'load', `q=${choices[i % 3]}`, '--yes'], { ...newCluster, key: voter.key }));
    assert.equal(voted.length, 30);
    await conclave(0, ['vote', 'load', 'q=yes', '--yes'], { ...newCluster, key: voters[0].key, environment: { CONCLAVE_RECEIPTS: directory('receipts') } });
    const [receipt] = fs.readdirSync(directory(`receipts/${newId}`));
    await conclave(0, ['verify', directory(`receipts/${newId}/${receipt}`), '--cluster', newId]);
    await conclave(0, ['poll', 'close', 'load'], newCluster);

    // A node that joins learns the old entries too; all states made anew lead to the same.
    const peers = { peer: `127.0.0.1:${port + 4}`, client: `127.0.0.1:${port + 104}` };
    await conclave(0, ['cluster', 'add', '4', '--peer', peers.peer, '--client', peers.client, '--out', directory('node4.ticket')], newCluster);
    nodes[4] = new Node(t, directory('new4.log'), '--node-id', '4', '--data-dir', directory('new/node4')).start('--join', directory('node4.ticket'));
    await until('node 4 votes', async () => {
      const result = await cluster.conclave(['cluster', 'status', '--json', '--timeout', '5s'], newCluster);
      return result.status === 0 && JSON.parse(result.out).nodes.some(({ node, seat }) => node === '4' && seat === 'voter');
    }, 30_000);
    await conclave(0, ['cluster', 'remove', '4'], newCluster);
    await until('node 4 is out', async () => (await cluster.status()).nodes.length === 3);
    await nodes[4].end();
    const before = await cluster.digests();
    assert.equal(new Set(before).size, 1);
    for (const id of [1, 2, 3]) {
      await nodes[id].end('SIGKILL');
      fs.rmSync(directory(`new/node${id}/state`), { recursive: true });
    }
    for (const id of [1, 2, 3]) nodes[id].start();
    await until('the cluster is well again', async () => (await cluster.status()).health === 'healthy', 30_000);
    assert.equal(new Set(await cluster.digests()).size, 1);
    assert.equal((await cluster.status()).nodes.length, 3);

    // A backup of the restored cluster is a backup.
    await conclave(0, ['backup', 'save', 'second.backup'], newCluster);
    const second = JSON.parse((await conclave(0, ['backup', 'verify', 'second.backup', '--cluster', newId, '--json'])).out);
    assert.equal(second.final, second.leaves);
    await conclave(0, ['restore', 'second.backup', '--out', 'third', ...nodeOptions], { key: chair });
  });

  t.diagnostic(`${all.length} ballots acknowledged, ${kept.length} at or before log ${last}: 0 lost, 0 doubled. Backups while they came: ${seconds.map((s) => s.toFixed(2)).join(', ')} s, `
    + `${fs.statSync(backup).size} bytes, ${saved.commands} commands. A vote by command line: p50 ${percentile(quiet.took, 0.5).toFixed(0)} ms, p99 ${percentile(quiet.took, 0.99).toFixed(0)} ms without; `
    + `p50 ${percentile(loaded.took, 0.5).toFixed(0)} ms, p99 ${percentile(loaded.took, 0.99).toFixed(0)} ms with. Three nodes restored and healthy in ${restoredIn.toFixed(2)} s`);
});
