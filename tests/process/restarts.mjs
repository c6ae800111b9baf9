// Nodes that stop and start: a minority, a majority, all at once by kill -9; what was acknowledged stays.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster, until } from './support/cluster.mjs';

async function ballotsOf(cluster, poll, options) {
  const answer = await cluster.json(['ballot', 'list', poll], options);
  return answer.items.map((ballot) => [ballot.member, ballot.answers[0].a]).sort();
}

test('three nodes: stopped, killed and started, alone and all at once', { timeout: 300_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const ada = await cluster.admit('ada');
  const bob = await cluster.admit('bob');
  const eve = await cluster.admit('eve');
  await cluster.json(['poll', 'open', 'p', '--title', 'P', '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?']);

  await t.test('a minority stopped: writes go on, status says degraded', async () => {
    await cluster.local('stop', '3');
    await cluster.json(['vote', 'p', 'q=yes', '--yes'], { key: ada });
    const status = await cluster.status();
    assert.equal(status.health, 'degraded');
    const down = status.nodes.find((node) => Number(node.node) === 3);
    assert.equal(down.why, 'refused');
    const people = await cluster.conclave(['status']);
    assert.match(people.out, /degraded, 2 of 3/);
  });

  await t.test('a majority stopped: a write is not acknowledged and exits 5 or 7, status exits 5', async () => {
    await cluster.local('stop', '2');
    const vote = await cluster.conclave(['vote', 'p', 'q=no', '--yes', '--timeout', '2s'], { key: bob });
    assert.ok([5, 7].includes(vote.status), `exit ${vote.status}: ${vote.error}`);
    const status = await cluster.conclave(['status', '--timeout', '2s']);
    assert.equal(status.status, 5);
    assert.match(status.out, /no quorum/);
    const read = await cluster.conclave(['tally', 'p', '--timeout', '2s']);
    assert.equal(read.status, 5, 'a linearizable read has nobody to ask');
    const stale = await cluster.json(['tally', 'p', '--stale'], { endpoints: cluster.endpoint(1) });
    assert.equal(Number(stale.questions[0].yes[0]), 1);
  });

  await t.test('the majority back: the same ballots, and the stopped node has caught up', async () => {
    await cluster.local('restart', '2');
    await cluster.local('restart', '3');
    await cluster.json(['vote', 'p', 'q=no', '--yes'], { key: bob });
    assert.deepEqual(await ballotsOf(cluster, 'p'), [['ada', 'yes'], ['bob', 'no']]);
    assert.equal(new Set(await cluster.digests()).size, 1);
    const own = await ballotsOf(cluster, 'p', { endpoints: cluster.endpoint(3) });
    assert.deepEqual(own, [['ada', 'yes'], ['bob', 'no']]);
  });

  await t.test('all killed and started: everything acknowledged is there', async () => {
    for (const node of [1, 2, 3]) await cluster.local('kill', String(node));
    await cluster.local('up');
    assert.deepEqual(await ballotsOf(cluster, 'p'), [['ada', 'yes'], ['bob', 'no']]);
    await cluster.json(['vote', 'p', 'q=abstain', '--yes'], { key: eve });
    await cluster.json(['poll', 'close', 'p']);
    const decision = await cluster.json(['decision', 'show', 'p/q']);
    assert.equal(decision.outcome, 'failed'); // 1 of 2 decisive is not more than half
    assert.match(decision.text, /1\/2 > 1\/2: no/);
    assert.equal(new Set(await cluster.digests()).size, 1);
  });

  await t.test('a state that is gone is rebuilt from the log', async () => {
    const fs = await import('node:fs');
    const [before] = await cluster.digests();
    await cluster.local('stop', '1');
    fs.rmSync(`${cluster.data}/node1/state`, { recursive: true });
    await cluster.local('restart', '1');
    const after = await until('node 1 caught up', async () => {
      const digests = await cluster.digests();
      return digests.length === 3 ? digests : null;
    });
    assert.equal(new Set(after).size, 1);
    assert.ok(before.length > 0);
  });

  await t.test('a wiped disk does not come back as the node that it was', async () => {
    const fs = await import('node:fs');
    await cluster.local('stop', '2');
    fs.rmSync(`${cluster.data}/node2`, { recursive: true });
    await assert.rejects(cluster.local('restart', '2'), /node 2 does not run/);
    const status = await cluster.status();
    assert.equal(status.health, 'degraded');
  });
});
