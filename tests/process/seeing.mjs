// What nodes of a real cluster show by HTTP: who is ready and why not, and metrics that Prometheus' own checker takes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster, run, until } from './support/cluster.mjs';

const openMetrics = { Accept: 'application/openmetrics-text; version=1.0.0' };

// The value of a series, exactly as it is written; undefined when there is none.
function valueOf(text, series) {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

function seriesOf(text) {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' '))).sort();
}

test('health and metrics of a real cluster', { timeout: 240_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const ada = await cluster.admit('ada');

  await t.test('all well: alive and ready', async () => {
    for (const node of [1, 2, 3]) {
      await until(`node ${node} ready`, async () => (await cluster.http(node, '/readyz'))?.text === 'ok\n');
      assert.equal((await cluster.http(node, '/livez')).status, 200);
      const verbose = await cluster.http(node, '/readyz?verbose');
      assert.match(verbose.text, /^\[\+\] node {4}ok: running\n\[\+\] disk {4}ok: has room\n\[\+\] leader {2}ok: node \d, term \d+\n\[\+\] quorum {2}ok: a majority answered a read \d+ ms ago\n/);
    }
  });

  await t.test('what was done is counted', async () => {
    await cluster.json(['poll', 'open', 'p', '--title', 'P', '--for', '1h', '--question', 'q,title=Q?']);
    const before = (await cluster.http(1, '/metrics')).text;
    const endpoints = cluster.endpoint(1);
    await cluster.json(['vote', 'p', 'q=yes', '--yes'], { key: ada, endpoints });
    await cluster.json(['vote', 'p', 'q=no', '--yes'], { key: ada, endpoints });
    const refused = await cluster.conclave(['vote', 'nothing', 'q=no', '--yes'], { key: ada, endpoints });
    assert.equal(refused.status, 3);
    const after = await until('the state to be read anew', async () => {
      const { text } = await cluster.http(1, '/metrics');
      return valueOf(text, 'conclave_cluster_ballots_total') === 2 ? text : null;
    });
    const more = (series) => valueOf(after, series) - valueOf(before, series);
    assert.equal(more('conclave_ballots_total{outcome="answered"}'), 2);
    assert.equal(more('conclave_ballots_total{outcome="refused"}'), 1);
    assert.equal(more('conclave_request_duration_seconds_count{kind="command"}'), 3);
    assert.equal(more('conclave_request_stage_duration_seconds_count{stage="decide"}'), 3);
    assert.equal(more('conclave_refusals_total{code="unknown_poll"}'), 1);
    assert.ok(more('conclave_log_write_duration_seconds_count') >= 2);
    assert.equal(valueOf(after, 'conclave_polls_open'), 1);
    assert.equal(valueOf(after, 'conclave_members'), 2);
    const { nodes } = await cluster.status();
    assert.ok(valueOf(after, 'conclave_raft_term') === Number(nodes[0].status.term));
    assert.ok(valueOf(after, 'process_open_fds') > 10);
    assert.ok(valueOf(after, 'process_resident_memory_bytes') > 1e6);
    assert.ok(valueOf(after, 'conclave_store_map_bytes{store="log"}') >= valueOf(after, 'conclave_store_used_bytes{store="log"}'));
  });

  await t.test('promtool finds no fault, and more polls and members add no series', async () => {
    const before = await cluster.http(2, '/metrics');
    assert.match(before.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    const checked = await run('promtool', ['check', 'metrics'], { input: before.text });
    assert.equal(checked.status, 0, checked.error);
    assert.equal(checked.error + checked.out, '');
    for (let i = 0; i < 5; i++) {
      await cluster.admit(`member-${i}`);
      await cluster.json(['poll', 'open', `poll-${i}`, '--title', 'P', '--for', '1h', '--question', 'q,title=Q?']);
    }
    const after = await cluster.http(2, '/metrics');
    assert.deepEqual(seriesOf(after.text), seriesOf(before.text));
    assert.ok(seriesOf(after.text).length < 500);
    assert.ok(!/member-|poll-\d/.test(after.text));
    const open = await cluster.http(2, '/metrics', openMetrics);
    assert.match(open.headers.get('content-type'), /^application\/openmetrics-text; version=1\.0\.0/);
    assert.ok(open.text.endsWith('\n# EOF\n'));
  });

  await t.test('a node down: degraded, and still ready', async () => {
    const leader = await cluster.leader();
    const down = leader === 3 ? 2 : 3;
    const others = [1, 2, 3].filter((node) => node !== down);
    await cluster.local('kill', String(down));
    for (const node of others) {
      const answer = await until(`node ${node} to miss the other`, async () => {
        const one = await cluster.http(node, '/readyz');
        return one?.text === `degraded: peers: not reached: node ${down} (refused)\n` ? one : null;
      });
      assert.equal(answer.status, 200);
    }
    await cluster.local('restart', String(down));
    for (const node of others) await until(`node ${node} well`, async () => (await cluster.http(node, '/readyz'))?.text === 'ok\n');
  });

  // Both ways to be left alone, for the leader as for a follower.
  for (const left of ['leader', 'follower']) {
    await t.test(`a ${left} without a quorum says so within 2 s, and lives`, async () => {
      for (const node of [1, 2, 3]) await until(`node ${node} ready`, async () => (await cluster.http(node, '/readyz'))?.status === 200);
      const leader = await cluster.leader();
      const alone = left === 'leader' ? leader : (leader % 3) + 1;
      const others = [1, 2, 3].filter((node) => node !== alone);
      await Promise.all(others.map((node) => cluster.local('kill', String(node))));
      const began = Date.now(); // both are dead
      const answer = await until('503', async () => {
        const one = await cluster.http(alone, '/readyz?verbose');
        return one?.status === 503 ? one : null;
      }, 5000);
      const tookMs = Date.now() - began;
      assert.ok(tookMs < 2000, `${tookMs} ms`);
      assert.match(answer.text, /not ready: (leader: none is known|quorum: no majority has answered)/);
      assert.equal((await cluster.http(alone, '/livez')).status, 200);
      const metrics = (await cluster.http(alone, '/metrics')).text;
      assert.equal(valueOf(metrics, 'conclave_ready'), 0);
      const status = await cluster.conclave(['status', '--timeout', '2s']);
      assert.match(status.out, /not ready: /);
      t.diagnostic(`${left} alone: 503 after ${tookMs} ms`);
      await cluster.local('up');
      await until('ready again', async () => (await cluster.http(alone, '/readyz'))?.status === 200);
    });
  }

  // A process that hangs closes no connection: its peers must find out by themselves.
  await t.test('a majority that hangs: the same', async () => {
    const leader = await cluster.leader();
    const others = [1, 2, 3].filter((node) => node !== leader);
    for (const node of others) process.kill(cluster.pid(node), 'SIGSTOP');
    try {
      const began = Date.now();
      await until('503', async () => (await cluster.http(leader, '/readyz'))?.status === 503, 5000);
      assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
      assert.equal((await cluster.http(leader, '/livez')).status, 200);
    } finally {
      for (const node of others) process.kill(cluster.pid(node), 'SIGCONT');
    }
    await until('ready again', async () => (await cluster.http(leader, '/readyz'))?.status === 200);
  });
});
