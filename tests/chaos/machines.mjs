// The machines of the chaos test do what they are said to do: a disk that forgets, fails, lies and fills up; a network that loses and delays;
// a clock that jumps for one process.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { Helper, run } from './lib/process.mjs';
import { World } from './lib/world.mjs';

const programs = process.env.CONCLAVE_BIN_DIR;
const pageBytes = 4096;

async function openDisk(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-disk-'));
  const mounted = path.join(directory, 'mounted');
  fs.mkdirSync(mounted);
  fs.mkdirSync(path.join(directory, 'backing'));
  const disk = await Helper.start(path.join(programs, 'chaos-disk'), mounted, path.join(directory, 'backing'));
  t.after(async () => {
    await disk.end();
    fs.rmSync(directory, { recursive: true });
  });
  return { disk, file: path.join(mounted, 'file'), mounted };
}

function page(letter) {
  return Buffer.alloc(pageBytes, letter);
}

function write(file, bytes, position, sync) {
  const handle = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT);
  try {
    fs.writeSync(handle, bytes, 0, bytes.length, position);
    if (sync) fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

function syncDirectory(directory) {
  const handle = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

const letters = (file) => [...new Set(fs.readFileSync(file, 'latin1'))].sort().join('');

test('a disk keeps through a cut of the power what was synced, and only that', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, page('a'), 0, true);
  syncDirectory(mounted);
  write(file, page('b'), 0, false);
  write(file, page('b'), pageBytes, false);
  assert.equal(letters(file), 'b', 'before the cut, what was written is seen');
  await disk.tell('cut 0 1');
  assert.equal(letters(file), 'a');
  assert.equal(fs.statSync(file).size, pageBytes);
});

test('of what was not synced, sectors survive by chance, the same for the same seed', { timeout: 30_000 }, async (t) => {
  const survivors = [];
  for (const seed of [1, 1, 2]) {
    const { disk, file, mounted } = await openDisk(t);
    write(file, Buffer.concat(Array(16).fill(page('a'))), 0, true);
    syncDirectory(mounted);
    write(file, Buffer.concat(Array(16).fill(page('b'))), 0, false);
    await disk.tell(`cut 50 ${seed}`);
    const bytes = fs.readFileSync(file);
    const sectors = Array.from({ length: 128 }, (_, i) => String.fromCharCode(...new Set(bytes.subarray(i * 512, (i + 1) * 512))));
    assert.ok(sectors.every((sector) => sector === 'a' || sector === 'b'), 'a sector is written whole or not at all');
    const kept = sectors.filter((sector) => sector === 'b').length;
    assert.ok(kept > 32 && kept < 96, `${kept} of 128 sectors kept`);
    survivors.push(sectors.join(''));
  }
  assert.equal(survivors[0], survivors[1]);
  assert.notEqual(survivors[0], survivors[2]);
});

test('a name lasts when its directory was synced', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, page('a'), 0, true);
  await disk.tell('cut 0 1');
  assert.deepEqual(fs.readdirSync(mounted), []);
  write(file, page('a'), 0, true);
  syncDirectory(mounted);
  fs.renameSync(file, `${file}2`);
  await disk.tell('cut 0 1');
  assert.deepEqual(fs.readdirSync(mounted), ['file']);
  fs.mkdirSync(path.join(mounted, 'd'));
  write(path.join(mounted, 'd/file'), page('a'), 0, true);
  syncDirectory(path.join(mounted, 'd'));
  await disk.tell('cut 0 1');
  assert.deepEqual(fs.readdirSync(mounted), ['file'], 'a directory whose own name was not synced is lost with all in it');
});

test('a file that is opened to be synced at each write is', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, page('a'), 0, true);
  syncDirectory(mounted);
  const handle = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_DSYNC);
  fs.writeSync(handle, page('b'), 0, pageBytes, 0);
  fs.closeSync(handle);
  await disk.tell('cut 0 1');
  assert.equal(letters(file), 'b');
});

