// A small client of Conclave, written from docs/PROTOCOL.md alone: MessagePack-RPC over TCP, and signed commands.
// For tests: it shows that the page says enough, and that the cluster keeps to it.
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { Decoder, Encoder, decodeMultiStream } from '@msgpack/msgpack';
import * as ed25519 from '@noble/ed25519';

ed25519.etc.sha512Sync = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha512')).digest();

const encoder = new Encoder({ useBigInt64: true });
const encode = (value) => encoder.encode(value);
const decode = (bytes) => new Decoder({ useBigInt64: false }).decode(bytes);

export class RpcError extends Error {
  constructor([code, message, details]) {
    super(`${code}: ${message}`);
    this.code = code;
    this.details = details;
  }
}

export function newKey() {
  const seed = randomBytes(32);
  return { seed, publicKey: ed25519.getPublicKey(seed) };
}

// 8 bytes of time in ms, 8 random bytes ("Commands", element 3).
export function newNonce(now = Date.now()) {
  const nonce = randomBytes(16);
  nonce.writeBigUInt64BE(BigInt(now), 0);
  return nonce;
}

// The bytes of a command: [envelope, signature].
export function signCommand({ cluster, author, seed, kind, body, nonce = newNonce(), notAfter = Date.now() + 3_600_000 }) {
  const envelope = encode([1, cluster, author, nonce, BigInt(notAfter), kind, body]);
  return encode([envelope, ed25519.sign(envelope, seed)]);
}

export class Client {
  // `ca`: the cluster's CA as PEM; then the connection is encrypted, and the other end must show a certificate of that CA. (Nodes'
  // certificates name the node and its cluster, not a host.)
  static async connect(endpoint, ca) {
    const [host, port] = endpoint.split(':');
    const client = new Client();
    client.socket = ca ? tls.connect({ host, port: Number(port), ca, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined })
      : net.connect(Number(port), host);
    client.waiting = new Map();
    client.nextId = 1;
    client.events = [];
    await new Promise((resolve, reject) => client.socket.once(ca ? 'secureConnect' : 'connect', resolve).once('error', reject));
    client.reading = client.read();
    return client;
  }

  async read() {
    try {
      for await (const message of decodeMultiStream(this.socket)) {
        if (message[0] === 1) {
          const [, id, error, result] = message;
          const { resolve, reject } = this.waiting.get(id);
          this.waiting.delete(id);
          if (error) reject(new RpcError(error));
          else resolve(result);
        } else if (message[0] === 2) {
          this.events.push(message[2][0]);
        }
      }
    } catch (error) {
      if (!this.closing && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error; // the other end may close at any time
    } finally {
      for (const { reject } of this.waiting.values()) reject(new Error('the connection closed'));
      this.waiting.clear();
    }
  }

  call(method, params = {}) {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.write(encode([0, id, method, [params]]));
    });
  }

  // Makes the session the member's ("Sessions"). `binding`: the channel binding that is signed; by default the connection's own.
  async prove({ member, seed, binding }) {
    const hello = await this.call('hello');
    const bound = binding ?? (this.socket.encrypted ? this.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) : Buffer.alloc(0));
    const node = Buffer.alloc(8);
    node.writeBigUInt64BE(BigInt(hello.node));
    const statement = Buffer.concat([Buffer.from('conclave session v1\n'), hello.cluster, node, hello.challenge, Buffer.from([bound.length]), bound, Buffer.from(member)]);
    return this.call('prove', { member, signature: ed25519.sign(statement, seed) });
  }

  // Raw bytes, for what no honest client would send.
  write(bytes) {
    this.socket.write(bytes);
  }

  close() {
    this.closing = true;
    this.socket.destroy();
  }
}

export { decode, encode };
