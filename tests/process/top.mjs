// conclave top in a real terminal (tmux): what it shows of nodes that go down and come back, and of votes; and the same for pipes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Cluster, run, until, binaryDirectory } from './support/cluster.mjs';

// A terminal of tmux's own server, on which one command runs.
class Terminal {
  static async open(t, directory, command, columns, lines) {
    const terminal = new Terminal();
    terminal.socket = `${directory}/tmux`;
    t.after(() => terminal.tmux('kill-server'));
    const result = await terminal.tmux('new-session', '-d', '-s', 'top', '-x', String(columns), '-y', String(lines), command);
    assert.equal(result.status, 0, result.error);
    return terminal;
  }

  tmux(...args) {
    return run('tmux', ['-S', this.socket, '-f', '/dev/null', ...args], { environment: { LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' } });
  }

  async text() {
    return (await this.tmux('capture-pane', '-p', '-t', 'top')).out;
  }

  // Waits until the screen matches, and returns it.
  shows(pattern) {
    let text = '';
    return until(`the screen to show ${pattern}`, async () => {
      text = await this.text();
      return pattern.test(text) ? text : null;
    }).catch((error) => { throw new Error(`${error.message}; it shows:\n${text}`); });
  }
}

test('conclave top', { timeout: 180_000 }, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const ada = await cluster.admit('ada');
  await cluster.json(['poll', 'open', 'tea', '--title', 'Tea \u202eor coffee', '--for', '2h', '--question', 'q,title=Tea?']);
  await cluster.json(['poll', 'open', 'cake', '--title', 'Cake', '--for', '1h', '--question', 'q,title=Cake?']);

  await t.test('once, for pipes', async () => {
    await cluster.json(['vote', 'tea', 'q=yes', '--yes'], { key: ada });
    const once = await cluster.conclave(['top', '--interval', '200ms']); // no terminal: once
    assert.equal(once.status, 0, once.error);
    assert.match(once.out, /healthy\n\nNODE +ADDRESS +ROLE/);
    assert.match(once.out, /\ncake +0\/2 .* +59m \d+s +Cake\ntea +1\/2 .* +1h 59m +Tea/); // the next to close first
    assert.match(once.out, /Tea \\u202eor coffee/); // no title gives orders to the terminal
  });

  await t.test('JSON: rates are those between two looks', async () => {
    const looking = cluster.json(['top', '--interval', '3s']);
    for (let i = 0; i < 10; i++) await cluster.json(['vote', 'cake', `q=${i % 2 === 0 ? 'yes' : 'no'}`, '--yes'], { key: ada });
    const top = await looking;
    assert.equal(top.schema, 'conclave.top.v1');
    assert.equal(top.nodes.length, 3);
    assert.deepEqual(top.polls.map((poll) => poll.id), ['cake', 'tea']);
    assert.ok(Number(top.ballots_per_second) > 0.3 && Number(top.ballots_per_second) <= 10 / 3 + 0.1, top.ballots_per_second);
    assert.ok(Number(top.p50_us) <= Number(top.p99_us) && Number(top.p50_us) > 0, `${top.p50_us} ${top.p99_us}`);
    assert.equal(top.nodes[0].http, cluster.httpAddress(1));
  });

  await t.test('the screen: a node goes down and comes back, it fits another size, q ends it', async () => {
    const command = `env CONCLAVE_ENDPOINTS=${cluster.endpoints()} ${binaryDirectory}/conclave top --interval 200ms; echo ended with $?; read -r line`;
    const terminal = await Terminal.open(t, cluster.directory, command, 100, 30);
    const first = await terminal.shows(/healthy/);
    assert.match(first, /\n +1 {2}127\.0\.0\.1:\d+ +(leader|follower) /);
    assert.match(first, /\nq ends/);
    await cluster.json(['vote', 'tea', 'q=no', '--yes']); // the chair's
    await terminal.shows(/\ntea +2\/2 ██████████/);
    await cluster.local('kill', '2');
    await terminal.shows(/degraded, 2 of 3[^]*\n +2 {2}\S+ +down .*refused/);
    await terminal.tmux('resize-window', '-t', 'top', '-x', '50', '-y', '14');
    const small = await terminal.shows(/^(?!.{51})[^]*q ends/);
    assert.ok(small.split('\n').every((line) => line.length <= 50), small);
    await terminal.tmux('resize-window', '-t', 'top', '-x', '100', '-y', '30');
    await cluster.local('kill', '3');
    await terminal.shows(/no quorum/);
    await cluster.local('up');
    await terminal.shows(/healthy[^]*\n +2 {2}\S+ +(leader|follower)/);
    await terminal.tmux('send-keys', '-t', 'top', 'q');
    await terminal.shows(/ended with 0/);
  });

  await t.test('nobody there: it says so, and goes on asking', async () => {
    await cluster.local('down');
    const once = await cluster.conclave(['top', '--once', '--timeout', '2s']);
    assert.equal(once.status, 5);
    assert.match(once.out, /no quorum[^]*refused/);
    const wrong = await cluster.conclave(['top', '--interval', '1ms']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.error, /from 100ms to 1h/);
  });
});
