// Child processes: those that run to their end, and helpers that answer one line for each line they are told.
import { spawn } from 'node:child_process';
import readline from 'node:readline';

// Runs a program to its end; what it printed on standard output. It must exit 0.
export function run(file, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const out = [];
    const error = [];
    child.stdout.on('data', (data) => out.push(data));
    child.stderr.on('data', (data) => error.push(data));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${file} ${args.join(' ')}: ${signal ?? `exit ${status}`}: ${Buffer.concat(error).toString().trim()}`));
    });
  });
}

// chaos-disk, chaos-lan: ready after their first line; they end when their standard input does.
export class Helper {
  static async start(file, ...args) {
    const helper = new Helper();
    helper.name = `${file} ${args.join(' ')}`;
    helper.waiting = [];
    helper.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    helper.ended = new Promise((resolve) => helper.child.once('close', resolve));
    helper.child.stdin.on('error', () => {}); // `ended` tells it
    readline.createInterface({ input: helper.child.stdout }).on('line', (line) => helper.waiting.shift()?.resolve(line));
    helper.ended.then((status) => {
      for (const { reject } of helper.waiting.splice(0)) reject(new Error(`${helper.name} ended (${status})`));
    });
    const first = await new Promise((resolve, reject) => {
      helper.child.once('error', reject);
      helper.waiting.push({ resolve, reject });
    });
    if (first !== 'ready') throw new Error(`${helper.name}: ${first}`);
    return helper;
  }

  // What stands after "ok" in the answer.
  async tell(command) {
    const line = await new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${command}\n`);
    });
    if (!line.startsWith('ok')) throw new Error(`${this.name}: ${command}: ${line}`);
    return line.slice(3);
  }

  async end() {
    this.child.stdin.end();
    await this.ended;
  }
}
