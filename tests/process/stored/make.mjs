#!/usr/bin/env node
// Makes the data directories of a small cluster in which everything that is stored occurs, for tests/process/stored.mjs, which every later
// build must pass: `node tests/process/stored/make.mjs NAME` writes NAME.tar.gz here; with `restored` after the name, the cluster was saved, lost and
// restored before the last of them died, and the backup is in it too. What must be found in it stands in NAME.json, written by hand. A new one is made when a stored format has changed; the older ones stay.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { binaryDirectory, Cluster, until } from '../support/cluster.mjs';

const portBase = 11100; // the nodes' addresses are in the record
const here = path.dirname(fileURLToPath(import.meta.url));
const [, , name, kind] = process.argv;
if (!/^[\w-]+$/.test(name ?? '') || ![undefined, 'restored'].includes(kind)) {
  console.error('usage: node tests/process/stored/make.mjs NAME (letters, digits, - and _) [restored]');
  process.exit(2);
}

const cluster = new Cluster();
cluster.nodes = 3;
cluster.directory = fs.mkdtempSync('/tmp/conclave-stored-');
cluster.data = path.join(cluster.directory, 'cluster');
cluster.portBase = portBase;
const receipts = path.join(cluster.directory, 'receipts');
const backup = path.join(cluster.directory, 'hive.backup');

try {
  await cluster.local('up', '--nodes', '3');
  await tell();
  keep();
} finally {
  await cluster.stop();
}

async function tell() {
  const keys = {};
  const chair = (...words) => cluster.json(words);
  const as = (who, ...words) => cluster.json(words, { key: keys[who], environment: { CONCLAVE_RECEIPTS: receipts } });
  const vote = (who, ...words) => as(who, 'vote', ...words, '--yes');
  keys.ada = await cluster.admit('ada', '--class', 'general', '--name', 'Ada');
  keys.bob = await cluster.admit('bob', '--class', 'general', '--kind', 'person');
  keys.cyd = await cluster.admit('cyd', '--class', 'general', '--weight', '2');
  keys.dan = await cluster.admit('dan', '--kind', 'service');
  keys.eve = await cluster.admit('eve', '--role', 'expert:technical');
  keys.fay = await cluster.admit('fay');
  keys.gus = await cluster.admit('gus');
  await chair('member', 'update', 'fay', '--status', 'suspended');

  const rule = path.join(cluster.directory, 'rule.json');
  fs.writeFileSync(rule, JSON.stringify({ method: 'score', min: 1, max: 10, pass: [60, 100, '>='] }));
  await chair('policy', 'put', 'at-least-60', rule);
  await chair('policy', 'put', 'at-least-60', rule); // its second version
  await as('ada', 'proposal', 'submit', 'P-001', '--title', 'A charter', '--body', 'We the models.', '--category', 'charter');
  await as('ada', 'proposal', 'revise', 'P-001', '--body', 'We the models, and our people.');
  await as('bob', 'proposal', 'submit', 'P-002', '--title', 'Nothing', '--body', 'Let us wait.');
  await as('bob', 'proposal', 'withdraw', 'P-002', '--reason', 'waited long enough');

  await chair('poll', 'open', 'lunch', '--title', 'Lunch', '--for', '1h', '--question', 'pizza,title=Pizza?');
  await vote('ada', 'lunch', 'pizza=no', '--why', 'pizza=too much cheese');
  await vote('bob', 'lunch', 'pizza=no');
  await vote('cyd', 'lunch', 'pizza=yes');
  await vote('dan', 'lunch', 'pizza=abstain');
  await vote('gus', 'lunch', 'pizza=no');
  await vote('bob', 'lunch', 'pizza=yes', '--why', 'pizza=ada convinced me of the contrary');
  await chair('member', 'revoke', 'gus', '--reason', 'key lost');
  await chair('poll', 'close', 'lunch');

  await chair('poll', 'open', 'charter', '--title', 'Charter', '--for', '1h', '--policy', 'super-majority-80', '--proposal', 'P-001');
  await vote('ada', 'charter', 'P-001=yes');
  await vote('bob', 'charter', 'P-001=yes');
  await vote('cyd', 'charter', 'P-001=no', '--why', 'P-001=too short');
  await vote('eve', 'charter', 'P-001=yes');
  await chair('poll', 'close', 'charter');

  await chair('poll', 'open', 'marks', '--title', 'Marks', '--for', '1h', '--class', 'general', '--question', 'logo,policy=at-least-60,title=The logo');
  await vote('ada', 'marks', 'logo=7');
  await vote('bob', 'marks', 'logo=8');
  await vote('cyd', 'marks', 'logo=5');
  await chair('poll', 'close', 'marks');

  await as('ada', 'member', 'rotate-key');
  await chair('cluster', 'add', '4', '--peer', `127.0.0.1:${portBase + 4}`, '--client', `127.0.0.1:${portBase + 104}`, '--standby',
    '--out', path.join(cluster.directory, 'node4.ticket'));
  await chair('cluster', 'remove', '4');

  // Open when all die: it closes when somebody starts them again.
  await chair('poll', 'open', 'late', '--title', 'Late', '--for', '15s', '--question', 'tea,title=Tea?');
  await vote('ada', 'late', 'tea=yes');
  await vote('bob', 'late', 'tea=no');
  await vote('cyd', 'late', 'tea=yes');
  await finish();
}

