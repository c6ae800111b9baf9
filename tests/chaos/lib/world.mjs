// The machines of a run: namespaces and a network, disks, clocks, and the nodes on them.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Helper, run } from './process.mjs';
import { ask, trust } from './rpc.mjs';
import { nowUs, until } from './time.mjs';

const peerPort = 7000;
const clientPort = 7001;
const readyTimeoutMs = 180_000; // a machine may have much else to do
const statusMs = 2000;
const bootIdFile = '/proc/sys/kernel/random/boot_id';

class Node {
  constructor(id, directory) {
    this.id = id;
    this.directory = directory;
    this.mountPoint = path.join(directory, 'disk');
    this.dataDir = path.join(this.mountPoint, 'data');
    this.bootFile = path.join(directory, 'boot_id');
    this.clockFile = path.join(directory, 'clock');
    this.logFile = path.join(directory, 'log');
    this.child = null;
    this.paused = false;
    this.out = null; // why it does not come back
    this.mayStop = false; // a fault that makes it stop itself is on
    this.bootstrapped = false;
  }

  get up() {
    return this.child !== null;
  }
}

export class World {
  // options: nodes, seed, directory, programs (the build directory)
  static async open({ nodes, seed, directory, programs }) {
    const world = new World();
    world.directory = directory;
    world.programs = programs;
    world.violations = [];
    world.nodes = [];
    world.prefix = '10.77.0'; // private, and nobody else's: the run has networks of its own
    world.terms = new Map(); // term -> node that led in it
    world.lan = await Helper.start(path.join(programs, 'chaos-lan'), String(nodes), String(seed));
    try {
      for (let id = 1; id <= nodes; id++) world.nodes.push(await world.openNode(id));
      await world.openHost(await world.namespaceOf(0), 100);
      for (const node of world.nodes) await world.openHost(node.namespace, node.id);
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  async namespaceOf(host) {
    return this.lan.tell(`namespace ${host}`);
  }

  async openNode(id) {
    const node = new Node(id, path.join(this.directory, `node${id}`));
    fs.mkdirSync(node.mountPoint, { recursive: true });
    fs.mkdirSync(path.join(node.directory, 'backing'));
    node.namespace = await this.namespaceOf(id);
    node.disk = await Helper.start(path.join(this.programs, 'chaos-disk'), node.mountPoint, path.join(node.directory, 'backing'));
    this.newBoot(node);
    this.setClock(node, 0);
    return node;
  }

  async openHost(namespace, number) {
    const inside = (...command) => run('nsenter', `--net=${namespace}`, ...command);
    await inside('ip', 'link', 'set', 'lo', 'up');
    await inside('ip', 'link', 'set', 'lan0', 'mtu', '1500', 'up');
    await inside('ip', 'addr', 'replace', `${this.prefix}.${number}/24`, 'dev', 'lan0');
  }

  addressOf(id) {
    return `${this.prefix}.${id}`;
  }

  endpoint(id) {
    return { host: this.addressOf(id), port: clientPort, secureContext: this.secureContext };
  }

  // The nodes that are part of the cluster still.
  members() {
    return this.nodes.filter((node) => node.out === null);
  }

  async makeCluster() {
    const args = ['init', '--name', 'chaos', '--chair', 'chair', '--key', path.join(this.directory, 'chair.key'), '--out', this.directory];
    for (const { id } of this.nodes) args.push('--node', `${id}=${this.addressOf(id)}:${peerPort},${this.addressOf(id)}:${clientPort}`);
    await run(path.join(this.programs, 'conclave'), ...args);
    this.secureContext = trust(fs.readFileSync(path.join(this.directory, 'certs/ca.pem')));
    const [, secret] = fs.readFileSync(path.join(this.directory, 'chair.key'), 'utf8').split('\n');
    return Buffer.from(secret, 'base64url');
  }

  // --- a node's process ---

  // Starts it; it runs when this returns, and need not be ready.
  start(node) {
    const bootstrap = node.bootstrapped ? [] : ['--bootstrap', path.join(this.directory, 'genesis')];
    node.bootstrapped = true;
    const certificates = path.join(this.directory, 'certs');
    const conclaved = [path.join(this.programs, 'conclaved'), '--node-id', String(node.id), '--data-dir', node.dataDir,
      '--workers', '1', '--tls-ca', path.join(certificates, 'ca.pem'), '--tls-certificate', path.join(certificates, `node${node.id}.pem`),
      '--tls-key', path.join(certificates, `node${node.id}.key`), ...bootstrap];
    const log = fs.openSync(node.logFile, 'a');
    const child = spawn('nsenter', [`--net=${node.namespace}`, 'unshare', '--mount', 'sh', '-c',
      `mount --bind "$1" ${bootIdFile} && shift && exec env "$@"`, 'sh', node.bootFile,
      `LD_PRELOAD=${path.join(this.programs, 'chaos-clock.so')}`, `CHAOS_CLOCK_FILE=${node.clockFile}`, ...conclaved],
    { stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    node.child = child;
    node.paused = false;
    node.ended = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        node.child = null;
        if (!node.mayStop && !node.stopping) {
          this.violations.push(`node ${node.id} ended by itself (${signal ?? `exit ${status}`}): ${this.lastLine(node)}`);
        }
        resolve({ status, signal });
      });
    });
  }

