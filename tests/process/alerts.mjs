// The alert rules of cluster/prometheus: by promtool against made-up series, and by a real Prometheus that watches a real cluster while
// nodes are killed. Minutes of the rules are seconds there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Cluster, run, sourceDirectory, until } from './support/cluster.mjs';

const directory = path.join(sourceDirectory, 'cluster/prometheus');
const rules = fs.readFileSync(path.join(directory, 'rules.yml'), 'utf8');

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

test('promtool: syntax, and thresholds from both sides', { timeout: 120_000 }, async (t) => {
  for (const args of [['check', 'rules', 'rules.yml'], ['check', 'config', 'prometheus.yml'], ['test', 'rules', 'rules_test.yml']]) {
    const result = await run('promtool', args, { directory });
    assert.equal(result.status, 0, `promtool ${args.join(' ')}\n${result.out}${result.error}`);
  }
  // The series notice a threshold that is not the charter's.
  const scratch = fs.mkdtempSync('/tmp/conclave-rules-');
  t.after(() => fs.rmSync(scratch, { recursive: true }));
  fs.copyFileSync(path.join(directory, 'rules_test.yml'), path.join(scratch, 'rules_test.yml'));
  const changes = [
    ['ratio_rate5m > 0.05', 'ratio_rate5m > 0.07'], ['ratio_rate5m > 0.05', 'ratio_rate5m > 0.03'],
    ['> 1.5 * conclave', '> 1.7 * conclave'], ['> 1.5 * conclave', '> 1.3 * conclave'],
    ['used_ratio > 0.85', 'used_ratio > 0.87'], ['used_ratio > 0.85', 'used_ratio > 0.83'],
    ['or conclave_ready == 0\n        for: 5m', 'or conclave_ready == 0\n        for: 6m'],
    ['(sum by (job) (conclave_ready) > 0)\n        for: 5m', '(sum by (job) (conclave_ready) > 0)\n        for: 4m'],
    ['overdue_seconds) > 60', 'overdue_seconds) > 180'], ['polls_slow) > 0', 'polls_slow) > 2'],
  ];
  for (const [from, to] of changes) {
    assert.ok(rules.includes(from), from);
    fs.writeFileSync(path.join(scratch, 'rules.yml'), rules.replace(from, to));
    const result = await run('promtool', ['test', 'rules', 'rules_test.yml'], { directory: scratch });
    assert.notEqual(result.status, 0, `no series notices "${to}"`);
  }
});

class Prometheus {
  static async start(t, cluster) {
    const prometheus = new Prometheus();
    const home = path.join(cluster.directory, 'prometheus');
    prometheus.port = await freePort();
    fs.mkdirSync(home);
    fs.writeFileSync(path.join(home, 'rules.yml'), rules.replace(/\b(\d+)m\b/g, '$1s').replace('[1d] offset 1h', '[1m] offset 10s'));
    const targets = [1, 2, 3].map((node) => `'${cluster.httpAddress(node)}'`).join(', ');
    fs.writeFileSync(path.join(home, 'prometheus.yml'),
      `global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }\nrule_files: [rules.yml]\n` +
      `scrape_configs: [{ job_name: conclave, static_configs: [{ targets: [${targets}] }] }]\n`);
    const child = spawn('prometheus', ['--config.file', path.join(home, 'prometheus.yml'), '--storage.tsdb.path', path.join(home, 'data'),
      '--web.listen-address', `127.0.0.1:${prometheus.port}`], { stdio: ['ignore', 'ignore', fs.openSync(path.join(home, 'log'), 'w')] });
    t.after(() => new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGTERM');
    }));
    await until('Prometheus', () => prometheus.get('/-/ready').catch(() => null), 30_000);
    return prometheus;
  }

  async get(page) {
    const answer = await fetch(`http://127.0.0.1:${this.port}${page}`);
    return answer.ok ? answer.text() : null;
  }

  async query(expression) {
    const answer = JSON.parse(await this.get(`/api/v1/query?query=${encodeURIComponent(expression)}`) ?? '{"status":"refused"}');
    assert.equal(answer.status, 'success', expression);
    return answer.data.result;
  }

  // Names of the alerts that fire, with what they are about: ["ConclaveNodeDown critical 127.0.0.1:7302", ...].
  async firing() {
    const { data } = JSON.parse(await this.get('/api/v1/alerts'));
    return data.alerts.filter((alert) => alert.state === 'firing')
      .map(({ labels }) => [labels.alertname, labels.severity, labels.instance ?? ''].join(' ').trim()).sort();
  }
}

