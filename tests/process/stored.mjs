// What earlier builds stored, this one must read: the data directories in stored/*.tar.gz (stored/make.mjs says what happened in them; two of
// three nodes died by kill -9) are started as they are. What must be found stands in the .json beside each, counted by hand.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { binaryDirectory, Cluster, until } from './support/cluster.mjs';
import { commandsOf } from './support/recount.mjs';

const nodes = [1, 2, 3];
const stored = fileURLToPath(new URL('stored', import.meta.url));

// The nodes of an archive, as their disks are.
class StoredCluster extends Cluster {
  constructor(t, archive, expected) {
    super();
    this.nodes = nodes.length;
    this.portBase = expected.portBase;
    this.processes = [];
    this.directory = fs.mkdtempSync('/tmp/conclave-test-');
    this.data = path.join(this.directory, path.basename(archive, '.tar.gz'));
    execFileSync('tar', ['--extract', '--file', archive, '--directory', this.directory]);
    t.after(() => this.stop());
  }

  start() {
    for (const node of nodes) {
      const log = fs.openSync(path.join(this.data, `node${node}.log`), 'a');
      const started = spawn(path.join(binaryDirectory, 'conclaved'), ['--node-id', String(node), '--data-dir', path.join(this.data, `node${node}`),
        '--node-key', path.join(this.data, `node${node}.key`)], { stdio: ['ignore', log, log] });
      fs.closeSync(log);
      this.processes.push({ started, ended: new Promise((resolve) => started.on('exit', resolve)) });
    }
  }

  async stop() {
    for (const { started, ended } of this.processes.splice(0)) {
      started.kill('SIGTERM');
      await ended;
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

for (const file of fs.readdirSync(stored).filter((entry) => entry.endsWith('.tar.gz'))) {
  const archive = path.join(stored, file);
  const expected = JSON.parse(fs.readFileSync(archive.replace('.tar.gz', '.json'), 'utf8'));
  test(`what ${file} holds is read, and goes on`, { timeout: 120_000 }, async (t) => {
    const cluster = new StoredCluster(t, archive, expected);
    const items = async (...words) => (await cluster.json(words)).items;
    cluster.start();
    await until('the cluster is well', async () => (await cluster.status()).health === 'healthy', 60_000)
      .catch((error) => { throw new Error(`${error.message}\n${cluster.logTails()}`); });
    await until('the poll that was open closes', async () => (await cluster.json(['poll', 'show', expected.closesItself])).state === 'closed');

    assert.deepEqual((await items('member', 'list')).map(({ id, status }) => (status === 'active' ? id : `${id} ${status}`)), expected.members);
    assert.deepEqual((await items('proposal', 'list')).map(({ id, stage, revision }) => `${id} ${stage} ${revision}`), expected.proposals);
    assert.deepEqual((await items('policy', 'list')).map(({ id, version }) => `${id} ${version}`), expected.policies);
    for (const [place, words] of Object.entries(expected.tallies)) {
      const [poll, question] = place.split('/');
      const { questions } = await cluster.json(['tally', poll, question]);
      const [{ verdict, ballots, roll }] = questions;
      assert.equal(`${verdict.outcome}: ${verdict.text}; ${ballots} of ${roll.heads} ballots`, words, place);
    }

    // The record is the one that was signed then, and every old receipt is of it.
    const whole = path.join(cluster.directory, 'record');
    const receipts = fs.readdirSync(path.join(cluster.data, 'receipts')).map((name) => path.join(cluster.data, 'receipts', name));
    assert.equal(receipts.length, expected.receipts);
    await cluster.json(['export', '--out', whole]);
    const verified = await cluster.json(['verify', '--export', whole, ...receipts], { endpoints: '127.0.0.1:1' });
    assert.deepEqual({ leaves: Number(verified.leaves), receipts: Number(verified.receipts), decisions: Number(verified.decisions), refused: Number(verified.refused) },
      { leaves: expected.leaves, receipts: expected.receipts, decisions: Object.keys(expected.tallies).length, refused: 0 });
    if (expected.backup) {
      const backup = path.join(cluster.data, 'hive.backup');
      const proven = await cluster.json(['backup', 'verify', backup, ...receipts], { endpoints: '127.0.0.1:1' });
      assert.deepEqual({ leaves: Number(proven.leaves), receipts: Number(proven.receipts) }, { leaves: expected.backup.leaves, receipts: expected.receipts });
      const { head, polls } = await cluster.json(['backup', 'inspect', backup], { endpoints: '127.0.0.1:1' });
      assert.deepEqual([polls, head.cluster === verified.cluster], [expected.backup.polls, false]);
    }
    const kinds = {};
    for (const { kind, code } of commandsOf(fs.readFileSync(whole, 'utf8'))) {
      assert.equal(code, 'ok');
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
    assert.deepEqual(kinds, expected.commands);
    assert.equal(new Set(await cluster.digests()).size, 1);
  });
}
