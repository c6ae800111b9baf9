// Bits that turn on a node's disk while it is off: they are found though nobody asks for what they are in, and said.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Cluster, until } from './support/cluster.mjs';

// Turns a bit of every copy of a text in a file; how many there were.
function turnBit(file, text) {
  const bytes = fs.readFileSync(file);
  let count = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    bytes[at] ^= 0x20;
    count++;
  }
  fs.writeFileSync(file, bytes);
  return count;
}

function runs(cluster, node) {
  try {
    process.kill(cluster.pid(node), 0);
    return true;
  } catch {
    return false;
  }
}

const logOf = (cluster, node) => fs.readFileSync(path.join(cluster.data, `node${node}.log`), 'utf8') +
  fs.readFileSync(path.join(cluster.data, `node${node}.err`), 'utf8');

test('damage', { timeout: 300_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const body = path.join(cluster.directory, 'body.md');
  for (let i = 0; i < 20; i++) {
    fs.writeFileSync(body, `The text number ${String(i).padStart(2, '0')} of the test. `.repeat(100));
    await cluster.json(['proposal', 'submit', `P-${i}`, '--title', `Title number ${i}`, '--file', body]);
  }
  const digests = await cluster.digests();
  assert.equal(new Set(digests).size, 1);
  const node = (await cluster.leader()) % 3 + 1;

  await t.test('in the state: it says so and stops, and makes it anew from the log', async () => {
    await cluster.local('stop', String(node));
    assert.ok(turnBit(path.join(cluster.data, `node${node}/state/data.mdb`), 'Title number 7') > 0);
    await cluster.local('restart', String(node)).catch(() => {}); // it may stop before it is seen to run
    await until('it stops', () => !runs(cluster, node));
    assert.match(logOf(cluster, node), /does not match|do not match/);
    await cluster.local('restart', String(node));
    assert.match(logOf(cluster, node), /the state on disk cannot be trusted .*: it is rebuilt from the log/);
    assert.equal(new Set(await cluster.digests()).size, 1);
  });

  await t.test('in the log: the entry is fetched from another node, which is said, and the node votes on', async () => {
    await cluster.local('stop', String(node));
    const file = path.join(cluster.data, `node${node}/log/data.mdb`);
    assert.ok(turnBit(file, 'The text number 11') > 0);
    await cluster.local('restart', String(node));
    await until('it is repaired', () => /the log is whole again at this entry/.test(logOf(cluster, node)));
    assert.match(logOf(cluster, node), /an entry of the log is damaged: it is fetched from another node, and until then this one does not vote/);
    const { text } = await cluster.http(node, '/metrics');
    assert.match(text, /^conclave_log_repairs_total 1$/m);
    assert.match(text, /^conclave_scrub_findings_total\{store="log"\} 1$/m);
    await until('it is ready', async () => (await cluster.http(node, '/readyz'))?.status === 200);
    // And again, with all others gone but one: its vote is needed.
    const other = [1, 2, 3].find((one) => one !== node);
    await cluster.local('kill', String(other));
    await cluster.json(['proposal', 'submit', 'after', '--title', 'After', '--file', body]);
    await cluster.local('restart', String(other));
    assert.equal(new Set(await cluster.digests()).size, 1);
    const shown = await cluster.json(['proposal', 'show', 'P-11'], { endpoints: cluster.endpoint(node) });
    assert.match(JSON.stringify(shown), /The text number 11 of the test\. The text number 11/);
  });

  await t.test('in the log and the state at once: the state is made anew from the log that is repaired meanwhile', async () => {
    await cluster.local('stop', String(node));
    assert.ok(turnBit(path.join(cluster.data, `node${node}/log/data.mdb`), 'The text number 05') > 0);
    fs.rmSync(path.join(cluster.data, `node${node}/state`), { recursive: true });
    await cluster.local('restart', String(node));
    assert.equal(new Set(await cluster.digests()).size, 1);
    assert.match(logOf(cluster, node), /an entry of the log was repaired from another node/);
  });

  await t.test('beyond repair: it says which entry and what to do, and stops', async () => {
    await cluster.local('stop', String(node));
    const file = path.join(cluster.data, `node${node}/log/data.mdb`);
    const bytes = fs.readFileSync(file);
    // The head stands 32 bytes before the data, which begins with the batch's array, version and time: far before the text.
    const at = bytes.indexOf('The text number 13');
    assert.ok(at > 0);
    bytes[at - (at % 4096) + 16 + 8] ^= 1; // of an entry on pages of its own: the page's head has 16 bytes; this is in the term
    fs.writeFileSync(file, bytes);
    await cluster.local('restart', String(node)).catch(() => {});
    await until('it stops', () => !runs(cluster, node));
    assert.match(logOf(cluster, node), /stored bytes do not match their checksum|does not match its checksum: replace the node/);
    const status = await cluster.status();
    assert.equal(status.health, 'degraded');
    await cluster.json(['proposal', 'submit', 'late', '--title', 'Late', '--file', body]);
  });
});
