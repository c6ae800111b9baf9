// From three nodes to five and back to three others, while 100 voters vote: nodes join with tickets, lead, are replaced when dead, lose their vote,
// and go. Every acknowledged ballot is there once on the nodes that are left; the tallies equal a recount of the log. And what is refused.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { binaryDirectory, Cluster, inParallel, until } from './support/cluster.mjs';
import { commandsOf, recountYesNo } from './support/recount.mjs';

const voterCount = 100;
const width = 8; // command lines at once

// A node that is not cluster/local's own: started with a ticket, ended with the test.
class JoiningNode {
  constructor(t, cluster, id) {
    Object.assign(this, { cluster, id, directory: path.join(cluster.directory, `node${id}`), log: path.join(cluster.directory, `node${id}.log`) });
    t.after(() => this.stop());
  }

  get ticket() { return path.join(this.cluster.directory, `node${this.id}.ticket`); }
  get peer() { return `127.0.0.1:${this.cluster.portBase + this.id}`; }
  get client() { return `127.0.0.1:${this.cluster.portBase + 100 + this.id}`; }

  start(...more) {
    const log = fs.openSync(this.log, 'a');
    this.process = spawn(path.join(binaryDirectory, 'conclaved'),
      ['--node-id', String(this.id), '--data-dir', this.directory, ...more], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.ended = new Promise((resolve) => this.process.on('exit', (status) => resolve(status)));
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGTERM');
    await this.ended;
  }
}

class Drill {
  constructor(cluster) { Object.assign(this, { cluster, polls: [], endpoints: [] }); }

  command(...args) {
    return this.cluster.conclave(args, { endpoints: this.endpoints.join(','), directory: this.cluster.directory });
  }

  async ok(...args) {
    const result = await this.command(...args);
    assert.equal(result.status, 0, `conclave ${args.join(' ')}: ${result.out}${result.error}`);
    return result.out;
  }

  async refused(status, pattern, ...args) {
    const result = await this.command(...args);
    assert.equal(result.status, status, `conclave ${args.join(' ')}: ${result.out}${result.error}`);
    assert.match(result.error, pattern);
  }

  async seats() {
    const result = await this.command('cluster', 'status', '--json', '--timeout', '5s');
    if (result.status === 5 || result.out === '') return ''; // nobody leads just now: look again
    assert.equal(result.status, 0, result.error);
    const { nodes } = JSON.parse(result.out);
    return nodes.map(({ node, seat, wanted, state }) => `${node}:${seat}${wanted === seat ? '' : `(${wanted})`}${state === 'leader' ? '*' : ''}`).join(' ');
  }

  // Waits until the nodes are seated so, whoever leads.
  seated(expected) {
    let last;
    return until(`the nodes ${expected}`, async () => {
      last = await this.seats();
      return last.replace('*', '') === expected;
    }, 60_000).catch((error) => { throw new Error(`${error.message}; they are ${last}\n${this.cluster.logTails()}`); });
  }