// Node 3 stops in order, the other two die.
async function finish() {
  await until('receipts of all ballots', async () => (await cluster.conclave(['receipt', '--pending'], { environment: { CONCLAVE_RECEIPTS: receipts } })).status === 0);
  await cluster.digests();
  if (kind === 'restored') return restore();
  await cluster.local('stop', '3');
  await cluster.local('kill', '1');
  await cluster.local('kill', '2');
}

// The same addresses, other nodes.
async function restore() {
  const files = path.join(cluster.directory, 'new');
  const started = {};
  await cluster.json(['backup', 'save', backup]);
  await cluster.local('down');
  await cluster.json(['restore', backup, '--out', files, ...[1, 2, 3].flatMap((node) => ['--node', `${node}=127.0.0.1:${portBase + node},${cluster.endpoint(node)}`])]);
  for (const node of [1, 2, 3]) {
    const directory = path.join(cluster.data, `node${node}`);
    fs.rmSync(directory, { recursive: true });
    fs.copyFileSync(path.join(files, `node${node}.key`), `${directory}.key`);
    started[node] = spawn(path.join(binaryDirectory, 'conclaved'), ['--node-id', String(node), '--data-dir', directory, '--node-key', `${directory}.key`,
      '--bootstrap', path.join(files, 'genesis'), '--restore', backup], { stdio: 'ignore' });
  }
  const end = (node, signal) => new Promise((resolve) => { started[node].on('exit', resolve); started[node].kill(signal); });
  try {
    await until('the restored cluster is well', async () => (await cluster.status()).health === 'healthy');
    await cluster.digests();
    await end(3, 'SIGTERM');
  } finally {
    await Promise.all(Object.keys(started).filter((node) => started[node].exitCode === null).map((node) => end(node, 'SIGKILL')));
  }
}

function keep() {
  const kept = path.join(cluster.directory, name);
  fs.mkdirSync(path.join(kept, 'receipts'), { recursive: true });
  for (const node of [1, 2, 3]) {
    fs.cpSync(path.join(cluster.data, `node${node}`), path.join(kept, `node${node}`), { recursive: true });
    fs.copyFileSync(path.join(cluster.data, `node${node}.key`), path.join(kept, `node${node}.key`));
  }
  if (kind === 'restored') fs.copyFileSync(backup, path.join(kept, 'hive.backup'));
  for (const id of fs.readdirSync(receipts)) {
    for (const file of fs.readdirSync(path.join(receipts, id))) {
      if (file.endsWith('.tlog-proof')) fs.copyFileSync(path.join(receipts, id, file), path.join(kept, 'receipts', file));
    }
  }
  execFileSync('tar', ['--create', '--gzip', '--sparse', '--owner=0', '--group=0', '--file', path.join(here, `${name}.tar.gz`), '--directory', cluster.directory, name]);
}