test('a sync that fails forgets what it was to write, whatever is synced later', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, page('a'), 0, true);
  syncDirectory(mounted);
  await disk.tell('fail-syncs 1 0 1');
  assert.throws(() => write(file, page('b'), 0, true), { code: 'EIO' });
  assert.equal(letters(file), 'b', 'it is seen still');
  write(file, page('c'), pageBytes, true);
  await disk.tell('cut 0 1');
  assert.equal(letters(file), 'ac');
});

test('a sync that fails may have written a part of it', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, Buffer.alloc(16 * pageBytes, 'a'), 0, true);
  syncDirectory(mounted);
  await disk.tell('fail-syncs 1 50 1');
  assert.throws(() => write(file, Buffer.alloc(16 * pageBytes, 'b'), 0, true), { code: 'EIO' });
  await disk.tell('cut 0 1');
  const kept = fs.readFileSync(file, 'latin1').replaceAll('a', '').length / 512;
  assert.ok(kept > 32 && kept < 96, `${kept} of 128 sectors written`);
});

test('a sync that lies keeps nothing', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, page('a'), 0, true);
  syncDirectory(mounted);
  await disk.tell('lie on');
  write(file, page('b'), 0, true);
  const told = await disk.tell('cut 0 1');
  assert.match(told, /lied=[1-9]/);
  assert.equal(letters(file), 'a');
});

test('a disk that is full says so, and takes what needs no room', { timeout: 30_000 }, async (t) => {
  const { disk, file } = await openDisk(t);
  write(file, page('a'), 0, true);
  await disk.tell(`capacity +${pageBytes}`);
  write(file, page('b'), pageBytes, true);
  assert.throws(() => write(file, page('c'), 2 * pageBytes, true), { code: 'ENOSPC' });
  write(file, page('d'), 0, true);
  assert.equal(letters(file), 'bd');
  await disk.tell('capacity 1M');
  write(file, page('c'), 2 * pageBytes, true);
});

test('flipped bits are as many as were asked for', { timeout: 30_000 }, async (t) => {
  const { disk, file, mounted } = await openDisk(t);
  write(file, Buffer.alloc(16 * pageBytes), 0, true);
  syncDirectory(mounted);
  await disk.tell('flip /file 1 7');
  const ones = [...fs.readFileSync(file)].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  assert.equal(ones, 1);
});

test('mapped memory and writes see each other', { timeout: 30_000 }, async (t) => {
  const { mounted } = await openDisk(t);
  // LMDB is the proof that matters: it writes with pwrite and reads through its map.
  const environment = path.join(mounted, 'lmdb');
  fs.mkdirSync(environment);
  const pairs = Array.from({ length: 500 }, (_, i) => ` key${String(i).padStart(4, '0')}\n ${'v'.repeat(100)}${i}\n`).join('');
  execFileSync('mdb_load', [environment], { input: `VERSION=3\nformat=print\ntype=btree\nmapsize=1048576\nHEADER=END\n${pairs}DATA=END\n` });
  const dump = execFileSync('mdb_dump', ['-p', environment], { encoding: 'utf8' });
  assert.ok(dump.includes(pairs));
});

// --- the network ---

async function openHosts(t, hosts) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-lan-'));
  const world = await World.open({ nodes: hosts, seed: 1, directory, programs });
  t.after(async () => {
    await world.close();
    fs.rmSync(directory, { recursive: true });
  });
  return world;
}

// A server in a host's namespace that sends back what it gets.
async function echo(t, world, host) {
  const code = `require("net").createServer((s) => s.on("error", () => {}).pipe(s)).listen(9000, "${world.addressOf(host)}", () => console.log("ready"))`;
  const child = spawn('nsenter', [`--net=${world.nodes[host - 1].namespace}`, process.execPath, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error(`the server of host ${host} ended`)));
  });
}

