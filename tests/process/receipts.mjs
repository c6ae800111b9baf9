// What voters and auditors hold against a cluster: receipts kept by `vote`, verified offline, tampered with, audited over a leader
// change; a witness that follows; and then lies of several kinds, the last of them by operators who rewrite all nodes with all keys.
// Signatures and hashes that are not the programs' own are Node.js's; formats are docs/RECORD.md's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Client, decode } from './second-client/client.mjs';
import { Cluster, binaryDirectory, run, until } from './support/cluster.mjs';
import { commandsOf } from './support/recount.mjs';

const NOBODY = '127.0.0.1:1'; // where no node listens: what works with it needs no server
const FIRST_LEAVES = 10; // before anything that matters, so that a second history can be made as long

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash('sha256')).digest();
const leafHash = (leaf) => sha256(Buffer.from([0]), leaf);

// A key file's seed as a key of Node.js (RFC 8410's form of an Ed25519 private key).
function privateKey(file) {
  const seed = Buffer.from(fs.readFileSync(file, 'utf8').split('\n')[1], 'base64url');
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

const publicBytes = (key) => crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
const keyId = (name, type, publicKey) => sha256(`${name}\n`, Buffer.from([type]), publicKey).subarray(0, 4);

// A line of a signed note: type 1 plain, 4 a cosignature with the time in it (C2SP signed-note, tlog-cosignature).
function signatureLine(key, name, type, text, seconds) {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const message = type === 4 ? `cosignature/v1\ntime ${seconds}\n${text}` : text;
  const signature = crypto.sign(null, Buffer.from(message), key);
  const bytes = [keyId(name, type, publicBytes(key)), ...(type === 4 ? [time] : []), signature];
  return `— ${name} ${Buffer.concat(bytes).toString('base64')}\n`;
}

// The parts of a receipt.
function readReceipt(text) {
  const blank = text.indexOf('\n\n');
  const [head, extra, index, ...hashes] = text.slice(0, blank).split('\n');
  const [version, leaf, genesis, command, reply] = decode(Buffer.from(extra.slice('extra '.length), 'base64'));
  return { head, extra, number: Number(index.slice('index '.length)), hashes, version, leaf, genesis, command, reply, checkpoint: text.slice(blank + 2) };
}

test('receipts, a witness and an audit', { timeout: 600_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const held = path.join(cluster.directory, 'receipts');
  const keeping = { environment: { CONCLAVE_RECEIPTS: held } };
  const watching = path.join(cluster.directory, 'watching');

  const fail = async (status, pattern, args, options) => {
    const result = await cluster.conclave([...args, '--json'], options);
    assert.equal(result.status, status, `conclave ${args.join(' ')}: ${result.out}${result.error}`);
    const error = JSON.parse(result.error.slice(result.error.indexOf('{')));
    assert.match(error.message, pattern);
    return error;
  };
  const verify = (file, ...more) => cluster.json(['verify', file, ...more], { endpoints: NOBODY });
  const pad = async () => {
    for (let size = 0; size < FIRST_LEAVES;) {
      const { nodes } = await cluster.status();
      size = Math.max(...nodes.map((node) => Number(node.status?.record?.size ?? 0))); // the leader's: others may be behind
      if (size < FIRST_LEAVES) await cluster.json(['member', 'update', 'chair', '--name', `chair ${size}`]);
    }
  };
  await pad();
  const { cluster: id } = await cluster.json(['cluster', 'show']);
  const directory = path.join(held, id);
  const ada = await cluster.admit('ada');
  const bob = await cluster.admit('bob');
  for (const poll of ['lunch', 'dinner']) {
    await cluster.json(['poll', 'open', poll, '--title', poll, '--for', '1h', '--question', 'pizza,title=Pizza?']);
  }
  let receipt; // bob's, its path
  const keepOthers = (name, text) => {
    const file = path.join(cluster.directory, name);
    fs.writeFileSync(file, text);
    return file;
  };

  await t.test('vote keeps a receipt', async () => {
    const reply = await cluster.json(['vote', 'lunch', 'pizza=yes', '--why', 'pizza=It is warm.'], { key: bob, ...keeping });
    receipt = reply.receipt;
    assert.equal(reply.receipt_pending, false);
    assert.equal(receipt, path.join(directory, `lunch.bob.${reply.index}-${reply.position}.tlog-proof`));
    assert.equal(fs.statSync(receipt).mode & 0o777, 0o600);
    assert.equal(fs.statSync(directory).mode & 0o777, 0o700);
    assert.deepEqual(fs.readdirSync(directory), [path.basename(receipt)]); // nothing is pending
    const text = await cluster.conclave(['vote', 'lunch', 'pizza=no'], { key: ada, ...keeping });
    assert.equal(text.status, 0, text.error);
    assert.match(text.out, /^ballot in: 1 question answered .*\nreceipt  \/.*\/lunch\.ada\.\d+-\d+\.tlog-proof\n$/);
  });

  await t.test('or none', async () => {
    const before = fs.readdirSync(directory).length;
    const replies = [
      await cluster.json(['vote', 'lunch', 'pizza=yes', '--no-receipt'], { key: ada, ...keeping }),
      await cluster.json(['vote', 'lunch', 'pizza=no'], { key: ada, environment: { CONCLAVE_RECEIPTS: 'off' } }),
    ];
    assert.deepEqual(replies.map((reply) => reply.receipt ?? null), [null, null]);
    assert.equal(fs.readdirSync(directory).length, before);
    const nowhere = await cluster.conclave(['vote', 'lunch', 'pizza=yes'], { key: ada, environment: { CONCLAVE_RECEIPTS: '/dev/null/x' } });
    assert.equal(nowhere.status, 0, 'a ballot is in, whatever becomes of its receipt');
    assert.match(nowhere.error, /^conclave: no receipt is kept: \/dev\/null\/x\/.* cannot be written: /);
  });

  await t.test('which proves what the log says, without a server', async () => {
    const exported = await cluster.conclave(['export']);
    const entries = exported.out.split('\n').filter((line) => line.includes('"conclave.entry.v1"')).join('\n');
    const cast = commandsOf(entries).filter((command) => command.kind === 'ballot.cast' && command.author === 'bob');
    assert.equal(cast.length, 1);
    const proven = await verify(receipt, '--cluster', id, '--public-key', bob);
    assert.equal(proven.cluster, id);
    assert.equal(proven.cluster_given, true);
    assert.equal(Number(proven.index), cast[0].index);
    assert.equal(Number(proven.position), cast[0].position);
    assert.equal(proven.envelope, sha256(cast[0].envelope).toString('hex'));
    assert.equal(proven.signature, Buffer.from(cast[0].signature).toString('hex'));
    assert.deepEqual([proven.author, proven.command_kind, proven.code], ['bob', 'ballot.cast', 'ok']);
    assert.deepEqual(proven.command.answers, [{
      q: 'pizza', a: 'yes', why: 'It is warm.', why_sha256: sha256('It is warm.').toString('hex'),
    }]);
    assert.ok(proven.cosigners.length >= 2);
    const page = await cluster.conclave(['verify', receipt], { endpoints: NOBODY });
    assert.equal(page.status, 0, page.error);
    for (const line of [/^proven /, /^poll +lunch$/m, /^ {2}pizza {2}yes$/m, /^signed +by the log \(node \d\), cosigned by nodes \d/m]) {
      assert.match(page.out, line);
    }
    t.diagnostic(page.out);
  });

  await t.test('a copy that the command fetches is as good', async () => {
    const file = path.join(cluster.directory, 'fetched');
    await cluster.json(['receipt', 'lunch', '--out', file], { key: bob });
    assert.equal((await verify(file)).envelope, (await verify(receipt)).envelope);
    const { index, position } = await verify(receipt);
    const printed = await cluster.conclave(['receipt', '--index', index, '--position', position, '--out', '-'], { key: ada });
    assert.equal(readReceipt(printed.out).number, readReceipt(fs.readFileSync(file, 'utf8')).number);
    await fail(3, /there is no poll "breakfast"/, ['receipt', 'breakfast', 'bob']);
    await fail(3, /the log has no command at index 1, position 0/, ['receipt', '--index', '1']);
    await fail(2, /say which receipt/, ['receipt']);
  });

  await t.test('every line counts', async () => {
    const lines = fs.readFileSync(receipt, 'utf8').split('\n');
    const spoil = (line, i) => {
      if (line === '') return 'x';
      const at = i === 1 ? Math.floor(line.length / 2) : Math.max(0, line.length - (line.startsWith('—') ? 12 : 3));
      return line.slice(0, at) + (line[at] === 'A' ? 'B' : line[at] === '1' ? '2' : line[at] >= '0' && line[at] <= '9' ? '1' : 'A') + line.slice(at + 1);
    };
    for (const i of lines.keys()) {
      if (i === lines.length - 1) continue; // behind the last newline there is no line
      const changed = keepOthers('changed', lines.map((line, j) => (j === i ? spoil(line, i) : line)).join('\n'));
      const error = await fail(1, /^.*\/changed: ./, ['verify', changed, '--cluster', id], { endpoints: NOBODY });
      assert.equal(error.code, 'not_proven');
      const gone = keepOthers('gone', lines.filter((_, j) => j !== i).join('\n'));
      const last = lines[i].startsWith(`— conclave/${id}/`) && lines.filter((line) => line.startsWith(`— conclave/${id}/`)).length > 2;
      if (!last) await fail(1, /^.*\/gone: ./, ['verify', gone, '--cluster', id], { endpoints: NOBODY });
      t.diagnostic(`line ${i + 1} changed: ${error.message.replace(/^.*\/changed: /, '')}`);
    }
    await fail(1, /it is a receipt of another cluster: its genesis makes /, ['verify', receipt, '--cluster', '0'.repeat(32)], { endpoints: NOBODY });
    await fail(1, /the command in it is not signed with the key ed25519:/, ['verify', receipt, '--public-key', ada], { endpoints: NOBODY });
    await fail(3, /cannot be read/, ['verify', `${receipt}x`], { endpoints: NOBODY });
  });

  await t.test('the audit finds all of them in the record, and the witness cosigns it', async () => {
    const audit = await cluster.json(['audit', '--receipts', held, '--cluster', id]);
    assert.equal(Number(audit.receipts), fs.readdirSync(directory).length);
    assert.equal(Number(audit.contradicted), 0);
    const seen = await cluster.conclave(['witness', watching, '--once', '--name', 'w.example.org']);
    assert.equal(seen.status, 0, seen.error);
    // Somebody else's eyes: the cosignature is what C2SP says, by the key that the witness names.
    const [, name, hash, base64] = /^witness +([^+]+)\+([0-9a-f]{8})\+(\S+)$/m.exec(seen.out);
    const key = Buffer.from(base64, 'base64');
    assert.equal(name, 'w.example.org');
    assert.equal(keyId(name, 4, key.subarray(1)).toString('hex'), hash);
    const note = fs.readFileSync(path.join(watching, 'checkpoint'), 'utf8');
    const text = note.slice(0, note.indexOf('\n\n') + 1);
    const signed = Buffer.from(note.trimEnd().split('\n').pop().slice(`— ${name} `.length), 'base64');
    const message = `cosignature/v1\ntime ${signed.readBigUInt64BE(4)}\n${text}`;
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.subarray(1)]);
    assert.ok(crypto.verify(null, Buffer.from(message), crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' }), signed.subarray(12)));
  });

  await t.test('both hold over a change of leader', async () => {
    const child = spawn(path.join(binaryDirectory, 'conclave'), ['witness', watching, '--interval', '200ms', '--timeout', '20s', '--json'], {
      env: { ...process.env, CONCLAVE_ENDPOINTS: cluster.endpoints(), CONCLAVE_RECEIPTS: 'off' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    let lines = '';
    child.stdout.on('data', (data) => { lines += data; });
    const sizes = () => lines.split('\n').filter(Boolean).map((line) => Number(JSON.parse(line).size));
    try {
      const leader = await cluster.leader();
      await cluster.json(['vote', 'dinner', 'pizza=yes'], { key: bob, ...keeping });
      await until('the witness to cosign', () => sizes().length > 0);
      await cluster.local('kill', String(leader));
      const before = sizes().at(-1);
      const after = await cluster.json(['vote', 'dinner', 'pizza=no'], { key: ada, ...keeping });
      await cluster.conclave(['receipt', '--pending', '--timeout', '20s'], keeping); // if it took longer than vote waits
      assert.ok(fs.existsSync(path.join(directory, `dinner.ada.${after.index}-${after.position}.tlog-proof`)));
      await until('the witness to cosign what the next leader signed', () => sizes().at(-1) > before, 60_000);
      await cluster.local('restart', String(leader));
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
    assert.deepEqual(sizes(), [...sizes()].sort((a, b) => a - b));
    const audit = await cluster.json(['audit', '--receipts', held]);
    assert.equal(Number(audit.contradicted), 0);
    await cluster.json(['witness', watching, '--once']).catch((error) => {
      if (!/Unexpected end of JSON/.test(error.message)) throw error; // nothing new: it prints nothing
    });
  });

  await t.test('without a majority of signers a receipt is pending, and comes later', async () => {
    for (const node of [2, 3]) {
      await cluster.local('stop', String(node));
      fs.renameSync(path.join(cluster.data, `node${node}.key`), path.join(cluster.data, `node${node}.away`));
      await cluster.local('restart', String(node));
    }
    const reply = await cluster.json(['vote', 'dinner', 'pizza=abstain'], { key: bob, ...keeping });
    assert.equal(reply.receipt_pending, true);
    assert.match(path.basename(reply.receipt), /^dinner\.bob\.[0-9a-f]{32}\.pending$/);
    const asked = await cluster.conclave(['receipt', '--pending', '--timeout', '2s'], keeping);
    assert.equal(asked.status, 5, `${asked.out}${asked.error}`);
    assert.match(asked.out, /^pending .*: no final checkpoint covers it$/m);
    for (const node of [2, 3]) {
      await cluster.local('stop', String(node));
      fs.renameSync(path.join(cluster.data, `node${node}.away`), path.join(cluster.data, `node${node}.key`));
      await cluster.local('restart', String(node));
    }
    const file = path.join(directory, `dinner.bob.${reply.index}-${reply.position}.tlog-proof`);
    await until('another command to bring the receipt', async () => {
      await cluster.json(['tally', 'dinner'], keeping);
      return fs.existsSync(file);
    });
    assert.ok(!fs.existsSync(reply.receipt));
    await verify(file, '--cluster', id, '--public-key', bob);
    const none = await cluster.conclave(['receipt', '--pending'], keeping);
    assert.deepEqual([none.status, none.out], [0, 'no receipt is pending\n']);
  });

  // --- lies ---
  const lies = path.join(cluster.directory, 'lies');
  const auditLie = async (name, text, pattern) => {
    fs.rmSync(lies, { recursive: true, force: true });
    fs.mkdirSync(lies);
    fs.copyFileSync(receipt, path.join(lies, 'good.tlog-proof'));
    fs.writeFileSync(path.join(lies, 'lie.tlog-proof'), text);
    const error = await fail(1, /^1 of 2 receipts are contradicted; the first: /, ['audit', '--receipts', lies]);
    assert.equal(error.code, 'not_proven');
    assert.match(error.message, pattern);
    t.diagnostic(`${name}: ${error.message.replace(/^1 of 2 receipts are contradicted; the first: /, '')}`);
  };

  await t.test('a receipt of another cluster is named', async (inner) => {
    const other = await Cluster.start(inner, 3);
    const printed = await other.conclave(['receipt', '--index', '2', '--out', '-']);
    assert.equal(printed.status, 0, printed.error);
    await auditLie('a receipt of another cluster', printed.out, /it is a receipt of another cluster: its genesis makes [0-9a-f]{32}, not [0-9a-f]{32}/);
    await fail(4, /these nodes are of the cluster/, ['audit', '--receipts', held, '--cluster', id], { endpoints: other.endpoints() });
    await fail(4, /these nodes are of the cluster/, ['witness', watching, '--once'], { endpoints: other.endpoints() });
  });

  await t.test('a ballot moved to another poll in the receipt is named', async () => {
    const text = fs.readFileSync(receipt, 'utf8');
    const { extra } = readReceipt(text);
    const bytes = Buffer.from(extra.slice('extra '.length), 'base64');
    const at = bytes.indexOf('lunch');
    assert.ok(at > 0);
    bytes.write('brunc', at); // as long, so that the form stays
    const moved = text.replace(extra, `extra ${bytes.toString('base64')}`);
    await auditLie('a ballot moved to another poll', moved, /the command in the receipt is not the one of the leaf/);
  });

  await t.test('a checkpoint forged with the keys of all nodes is named', async () => {
    const { leaf, extra } = readReceipt(fs.readFileSync(receipt, 'utf8'));
    const text = `conclave/${id}\n1\n${leafHash(leaf).toString('base64')}\n`;
    const seconds = Math.floor(Date.now() / 1000);
    let note = `${text}\n`;
    for (const node of [1, 2, 3]) {
      const key = privateKey(path.join(cluster.data, `node${node}.key`));
      if (node === 1) note += signatureLine(key, `conclave/${id}`, 1, text, 0);
      note += signatureLine(key, `conclave/${id}/${node}`, 4, text, seconds);
    }
    const forged = `c2sp.org/tlog-proof@v1\n${extra}\nindex 0\n\n${note}`;
    // Nothing in it contradicts itself: only the cluster does.
    assert.equal((await verify(keepOthers('forged', forged), '--cluster', id)).size, '1');
    await auditLie('a forged checkpoint', forged,
      /leaf 0 was ballot\.cast by bob in the poll lunch, and the cluster now has genesis by chair there; nodes 1, 2 and 3 signed the root [0-9a-f]{16}\.\.\. of 1 leaves, and the cluster's record of \d+ does not go on from it/);
  });

  // Operators with every node's disk and key: all is wiped, and another history is written from the same genesis. Each command is
  // signed by its author, as it always was; leaves, roots and checkpoints are the nodes' own work. `change` maps the commands.
  const exported = await cluster.conclave(['export']);
  const commands = exported.out.split('\n').filter(Boolean).map((line) => JSON.parse(line))
    .flatMap((entry) => (entry.schema === 'conclave.entry.v1' ? entry.commands : []));
  const checkpoint = fs.readFileSync(path.join(watching, 'checkpoint'), 'utf8');
  const number = readReceipt(fs.readFileSync(receipt, 'utf8')).number;
  const rewrite = async (change) => {
    await cluster.local('down');
    for (const node of [1, 2, 3]) fs.rmSync(path.join(cluster.data, `node${node}`), { recursive: true });
    fs.rmSync(path.join(cluster.data, 'bootstrapped'));
    await cluster.local('up');
    await pad();
    const client = await Client.connect(cluster.endpoint(await cluster.leader()));
    for (const command of change(commands).slice(FIRST_LEAVES)) {
      const reply = await client.call('submit', { command: Buffer.from(command.command, 'base64url') });
      assert.equal(reply.code, 'ok');
    }
    client.close();
    await until('as much of a record as before, signed', async () => {
      const { nodes } = await cluster.status();
      if (nodes.every((node) => Number(node.status?.record?.final) >= Number(checkpoint.split('\n')[1]))) return true;
      await cluster.json(['member', 'update', 'chair', '--name', 'chair']);
      return false;
    });
  };

  await t.test('a ballot dropped from the record of all nodes is named', async () => {
    assert.deepEqual([commands[number].author, commands[number].body.poll], ['bob', 'lunch']);
    await rewrite((list) => list.filter((_, i) => i !== number));
    const page = await cluster.conclave(['audit', '--receipts', held]);
    assert.equal(page.status, 1, page.out);
    assert.ok(page.out.includes(`leaf ${number} was ballot.cast by bob in the poll lunch, and the cluster now has ballot.cast by ada in the poll lunch there; nodes `), page.out);
    const error = await fail(1, /^fork: /, ['witness', watching, '--once']);
    t.diagnostic(`a dropped ballot: the witness: ${error.message}`);
  });

  await t.test('a ballot moved to another poll in the record of all nodes is named', async () => {
    const dinner = commands.find((command) => command.author === 'bob' && command.body.poll === 'dinner');
    await rewrite((list) => list.filter((command) => command !== dinner).map((command) => (command === commands[number] ? dinner : command)));
    const page = await cluster.conclave(['audit', '--receipts', held]);
    assert.equal(page.status, 1, page.out);
    t.diagnostic(page.out);
    const contradicted = page.out.split('\n').filter((line) => line.startsWith('contradicted '));
    assert.equal(contradicted.length, fs.readdirSync(directory).length, 'each of them has a checkpoint of the other history');
    assert.ok(page.out.includes(`leaf ${number} was ballot.cast by bob in the poll lunch, and the cluster now has ballot.cast by bob in the poll dinner there; nodes `), page.out);
    assert.match(page.error, /^conclave: \d+ of \d+ receipts are contradicted; the first: /);

    const error = await fail(1, /^fork: /, ['witness', watching, '--once']);
    t.diagnostic(`the witness: ${error.message}`);
    const size = checkpoint.split('\n')[1];
    assert.ok(error.message.includes(` ${size} leaves`), error.message);
    assert.ok(error.message.includes(Buffer.from(checkpoint.split('\n')[2], 'base64').toString('hex').slice(0, 16)));
    const evidence = fs.readFileSync(/the evidence is in (.*)$/.exec(error.message)[1], 'utf8');
    assert.ok(evidence.includes(checkpoint.trimEnd()));
    assert.equal(evidence.match(new RegExp(`^conclave/${id}$`, 'mg')).length, 2);
    assert.equal(fs.readFileSync(path.join(watching, 'checkpoint'), 'utf8'), checkpoint, 'it signs nothing of the fork');
    await fail(1, /^fork: /, ['witness', watching, '--once']); // nor the next time
  });
});
