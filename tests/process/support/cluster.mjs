// A real cluster for tests: starts cluster/local in a temporary directory, runs the conclave command line, and reads what it prints.
// Every process it starts is stopped when the test ends, whatever happened.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const sourceDirectory = process.env.CONCLAVE_SOURCE_DIR ?? fileURLToPath(new URL('../../..', import.meta.url));
export const binaryDirectory = process.env.CONCLAVE_BIN_DIR ?? path.join(sourceDirectory, 'build/release');

const program = path.join(binaryDirectory, 'conclave');

// Runs a program to its end: {status, signal, out, error}. Never rejects because of the program's own failure.
export function run(file, args, { environment = {}, input = '', timeoutMs = 120_000, directory } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: directory,
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out = [];
    const error = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout.on('data', (data) => out.push(data));
    child.stderr.on('data', (data) => error.push(data));
    child.on('error', reject);
    child.stdin.on('error', () => {}); // it need not read its input
    child.stdin.end(input);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, out: Buffer.concat(out).toString(), error: Buffer.concat(error).toString() });
    });
  });
}

// Waits until `condition` (async) gives something true, or fails after the time.
export async function until(what, condition, timeoutMs = 20_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20)); // between two looks at the condition
  }
}

// A base such that the ports base+1..base+7, base+101..base+107 and base+201..base+207 are free now.
async function freePortBase() {
  const free = (port) =>
    new Promise((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = 12000 + Math.floor(Math.random() * 15000);
    const ports = [1, 2, 3, 4, 5, 6, 7].flatMap((n) => [base + n, base + 100 + n, base + 200 + n]);
    const all = await Promise.all(ports.map(free));
    if (all.every(Boolean)) return base;
  }
  throw new Error('no free range of ports');
}

export class Cluster {
  // Starts a cluster of `nodes` nodes and returns once a write is committed. `t` is node:test's context: it cleans up.
  static async start(t, nodes, { tls = false } = {}) {
    const cluster = new Cluster();
    cluster.nodes = nodes;
    cluster.tls = tls;
    cluster.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-test-'));
    cluster.data = path.join(cluster.directory, 'cluster');
    cluster.portBase = await freePortBase();
    t.after(() => cluster.stop());
    await cluster.local('up', '--nodes', String(nodes), ...(tls ? ['--tls'] : []));
    return cluster;
  }

  async stop() {
    if (fs.existsSync(path.join(this.data, 'nodes'))) await this.local('down');
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  // cluster/local, which must succeed.
  async local(...args) {
    const result = await run(path.join(sourceDirectory, 'cluster/local'),
      ['--dir', this.data, '--port', String(this.portBase), ...args],
      { environment: { CONCLAVE_BIN_DIR: binaryDirectory } });
    if (result.status !== 0) {
      throw new Error(`cluster/local ${args.join(' ')}: exit ${result.status}\n${result.out}${result.error}${this.logTails()}`);
    }
    return result.out;
  }

  logTails() {
    if (!fs.existsSync(this.data)) return '';
    return fs.readdirSync(this.data).filter((name) => /^node\d\.(log|err)$/.test(name))
      .map((name) => `--- ${name}\n${fs.readFileSync(path.join(this.data, name), 'utf8').split('\n').slice(-15).join('\n')}`)
      .join('\n');
  }

  endpoint(node) {
    return `127.0.0.1:${this.portBase + 100 + node}`;
  }

  // What a node serves by HTTP: {status, headers, text}; null when it cannot be asked.
  async http(node, page, headers = {}) {
    try {
      const answer = await fetch(`http://${this.httpAddress(node)}${page}`, { headers, signal: AbortSignal.timeout(5000) });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    } catch {
      return null;
    }
  }

  httpAddress(node) {
    return `127.0.0.1:${this.portBase + 200 + node}`;
  }

  endpoints() {
    return Array.from({ length: this.nodes }, (_, i) => this.endpoint(i + 1)).join(',');
  }

  pid(node) {
    return Number(fs.readFileSync(path.join(this.data, `node${node}.pid`), 'utf8'));
  }

  // The conclave command: {status, out, error}. options: key (a file), endpoints, and those of run().
  conclave(args, { key = path.join(this.data, 'chair.key'), endpoints = this.endpoints(), ...options } = {}) {
    return run(program, args, {
      ...options,
      environment: {
        CONCLAVE_ENDPOINTS: endpoints,
        CONCLAVE_KEY: key,
        CONCLAVE_RECEIPTS: 'off',
        ...(this.tls ? { CONCLAVE_CA: path.join(this.data, 'certs/ca.pem') } : {}),
        ...options.environment,
      },
    });
  }

  // The same with --json, which must exit 0; returns what it printed, parsed.
  async json(args, options) {
    const result = await this.conclave([...args, '--json'], options);
    if (result.status !== 0) {
      throw new Error(`conclave ${args.join(' ')}: exit ${result.status}\n${result.out}${result.error}`);
    }
    return JSON.parse(result.out);
  }

  // What `status` says of the cluster; {health, nodes: [...]}. Also when there is no quorum.
  async status() {
    const result = await this.conclave(['status', '--json', '--timeout', '2s']);
    if (![0, 5].includes(result.status)) throw new Error(`conclave status: exit ${result.status}\n${result.error}`);
    return JSON.parse(result.out);
  }

  // The number of the node that leads, once one does.
  leader() {
    return until('a leader', async () => {
      const { nodes } = await this.status();
      const leading = nodes.filter((entry) => entry.up && entry.status.state === 'leader');
      leading.sort((a, b) => Number(b.status.term) - Number(a.status.term));
      return leading.length > 0 ? Number(leading[0].node) : 0;
    });
  }

  // All nodes up to the same applied index; returns their digests there.
  digests() {
    return until('all nodes at one applied index', async () => {
      const { nodes } = await this.status();
      if (!nodes.every((entry) => entry.up)) return null;
      const applied = new Set(nodes.map((entry) => entry.status.applied));
      return applied.size === 1 ? nodes.map((entry) => entry.status.digest) : null;
    }, 30_000);
  }

  // Makes a key and admits its member; returns the key file. `more`: further options of `member admit`.
  async admit(id, ...more) {
    const key = path.join(this.directory, `${id}.key`);
    if (!fs.existsSync(key)) {
      const made = await this.conclave(['key', 'new', id, '--key', key]);
      if (made.status !== 0) throw new Error(`key new ${id}: ${made.error}`);
    }
    await this.json(['member', 'admit', id, '--public-key', key, ...more]);
    return key;
  }
}

// Runs `job` for each item, at most `width` at once; results in order.
export async function inParallel(items, width, job) {
  const results = new Array(items.length);
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await job(items[index], index);
    }
  }));
  return results;
}
