// A client in another language, from docs/PROTOCOL.md alone, lists polls and casts a signed ballot; and what a dishonest one is told.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { Client, decode, encode, newKey, newNonce, signCommand } from './second-client/client.mjs';
import { Cluster, until } from './support/cluster.mjs';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const base64url = (bytes) => Buffer.from(bytes).toString('base64url');

test('a second client, in another language', { timeout: 120_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const key = newKey();
  await cluster.json(['member', 'admit', 'node-js', '--public-key', `ed25519:${base64url(key.publicKey)}`]);
  await cluster.json(['poll', 'open', 'tea', '--title', 'Tea or not', '--for', '1h', '--question', 'q,title=Shall there be tea?']);
  const client = await Client.connect(cluster.endpoint(2));
  t.after(() => client.close());
  const hello = await client.call('hello', { client: 'second-client' });
  const ballot = (answer, more = {}) => signCommand({
    cluster: hello.cluster, author: 'node-js', seed: key.seed, kind: 'ballot.cast',
    body: { poll: 'tea', answers: [{ q: 'q', a: answer, why: 'It keeps one awake.' }] }, ...more,
  });

  await t.test('hello tells the cluster', () => {
    assert.equal(hello.protocol, 1);
    assert.equal(hello.cluster.length, 16);
    assert.equal(hello.name, 'local');
    assert.equal(Number(hello.node), 2);
    assert.equal(hello.nodes.length, 3);
  });

  await t.test('the cluster id is the hash of the genesis envelope', async () => {
    const { items } = await client.call('log.read', { from: 2, limit: 1 });
    assert.equal(items[0].commands.length, 1);
    const [envelope] = decode(items[0].commands[0].command);
    assert.equal(hex(createHash('sha256').update(envelope).digest().subarray(0, 16)), hex(hello.cluster));
  });

  await t.test('lists polls', async () => {
    const { items, more } = await client.call('poll.list', { state: 'open' });
    assert.equal(more, false);
    assert.deepEqual(items.map((poll) => [poll.id, poll.title, poll.state]), [['tea', 'Tea or not', 'open']]);
  });

  await t.test('casts a signed ballot; the same bytes again get the same reply and count once', async () => {
    const command = ballot('yes');
    const first = await client.call('submit', { command });
    assert.equal(first.code, 'ok');
    assert.equal(Number(first.result.ballot), 1);
    const other = await Client.connect(cluster.endpoint(3));
    const second = await other.call('submit', { command });
    other.close();
    assert.deepEqual(second, first);
    const { questions } = await client.call('tally', { poll: 'tea' });
    assert.deepEqual(questions[0].yes.map(Number), [1, 1]);
    const stored = await client.call('ballot.get', { poll: 'tea', member: 'node-js' });
    assert.equal(stored.answers[0].why, 'It keeps one awake.');
    assert.equal(Number(stored.index), Number(first.index));
  });

  await t.test('request tells what became of a nonce', async () => {
    const nonce = newNonce();
    assert.equal((await client.call('request', { author: 'node-js', nonce })).state, 'absent');
    const reply = await client.call('submit', { command: ballot('no', { nonce }) });
    const found = await client.call('request', { author: 'node-js', nonce });
    assert.equal(found.state, 'committed');
    assert.deepEqual(found.reply, reply);
    const { questions } = await client.call('tally', { poll: 'tea' });
    assert.deepEqual([questions[0].yes[0], questions[0].no[0]].map(Number), [0, 1], 'a revote replaces the ballot');
  });

  await t.test('watch tells of a ballot', async () => {
    const watcher = await Client.connect(cluster.endpoint(1));
    await watcher.call('watch', {});
    await client.call('submit', { command: ballot('abstain') });
    const event = await until('a ballot.in event', async () => watcher.events.find((entry) => entry.type === 'ballot.in'));
    assert.deepEqual([event.poll, event.member], ['tea', 'node-js']);
    watcher.close();
  });

  await t.test('a refusal by a rule is a reply with its code', async () => {
    const body = { poll: 'tea', answers: [{ q: 'nothing', a: 'yes' }] };
    const reply = await client.call('submit', { command: ballot('yes', { body }) });
    assert.equal(reply.code, 'unknown_question');
    assert.match(reply.message, /nothing/);
  });

  const refusals = [
    ['a changed byte', 'bad_signature', () => { const bytes = Buffer.from(ballot('yes')); bytes[bytes.length - 1] ^= 1; return bytes; }],
    ['another cluster', 'wrong_cluster', () => ballot('yes', { cluster: Buffer.alloc(16, 7) })],
    ['a stranger', 'unknown_author', () => ballot('yes', { author: 'stranger' })],
    ['no envelope at all', 'bad_request', () => encode({ vote: 'yes' })],
  ];
  for (const [what, code, command] of refusals) {
    await t.test(`${what}: ${code}`, async () => {
      await assert.rejects(client.call('submit', { command: command() }), { code });
    });
  }

  await t.test('the same nonce for another command is refused', async () => {
    const nonce = newNonce();
    await client.call('submit', { command: ballot('yes', { nonce }) });
    assert.equal((await client.call('submit', { command: ballot('no', { nonce }) })).code, 'nonce_reused');
  });

  await t.test('an unknown method', async () => {
    await assert.rejects(client.call('poll.burn'), { code: 'unknown_method' });
  });

  await t.test('bytes that are no MessagePack close the connection, and only that one', async () => {
    const broken = await Client.connect(cluster.endpoint(2));
    const closed = new Promise((resolve) => broken.socket.once('close', resolve));
    broken.write(Buffer.from([0xc1, 0xff, 0x00]));
    await closed;
    assert.equal((await client.call('hello')).protocol, 1);
  });
});
