// A cluster with TLS: who gets in, what expires when, a new CA while votes go on, and disks that are not what they were.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Client } from './second-client/client.mjs';
import { Cluster, binaryDirectory, run, until } from './support/cluster.mjs';

const cure = 'stop it, and put the newest disk back or add the node anew under another number';

// Starts a node as cluster/local does, whatever becomes of it.
function startNode(cluster, node, ...more) {
  const err = fs.openSync(path.join(cluster.data, `node${node}.err`), 'w');
  const certs = path.join(cluster.data, 'certs');
  const child = spawn(path.join(binaryDirectory, 'conclaved'),
    ['--node-id', String(node), '--data-dir', path.join(cluster.data, `node${node}`), '--log-file', path.join(cluster.data, `node${node}.log`),
      '--tls-ca', path.join(certs, 'ca.pem'), '--tls-certificate', path.join(certs, `node${node}.pem`),
      '--tls-key', path.join(certs, `node${node}.key`), ...more],
    { stdio: ['ignore', err, err] });
  fs.closeSync(err);
  fs.writeFileSync(path.join(cluster.data, `node${node}.pid`), `${child.pid}\n`);
}

// Waits until the node says that another refuses its disk; returns the sentence.
async function refusalOf(cluster, node) {
  return until(`node ${node} is refused`, async () => {
    const answer = (await cluster.status()).nodes.find((entry) => Number(entry.node) === node);
    return answer.up && answer.status.refusal;
  }, 60_000);
}

// Waits until all nodes are connected with all others and ready.
async function whole(cluster) {
  return until('all nodes ready', async () => {
    const { nodes } = await cluster.status();
    return nodes.every(({ up, status }) => up && status.ready && status.refusal === '' && status.peers.every((peer) => peer.connected));
  }, 60_000);
}

async function reloadAll(cluster) {
  const certificates = () => [1, 2, 3].map((node) =>
    fs.readFileSync(path.join(cluster.data, `node${node}.log`), 'utf8').split('certificates').length);
  const before = certificates();
  for (const node of [1, 2, 3]) process.kill(cluster.pid(node), 'SIGHUP');
  await until('all nodes have read their certificates', async () => certificates().every((count, i) => count > before[i]));
}