// Milliseconds until `bytes` came back; null when they did not in time. From host 0, or in the namespace of another.
function roundTrip(world, host, bytes = 1, timeoutMs = 1500) {
  return new Promise((resolve) => {
    const socket = net.connect(9000, world.addressOf(host));
    const start = process.hrtime.bigint();
    let left = bytes;
    const end = (value) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(value);
    };
    const timer = setTimeout(() => end(null), timeoutMs);
    socket.on('error', () => end(null));
    socket.on('connect', () => socket.write(Buffer.alloc(bytes)));
    socket.on('data', (data) => {
      left -= data.length;
      if (left <= 0) end(Number(process.hrtime.bigint() - start) / 1e6);
    });
  });
}

test('hosts reach each other, late and with losses, as they are told to', { timeout: 30_000 }, async (t) => {
  const world = await openHosts(t, 2);
  await echo(t, world, 1);
  assert.notEqual(await roundTrip(world, 1), null);
  assert.notEqual(await roundTrip(world, 1, 1_000_000), null, 'a megabyte');

  await world.setLinks({ delayMs: 100 });
  const late = await roundTrip(world, 1);
  assert.ok(late >= 400, `${late} ms for two round trips of 200 ms (connecting, echo)`);
  await world.setLinks({});

  await world.setLinks({ from: 0, to: 1, loss: 1000 });
  assert.equal(await roundTrip(world, 1), null, 'nothing arrives');
  await world.setLinks({});
  assert.notEqual(await roundTrip(world, 1), null);

  await world.setLinks({ loss: 100 });
  assert.notEqual(await roundTrip(world, 1, 100_000, 60_000), null, 'TCP makes up for a tenth that is lost');
  const [, lost] = /lost=(\d+)/.exec(await world.lan.tell('stats'));
  assert.ok(Number(lost) > 0);
});

test('a blocked direction blocks, and only between those two', { timeout: 30_000 }, async (t) => {
  const world = await openHosts(t, 3);
  const [one, two, three] = world.nodes;
  for (const host of [1, 2]) await echo(t, world, host);
  const reaches = async (from, to) => {
    const code = `const s = require("net").connect(9000, "${world.addressOf(to.id)}"); s.on("connect", () => { console.log("yes"); process.exit(); }); `
      + 's.on("error", () => process.exit()); setTimeout(() => process.exit(), 1000)';
    return (await run('nsenter', `--net=${from.namespace}`, process.execPath, '-e', code)).trim() === 'yes';
  };
  assert.ok(await reaches(two, one));
  await world.block(two, one);
  assert.ok(!await reaches(two, one));
  assert.ok(await reaches(three, one));
  assert.ok(!await reaches(one, two), 'its answers do not arrive either');
  await world.unblockAll();
  assert.ok(await reaches(two, one));
});

// --- the clock ---

test('a clock jumps for one process, forth and back, and the monotonic clock does not', { timeout: 30_000 }, async (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conclave-clock-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'clock');
  const offset = Buffer.alloc(8);
  const date = () => Number(execFileSync('date', ['+%s%3N'], {
    encoding: 'utf8', env: { ...process.env, LD_PRELOAD: path.join(programs, 'chaos-clock.so'), CHAOS_CLOCK_FILE: file } }));
  for (const hours of [1, -1, 0]) {
    offset.writeBigInt64LE(BigInt(hours) * 3_600_000_000_000n);
    fs.writeFileSync(file, offset);
    const off = date() - Date.now() - hours * 3_600_000;
    assert.ok(Math.abs(off) < 5000, `${off} ms off`);
  }
  const monotonic = execFileSync(process.execPath, ['-p', 'process.hrtime.bigint().toString()'], {
    encoding: 'utf8', env: { ...process.env, LD_PRELOAD: path.join(programs, 'chaos-clock.so'), CHAOS_CLOCK_FILE: file } });
  assert.ok(process.hrtime.bigint() - BigInt(monotonic) < 60_000_000_000n);
});