test('a real Prometheus sees a real cluster lose its nodes', { timeout: 300_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const prometheus = await Prometheus.start(t, cluster);
  const chair = path.join(cluster.data, 'chair.key');
  const write = (options) => cluster.conclave(['member', 'update', 'chair', '--name', 'chair', '--timeout', '500ms', '-q'], { key: chair, ...options });

  await t.test('all well: every node is scraped as OpenMetrics, and nothing is wrong', async () => {
    await until('three nodes scraped', async () => (await prometheus.query('up == 1')).length === 3 && (await prometheus.query('conclave_ready == 1')).length === 3);
    for (let i = 0; i < 5; i++) assert.equal((await write()).status, 0);
    await until('rates', async () => (await prometheus.query('conclave:command_seconds:mean5m > 0')).length === 1);
    const down = (await prometheus.firing()).filter((alert) => /Down|Failures|Poll/.test(alert));
    assert.deepEqual(down, []);
    // OpenMetrics has this family without `_info`, so that a parser of the other format would not know it as info.
    const metadata = JSON.parse(await prometheus.get('/api/v1/targets/metadata?metric=conclave_build'));
    assert.equal(metadata.data[0]?.type, 'info');
  });

  await t.test('every expression of the dashboard is one, and all but those of rare things show something', async () => {
    const dashboard = JSON.parse(fs.readFileSync(path.join(sourceDirectory, 'cluster/grafana/conclave.json'), 'utf8'));
    const expressions = dashboard.panels.flatMap((panel) => panel.targets ?? []).map((target) => target.expr);
    assert.ok(expressions.length > 25);
    const silent = [];
    for (const expression of expressions) {
      const result = await prometheus.query(expression.replaceAll('$job', 'conclave').replaceAll('$__rate_interval', '10s'));
      if (result.length === 0) silent.push(expression);
    }
    // no refusals, no open polls
    assert.ok(silent.every((expression) => /refusals|polls_open_voted/.test(expression)), silent.join('\n'));
  });

  await t.test('a node killed: critical for that node, and only that', async () => {
    const leader = await cluster.leader();
    const killed = (leader % 3) + 1;
    await cluster.local('kill', String(killed));
    const wanted = `ConclaveNodeDown critical ${cluster.httpAddress(killed)}`;
    const firing = await until(wanted, async () => {
      const alerts = await prometheus.firing();
      return alerts.includes(wanted) ? alerts : null;
    }, 30_000);
    assert.deepEqual(firing.filter((alert) => /Down|Poll/.test(alert)), [wanted]);
    await cluster.local('restart', String(killed));
    await until('the alert to end', async () => !(await prometheus.firing()).includes(wanted), 30_000);
  });

  await t.test('two killed: the cluster is down, and what clients ask fails', async () => {
    const leader = await cluster.leader();
    const others = [1, 2, 3].filter((node) => node !== leader);
    for (const node of others) await cluster.local('kill', String(node));
    await until('ConclaveDown and ConclaveApiFailures', async () => {
      assert.notEqual((await write({ endpoints: cluster.endpoint(leader) })).status, 0);
      const alerts = await prometheus.firing();
      return alerts.includes('ConclaveDown critical') && alerts.includes('ConclaveApiFailures critical') ? alerts : null;
    }, 60_000);
    await cluster.local('up');
    await until('all alerts to end', async () => {
      await write();
      return (await prometheus.firing()).every((alert) => !/Down|Failures/.test(alert));
    }, 60_000);
  });
});