  lastLine(node) {
    const lines = fs.readFileSync(node.logFile, 'utf8').trim().split('\n').filter((line) => !/ level=(info|debug) /.test(line));
    return lines.at(-1) ?? '';
  }

  async kill(node, signal = 'SIGKILL') {
    if (!node.up) return;
    node.stopping = true;
    const { child, ended } = node;
    child.kill(signal);
    if (node.paused) child.kill('SIGCONT');
    const end = await ended;
    node.stopping = false;
    node.paused = false;
    return end;
  }

  pause(node) {
    if (node.up) {
      node.child.kill('SIGSTOP');
      node.paused = true;
    }
  }

  resume(node) {
    if (node.up) node.child.kill('SIGCONT');
    node.paused = false;
  }

  // Waits until it answers `status`.
  async ready(node) {
    const status = await until(() => (node.up ? this.statusOf(node) : 'ended'), readyTimeoutMs, 50);
    if (status === null || status === 'ended') throw new Error(`node ${node.id} does not come up: ${this.lastLine(node)}`);
  }

  async statusOf(node) {
    if (!node.up || node.paused) return null;
    try {
      const status = await ask(this.endpoint(node.id), 'status', {}, statusMs);
      this.noteTerm(node, status);
      return status;
    } catch {
      return null;
    }
  }

  noteTerm(node, { state, term }) {
    if (state !== 'leader') return;
    const known = this.terms.get(term);
    if (known !== undefined && known !== node.id) this.violations.push(`nodes ${known} and ${node.id} both led in term ${term}`);
    this.terms.set(term, node.id);
  }

  async statuses() {
    const all = await Promise.all(this.members().map(async (node) => ({ node, status: await this.statusOf(node) })));
    return all.filter(({ status }) => status !== null);
  }

  // The node that leads: of several that say so, that of the highest term. Null when there is none in time.
  leader(timeoutMs = 5000) {
    return until(async () => {
      const leading = (await this.statuses()).filter(({ status }) => status.state === 'leader');
      leading.sort((a, b) => b.status.term - a.status.term);
      return leading[0]?.node;
    }, timeoutMs, 30);
  }

  // --- faults ---

  // A machine that starts has another boot id: the state that was not synced is not to be trusted.
  newBoot(node) {
    fs.writeFileSync(node.bootFile, `${randomUUID()}\n`);
  }

  // Not by renaming: the node has the file mapped.
  setClock(node, offsetMs) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(offsetMs * 1e6)));
    const file = fs.openSync(node.clockFile, fs.constants.O_WRONLY | fs.constants.O_CREAT);
    fs.writeSync(file, bytes, 0, 8, 0);
    fs.closeSync(file);
  }

  // The power of a machine goes, and comes back: its process must be dead, or is killed.
  async cutPower(node, keepPercent, seed) {
    await this.kill(node);
    this.newBoot(node);
    return node.disk.tell(`cut ${keepPercent} ${seed}`);
  }

  // Whatever `from` sends does not reach `to`.
  async block(from, to) {
    await run('nsenter', `--net=${to.namespace}`, 'iptables', '-w', '-A', 'INPUT', '-s', `${this.addressOf(from.id)}/32`, '-j', 'DROP');
  }

  async unblockAll() {
    await Promise.all(this.nodes.map((node) => run('nsenter', `--net=${node.namespace}`, 'iptables', '-w', '-F', 'INPUT')));
  }

  async setLinks({ from = '*', to = '*', loss = 0, delayMs = 0, jitterMs = 0 }) {
    await this.lan.tell(`link ${from} ${to} ${loss} ${Math.round(delayMs * 1000)} ${Math.round(jitterMs * 1000)}`);
  }

  // --- the end ---

  async close() {
    for (const node of this.nodes) {
      if (node.up) await this.kill(node);
    }
    await Promise.all(this.nodes.map((node) => node.disk.end()));
    await this.lan.end();
  }
}

export { nowUs };