test('three nodes with TLS', { timeout: 600_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3, { tls: true });
  const certs = path.join(cluster.data, 'certs');
  await whole(cluster);
  const ada = await cluster.admit('ada');
  await cluster.json(['poll', 'open', 'p', '--title', 'P', '--for', '1h', '--question', 'q,policy=simple-majority,title=Shall we?']);

  await t.test('who speaks no TLS, or trusts another CA, gets nowhere and is told why', async () => {
    const plain = await cluster.conclave(['status', '--timeout', '2s'], { environment: { CONCLAVE_CA: '' } });
    assert.equal(plain.status, 5);
    const made = await run(path.join(binaryDirectory, 'conclave'), ['certs', 'ca', '--dir', path.join(cluster.directory, 'other'),
      '--cluster', '9f86d081884c7d659a2feaa0c55ad015']);
    assert.equal(made.status, 0, made.error);
    assert.match(made.out, /ca\.pem/);
    const other = await cluster.conclave(['tally', 'p', '--timeout', '2s'],
      { environment: { CONCLAVE_CA: path.join(cluster.directory, 'other/ca.pem') } });
    assert.equal(other.status, 4, other.error);
    assert.match(other.error, /certificate/);
  });

  await t.test('a session is bound to its connection (RFC 9266), as another TLS has it', async () => {
    const seed = Buffer.from(fs.readFileSync(ada, 'utf8').split('\n')[1], 'base64url');
    const client = await Client.connect(cluster.endpoint(1), fs.readFileSync(path.join(certs, 'ca.pem')));
    t.after(() => client.close());
    for (const binding of [Buffer.alloc(0), Buffer.alloc(32, 7)]) { // of no connection, of another one
      await assert.rejects(client.prove({ member: 'ada', seed, binding }), { code: 'bad_signature' });
    }
    assert.equal((await client.prove({ member: 'ada', seed })).member, 'ada');
  });

  await t.test('certs says what expires when', async () => {
    const good = await cluster.conclave(['certs', 'list', certs]);
    assert.equal(good.status, 0, good.error);
    for (const name of ['ca.pem', 'node1.pem', 'node2.pem', 'node3.pem']) assert.match(good.out, new RegExp(name.replace('.', '\\.')));
    assert.match(good.out, /20\d\d-\d\d-\d\d/);
    const soon = await cluster.conclave(['certs', 'list', certs, '--days', '400']); // those of nodes are good for 397
    assert.equal(soon.status, 1, 'exit 1 when something ends within the days');
    const renewed = await cluster.conclave(['certs', 'renew', path.join(certs, 'node3.pem'), '--dir', certs, '--days', '10']);
    assert.equal(renewed.status, 0, renewed.error);
    assert.equal((await cluster.conclave(['certs', 'list', certs])).status, 1);
    await reloadAll(cluster);
    const { nodes } = await cluster.status();
    const ends = nodes.map(({ status }) => (Number(status.tls.certificate_ends) - Date.now()) / 86_400_000);
    assert.ok(ends[2] > 9 && ends[2] < 10.5, `node 3's ends in ${ends[2]} days`);
    assert.ok(ends[0] > 390, `node 1's ends in ${ends[0]} days`);
  });

  await t.test('a certificate for a client says what was made', async () => {
    const made = await cluster.conclave(['certs', 'client', 'ada', '--dir', certs]);
    assert.equal(made.status, 0, made.error);
    assert.match(made.out, /client ada/);
  });

  await t.test('a new CA comes and the old one goes, while votes go on', async () => {
    const oldCa = path.join(cluster.directory, 'old-ca.pem');
    fs.copyFileSync(path.join(certs, 'ca.pem'), oldCa);
    let going = true, votes = 0;
    const failures = [];
    const voting = (async () => {
      while (going) {
        const result = await cluster.conclave(['vote', 'p', `q=${votes % 2 ? 'no' : 'yes'}`, '--yes', '--quiet'], { key: ada });
        if (result.status !== 0) failures.push(result.error);
        votes++;
      }
    })();
    const certsMust = async (...words) => {
      const result = await cluster.conclave(['certs', ...words, '--dir', certs]);
      assert.equal(result.status, 0, result.error);
      assert.notEqual(result.out, '', 'it says what it made');
    };
    await certsMust('rotate');
    await reloadAll(cluster); // both are trusted
    assert.equal((fs.readFileSync(path.join(certs, 'ca.pem'), 'utf8').match(/BEGIN CERTIFICATE/g) ?? []).length, 2);
    await certsMust('renew', '--new-key');
    await reloadAll(cluster); // all certificates are of the new one
    await cluster.local('restart', '2'); // and connections are made anew with them
    await whole(cluster);
    await certsMust('retire');
    await reloadAll(cluster); // the old one is out
    for (const node of [1, 3]) await cluster.local('restart', String(node));
    await whole(cluster);
    const before = votes;
    await until('ten more votes', async () => votes >= before + 10);
    going = false;
    await voting;
    assert.deepEqual(failures, []);
    const tally = await cluster.json(['ballot', 'show', 'p', 'ada']);
    assert.equal(Number(tally.ballot), votes, 'each ballot was counted once');
    const late = await cluster.conclave(['tally', 'p', '--timeout', '2s'], { environment: { CONCLAVE_CA: oldCa } });
    assert.equal(late.status, 4, late.error);
    assert.match(late.error, /certificate/);
  });

  // What is refused takes no part; the others go on; and the newest disk is welcome back.
  const disk = path.join(cluster.data, 'node3');
  const kept = path.join(cluster.directory, 'kept');
  async function refused(sentence) {
    const refusal = await refusalOf(cluster, 3);
    assert.match(refusal, sentence);
    assert.ok(refusal.includes(cure), refusal);
    assert.ok(fs.readFileSync(path.join(cluster.data, 'node3.log'), 'utf8').includes(cure));
    await cluster.json(['vote', 'p', 'q=yes', '--yes'], { key: ada, endpoints: `${cluster.endpoint(1)},${cluster.endpoint(2)}` });
    await cluster.local('kill', '3');
  }
  async function putBack() {
    fs.rmSync(disk, { recursive: true });
    fs.renameSync(kept, disk);
    await cluster.local('restart', '3');
    await whole(cluster);
  }

  await t.test('a wiped disk is refused', async () => {
    await cluster.local('stop', '3');
    fs.renameSync(disk, kept);
    startNode(cluster, 3, '--bootstrap', path.join(cluster.data, 'genesis'));
    await refused(/node 3 had another disk: one that was wiped or replaced has forgotten its votes/);
    await putBack();
  });

  await t.test('a disk restored from a backup is refused', async () => {
    const backup = path.join(cluster.directory, 'backup');
    await cluster.local('stop', '3');
    fs.cpSync(disk, backup, { recursive: true });
    await cluster.local('restart', '3'); // it goes on and is seen
    await whole(cluster);
    await cluster.local('restart', '3');
    await whole(cluster);
    await cluster.local('stop', '3');
    fs.renameSync(disk, kept);
    fs.renameSync(backup, disk);
    startNode(cluster, 3);
    await refused(/the disk of node 3 is an old copy \(start \d+, but start \d+ was seen\) and has forgotten votes/);
    await putBack();
  });

  await t.test('of two copies of a disk the second is refused', async () => {
    await cluster.local('stop', '3');
    fs.cpSync(disk, kept, { recursive: true });
    const copy = path.join(cluster.directory, 'copy');
    fs.cpSync(disk, copy, { recursive: true });
    await cluster.local('restart', '3'); // this one is it now
    await whole(cluster);
    await cluster.local('stop', '3');
    fs.rmSync(kept, { recursive: true });
    fs.renameSync(disk, kept);
    fs.renameSync(copy, disk);
    startNode(cluster, 3);
    await refused(/there are two copies of the disk of node 3: start \d+ was another's/);
    await putBack();
  });
});
