// Connections that do a node harm: idle ones, ones that send a byte now and then, and ones that send as fast as they are read.
// bench/flood runs it beside honest voters.
//
// usage: node bench/flood.mjs --endpoint LIST --cluster HEX [--author ID] [--kinds DIGITS] [--idle N] [--slow N] [--flood N]
//
// --kinds: which floods, by their place in the table below, from 0. Prints `ready` when all stand, and after SIGTERM one line of JSON with what was sent and what came back. Connections that the nodes
// close are made again, the idle and the slow ones after a moment.
import { randomBytes } from 'node:crypto';
import net from 'node:net';

const options = { endpoint: '', cluster: '', author: 'chair', kinds: '01234', idle: 0, slow: 0, flood: 0 };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, '');
  if (!(name in options) || process.argv[i + 1] === undefined) {
    console.error(`flood: ${process.argv[i]} is no option, or has no value`);
    process.exit(2);
  }
  options[name] = typeof options[name] === 'number' ? Number(process.argv[i + 1]) : process.argv[i + 1];
}
const endpoints = options.endpoint.split(',').map((text) => {
  const [host, port] = text.split(':');
  return { host, port: Number(port) };
});

// MessagePack, as much as is needed.
const head = (short, most, long, size) => (size <= most ? Buffer.from([short | size]) : Buffer.from([long, size >> 8, size & 0xff]));
function pack(value) {
  if (value === true) return Buffer.from([0xc3]);
  if (typeof value === 'number') return value < 128 ? Buffer.from([value]) : Buffer.from([0xcf, ...u64(value)]);
  if (typeof value === 'string') return Buffer.concat([head(0xa0, 31, 0xda, value.length), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from([0xc5, value.length >> 8, value.length & 0xff]), value]);
  if (Array.isArray(value)) return Buffer.concat([head(0x90, 15, 0xdc, value.length), ...value.map(pack)]);
  const pairs = Object.entries(value);
  return Buffer.concat([head(0x80, 15, 0xde, pairs.length), ...pairs.flatMap(([key, item]) => [pack(key), pack(item)])]);
}
function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

const request = (method, params = {}) => pack([0, 7, method, [params]]);
function forged() { // a command in the author's name, whose signature does not verify
  const nonce = Buffer.concat([u64(Date.now()), randomBytes(8)]);
  const envelope = pack([1, Buffer.from(options.cluster, 'hex'), options.author, nonce, Date.now() + 3600_000, 'proposal.submit',
    { id: 'flood', title: 'Flood', body: 'x'.repeat(200) }]);
  return request('submit', { command: pack([envelope, randomBytes(64)]) });
}
const block = (make) => {
  const parts = [];
  for (let size = 0; size < 65536; size += parts.at(-1).length) parts.push(make());
  return Buffer.concat(parts);
};
const kinds = [
  { name: 'forged commands', bytes: block(forged), reads: true },
  { name: 'linearizable reads', bytes: block(() => request('cluster.get')), reads: true },
  { name: 'pages of the log, not read', bytes: block(() => request('log.read', { from: 1, limit: 1000, stale: true })), reads: false },
  { name: 'status', bytes: block(() => request('status')), reads: true },
  { name: 'garbage', bytes: Buffer.alloc(1024, 0xc1), reads: true, again: true },
];

const counts = { connected: 0, closed: 0, refused: 0, sentBytes: 0, receivedBytes: 0 };
let stopping = false, waiting = options.idle + options.slow + options.flood, next = 0;
const sockets = new Set();

function connect(use, againMs) {
  if (stopping) return;
  const socket = net.connect(endpoints[next++ % endpoints.length]);
  let stood = false;
  sockets.add(socket);
  socket.on('connect', () => {
    counts.connected++;
    stood = true;
    if (waiting > 0 && --waiting === 0) console.log('ready');
    use(socket);
  });
  socket.on('data', (data) => { counts.receivedBytes += data.length; });
  socket.on('error', () => {});
  socket.on('close', () => {
    sockets.delete(socket);
    counts[stood ? 'closed' : 'refused']++;
    setTimeout(() => connect(use, againMs), againMs);
  });
}

function idle(socket) {
  socket.write(request('hello'));
}

function slow(socket) {
  const bytes = forged();
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at === bytes.length) return clearInterval(timer);
    counts.sentBytes++;
    socket.write(bytes.subarray(at, ++at));
  }, 500);
  socket.on('close', () => clearInterval(timer));
}

function flood(kind, socket) {
  if (!kind.reads) socket.pause();
  const send = () => {
    if (socket.destroyed) return;
    counts.sentBytes += kind.bytes.length;
    if (socket.write(kind.bytes)) setImmediate(send);
  };
  socket.on('drain', () => setImmediate(send));
  send();
}

for (let i = 0; i < options.idle; i++) connect(idle, 1000);
for (let i = 0; i < options.slow; i++) connect(slow, 1000);
for (let i = 0; i < options.flood; i++) {
  const kind = kinds[Number(options.kinds[i % options.kinds.length])];
  connect((socket) => flood(kind, socket), 20);
}

process.on('SIGTERM', () => {
  stopping = true;
  console.log(JSON.stringify({ ...counts, open: sockets.size }));
  process.exit(0);
});