  // All voters vote in a poll of this name while `operation` runs.
  async during(name, operation) {
    const { cluster } = this;
    await this.ok('poll', 'open', name, '--title', name, '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?');
    const started = performance.now();
    const operated = operation().then(() => performance.now() - started);
    const outcomes = await inParallel(this.keys, width, async (key, voter) => {
      const choice = ['yes', 'no', 'abstain'][(voter + this.polls.length) % 3];
      const begun = performance.now();
      const result = await cluster.conclave(['vote', name, `q=${choice}`, '--yes', '--json', '--timeout', '30s'], { key, endpoints: this.endpoints.join(',') });
      assert.ok([0, 5, 7].includes(result.status), `voter ${voter}: exit ${result.status}: ${result.error}`);
      return { choice, took: performance.now() - begun, acknowledged: result.status === 0 };
    });
    const took = outcomes.map((outcome) => outcome.took).sort((a, b) => a - b);
    this.polls.push({ name, outcomes, seconds: (await operated) / 1000, p99: took[Math.floor(took.length * 0.99)], median: took[took.length >> 1] });
  }
}

test('3 -> 5 -> 3 under 100 voters', { timeout: 600_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const drill = new Drill(cluster);
  drill.endpoints = [1, 2, 3].map((node) => cluster.endpoint(node));
  drill.keys = await inParallel(Array.from({ length: voterCount }, (_, voter) => voter), width, (voter) => cluster.admit(`voter-${voter}`));
  const joining = Object.fromEntries([4, 5, 6].map((id) => [id, new JoiningNode(t, cluster, id)]));
  const add = async (id, ...words) => {
    const node = joining[id];
    await drill.ok('cluster', ...words, String(id), '--peer', node.peer, '--client', node.client);
    assert.equal(fs.statSync(node.ticket).mode & 0o777, 0o600);
    node.start('--join', node.ticket);
    drill.endpoints.push(node.client);
  };

  await drill.during('quiet', async () => {});
  await drill.during('add-two', async () => {
    await add(4, 'add');
    await add(5, 'add');
    await drill.seated('1:voter 2:voter 3:voter 4:voter 5:voter');
  });
  await drill.during('transfer', async () => {
    await drill.ok('cluster', 'transfer', '4');
    await until('node 4 leads', async () => (await drill.seats()).includes('4:voter*'));
  });
  await drill.during('remove-the-leader', async () => {
    await drill.ok('cluster', 'transfer', '1');
    await until('node 1 leads', async () => (await drill.seats()).includes('1:voter*'));
    await drill.ok('cluster', 'remove', '1');
    await drill.seated('2:voter 3:voter 4:voter 5:voter');
  });
  await cluster.local('stop', '1');
  drill.endpoints.shift();
  await drill.during('replace-a-dead-one', async () => {
    await cluster.local('kill', '2');
    await add(6, 'replace', '2');
    await drill.seated('3:voter 4:voter 5:voter 6:voter');
  });
  await drill.during('demote-and-remove', async () => {
    await drill.ok('cluster', 'demote', '3');
    await drill.seated('3:standby 4:voter 5:voter 6:voter');
    await drill.ok('cluster', 'remove', '3');
    await drill.seated('4:voter 5:voter 6:voter');
  });
  await cluster.local('stop', '3');
  drill.endpoints = [4, 5, 6].map((id) => joining[id].client);

  // A joined node finds the others again without its ticket being named.
  await joining[5].stop();
  joining[5].start();
  await drill.seated('4:voter 5:voter 6:voter');
  await until('node 5 follows', async () => (await drill.command('status', '--json')).out.includes('"health": "healthy"'));

  const commands = commandsOf(await drill.ok('export'));
  let acknowledged = 0;
  for (const { name, outcomes, seconds, median, p99 } of drill.polls) {
    const recount = recountYesNo(commands, name, 'q');
    for (const [voter, outcome] of outcomes.entries()) {
      if (!outcome.acknowledged) continue;
      acknowledged++;
      assert.equal(recount.ballots.get(`voter-${voter}`), outcome.choice, `${name}: the acknowledged ballot of voter-${voter}`);
    }
    for (const [member, times] of recount.accepted) assert.equal(times, 1, `${name}: ${member} was accepted ${times} times`);
    for (const id of [4, 5, 6]) {
      const answer = await cluster.json(['tally', name, '--stale'], { endpoints: joining[id].client });
      const [tally] = answer.questions;
      assert.deepEqual([tally.yes[0], tally.no[0], tally.abstain[0]].map(Number), [recount.yes, recount.no, recount.abstain],
        `${name}: the tally of node ${id} against a recount of the log`);
    }
    t.diagnostic(`${name.padEnd(20)} ${outcomes.filter((outcome) => outcome.acknowledged).length} of ${voterCount} acknowledged, 0 lost, 0 doubled; `
      + `the operation took ${seconds.toFixed(1)} s; a vote by command line: median ${median.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`);
  }
  assert.ok(acknowledged > voterCount * drill.polls.length * 0.9, `${acknowledged} acknowledged`);
});

test('what is refused', { timeout: 240_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const drill = new Drill(cluster);
  drill.endpoints = [1, 2, 3].map((node) => cluster.endpoint(node));
  const node = new JoiningNode(t, cluster, 4);
  const addresses = ['--peer', node.peer, '--client', node.client];

  await drill.refused(2, /not a node's id/, 'cluster', 'remove', 'one');
  await drill.refused(2, /--peer is needed/, 'cluster', 'add', '4', '--client', node.client);
  assert.ok(!fs.existsSync(node.ticket), 'no ticket of a node that was not added');
  await drill.refused(6, /there is a node 3 already/, 'cluster', 'add', '3', ...addresses);
  await drill.refused(6, /one of these addresses/, 'cluster', 'add', '4', '--peer', `127.0.0.1:${cluster.portBase + 1}`, '--client', node.client);
  await drill.refused(3, /no node 9/, 'cluster', 'replace', '9', '4', ...addresses);
  await drill.refused(3, /no node 9/, 'cluster', 'transfer', '9');
  await cluster.admit('ann');
  const byAnn = await cluster.conclave(['cluster', 'remove', '3'], { key: path.join(cluster.directory, 'ann.key') });
  assert.match(byAnn.error, /not a chair/);

  // Two of three are needed: with one down no other may go, and the arithmetic is said.
  await cluster.local('kill', '3');
  await until('node 3 is seen to be down', async () => (await cluster.status()).health === 'degraded');
  await drill.refused(6, /of the 2 voters that would be left 1 are up, and 2 are needed/, 'cluster', 'remove', '2');
  await cluster.local('restart', '3');
  await until('all are well', async () => (await cluster.status()).health === 'healthy');

  // Whose token is not the one that the node was added with stays outside, and is told why; the right one opens the door.
  await drill.ok('cluster', 'add', '4', ...addresses, '--standby');
  const ticket = fs.readFileSync(node.ticket, 'utf8');
  const forged = ticket.replace(/^(conclave-join-v1 \S+ \S+ )\S+$/m, `$1${'A'.repeat(43)}`);
  assert.notEqual(forged, ticket);
  fs.writeFileSync(node.ticket, forged, { mode: 0o600 });
  node.start('--join', node.ticket);
  await until('the forged token is refused', () => fs.readFileSync(node.log, 'utf8').includes('joins with the token of its ticket'));
  await node.stop();
  fs.chmodSync(node.ticket, 0o644);
  node.start('--join', node.ticket);
  assert.equal(await node.ended, 2);
  assert.match(fs.readFileSync(node.log, 'utf8'), /others than its owner may read or write it/);
  fs.writeFileSync(node.ticket, ticket);
  fs.chmodSync(node.ticket, 0o600);
  node.start('--join', node.ticket);
  drill.endpoints.push(node.client);
  await drill.seated('1:voter 2:voter 3:voter 4:standby');
  await until('node 4 has come', async () => (await cluster.status()).nodes.some((entry) => entry.node === '4' && entry.status?.state === 'follower'));

  // The same token on another disk is not that node.
  await node.stop();
  fs.rmSync(node.directory, { recursive: true });
  node.start('--join', node.ticket);
  await until('a second disk is refused', () => fs.readFileSync(node.log, 'utf8').includes('takes no part in the cluster'));
});
