// MessagePack-RPC with a node over TLS 1.3, and signed commands: docs/PROTOCOL.md. An endpoint is {host, port, secureContext}.
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';

const packages = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../process/second-client/package.json');
const { decode, decodeMultiStream, encode } = createRequire(packages)('@msgpack/msgpack');

export { decode, encode };

// The node answered with an error.
export class RpcError extends Error {
  constructor([code, message, details]) {
    super(`${code}: ${message}`);
    this.code = code;
    this.details = details;
  }
}

// No answer came: the connection broke, or the time was over. What was asked for may have happened.
export class LostError extends Error {}

// Resolves at the event, rejects when the socket fails before it.
function settled(socket, event) {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

// What all connections of a run share: to make one for each would cost more than the connections themselves.
export function trust(ca) {
  return tls.createSecureContext({ ca });
}

export class Connection {
  static async open({ host, port, secureContext }, { timeoutMs = 3000 } = {}) {
    const plain = net.connect({ host, port, noDelay: true });
    const timer = setTimeout(() => plain.destroy(new LostError(`${host}: not connected in ${timeoutMs} ms`)), timeoutMs);
    try {
      await settled(plain, 'connect'); // before anything is spent on TLS: most of those who fail, fail here
      const socket = tls.connect({ socket: plain, host, secureContext, minVersion: 'TLSv1.3' });
      await settled(socket, 'secureConnect');
      return new Connection(socket);
    } catch (error) {
      throw new LostError(error.message);
    } finally {
      clearTimeout(timer);
    }
  }

  constructor(socket) {
    this.socket = socket;
    this.waiting = new Map();
    this.nextId = 1;
    this.closed = false;
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => this.fail('the connection closed'));
    this.read();
  }

  async read() {
    try {
      for await (const message of decodeMultiStream(this.socket)) {
        if (message[0] !== 1) continue;
        const [, id, error, result] = message;
        const call = this.waiting.get(id);
        if (!call) continue; // it came after its time
        this.waiting.delete(id);
        clearTimeout(call.timer);
        if (error) call.reject(new RpcError(error));
        else call.resolve(result);
      }
    } catch {
      // the connection broke in the middle of a message
    }
    this.fail('the connection closed');
  }

  fail(why) {
    this.closed = true;
    this.socket.destroy();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new LostError(why));
    }
    this.waiting.clear();
  }

  call(method, params, timeoutMs) {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new LostError('the connection closed'));
        return;
      }
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new LostError(`no answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.waiting.set(id, { resolve, reject, timer });
      this.socket.write(encode([0, id, method, [params]]));
    });
  }

  close() {
    this.fail('closed');
  }
}

// One question to one endpoint, on a connection of its own.
export async function ask(endpoint, method, params = {}, timeoutMs = 1000) {
  const connection = await Connection.open(endpoint, { timeoutMs });
  try {
    return await connection.call(method, params, timeoutMs);
  } finally {
    connection.close();
  }
}

// An Ed25519 key from a seed of 32 bytes (RFC 8410's form of a private key, to which node:crypto adds the public one).
export function keyOf(seed) {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x, 'base64url');
  return { privateKey, publicKey };
}

export function seedOf(text) {
  return createHash('sha256').update(text).digest();
}

// A command and its nonce: 8 bytes of time in ms, 8 random bytes.
export function makeCommand({ cluster, author, key, kind, body, lifetimeMs }) {
  const nonce = randomBytes(16);
  nonce.writeBigUInt64BE(BigInt(Date.now()), 0);
  const envelope = encode([1, cluster, author, nonce, Date.now() + lifetimeMs, kind, body]);
  const command = encode([envelope, sign(null, envelope, key.privateKey)]);
  return { command, nonce: nonce.toString('hex') };
}

// A value with every binary in it as hexadecimal text, so that values can be compared.
function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

// What is in a command's envelope, and the hash of all its bytes.
export function readCommand(command) {
  const [envelope] = decode(command);
  const [, , author, nonce, notAfter, kind, body] = plain(decode(envelope));
  return { author, nonce, notAfter, kind, body, sha256: createHash('sha256').update(command).digest('hex') };
}
