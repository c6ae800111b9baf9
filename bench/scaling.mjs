#!/usr/bin/env node
// What one group of nodes carries, and what many groups on shared nodes would: a simulation with the costs that were measured. No cluster
// is started. The same options give the same figures.
//
// A group has a leader and two followers, each on another machine; groups share a machine's cores and its one disk. Ballots come by chance, at
// an even mean rate. A group does what conclaved does: signatures are checked in chunks on any free core; the loop does the rest, a batch at a time; one write of the log is under way at a time, and what comes meanwhile goes into the next; the leader's write runs beside the sending; a
// batch is decided when the leader and one follower have it. The rate is raised until the slowest hundredth waits longer than --p99.

const options = { machines: 3, cores: 2, groups: 1, verify: 57, leader: 45, follower: 20, batch: 120, disk: 150, rtt: 200, p99: 100, seconds: 2, seed: 1 };
const help = `usage: bench/scaling.mjs [--OPTION N...]

  --machines N  machines (default 3)         --groups N    groups, leaders spread evenly (default 1)
  --cores N     of each machine (default 2)  --p99 MS      the latency that ends the search (default 100)
  --verify US   a signature (57)             --leader US   the rest of a ballot on the leader (45)
  --follower US a ballot on a follower (20)  --batch US    a batch on each node, besides its ballots (120)
  --disk US     a write of the journal (150) --rtt US      between machines (200)
  --seconds N   simulated for each rate (2)  --seed N

Prints the greatest rate of all groups together, its latencies, and how busy cores and disks are.`;

function parse(argv) {
    for (let i = 0; i < argv.length; i += 2) {
        const name = argv[i].replace(/^--/, '');
        if (name === 'help') { console.log(help); process.exit(0); }
        const value = Number(argv[i + 1]);
        if (!(name in options) || !(value > 0)) { console.error(`bench/scaling.mjs: "${argv[i]} ${argv[i + 1] ?? ''}": see --help`); process.exit(2); }
        options[name] = value;
    }
    if (options.machines < 3) { console.error('bench/scaling.mjs: --machines: at least 3'); process.exit(2); }
}

// What is to happen, by time.
class Agenda {
    now = 0;
    #heap = [];
    at(time, action) {
        const heap = this.#heap;
        let i = heap.push({ time, action }) - 1;
        for (let above = (i - 1) >> 1; i > 0 && heap[above].time > time; above = (i - 1) >> 1) {
            [heap[i], heap[above]] = [heap[above], heap[i]];
            i = above;
        }
    }
    run(end) {
        const heap = this.#heap;
        while (heap.length > 0 && heap[0].time <= end) {
            const { time, action } = heap[0];
            const last = heap.pop();
            if (heap.length > 0) {
                heap[0] = last;
                for (let i = 0, below = 1; below < heap.length; below = 2 * i + 1) {
                    if (below + 1 < heap.length && heap[below + 1].time < heap[below].time) below++;
                    if (heap[below].time >= last.time) break;
                    [heap[i], heap[below]] = [heap[below], heap[i]];
                    i = below;
                }
            }
            this.now = time;
            action();
        }
    }
}

// Some of the same kind that do jobs in the order in which they come.
class Servers {
    busy = 0;
    #free;
    #jobs = [];
    #first = 0;
    constructor(agenda, count) {
        this.agenda = agenda;
        this.count = count;
        this.#free = count;
    }
    submit(duration, done) {
        this.#jobs.push({ duration, done });
        this.#start();
    }
    #start() {
        while (this.#free > 0 && this.#first < this.#jobs.length) {
            const { duration, done } = this.#jobs[this.#first++];
            if (this.#first > 4096) this.#jobs = this.#jobs.slice(this.#first), (this.#first = 0);
            this.#free--;
            this.busy += duration;
            this.agenda.at(this.agenda.now + duration, () => { this.#free++; done(); this.#start(); });
        }
    }
}

function lot(seed) { // mulberry32
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

// How many come in a turn: by Poisson, or near it.
function arrivals(random, mean) {
    if (mean > 50) {
        const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        return Math.max(0, Math.round(mean + normal * Math.sqrt(mean)));
    }
    let count = 0;
    for (let product = random(); product > Math.exp(-mean); product *= random()) count++;
    return count;
}

const TURN_US = 500; // of a loop: what came in it is handed to the verifier together
const CHUNK = 32;

class Group {
    waiting = []; // checked: when each came
    writing = false;
    constructor(world, places) {
        this.world = world;
        [this.leader, ...this.followers] = places.map((place) => world.machines[place]);
    }
    come(count) {
        const came = this.world.agenda.now;
        for (let left = count; left > 0; left -= CHUNK) {
            const chunk = Math.min(left, CHUNK);
            this.leader.cores.submit(chunk * options.verify, () => {
                for (let i = 0; i < chunk; i++) this.waiting.push(came);
                this.propose();
            });
        }
    }
    propose() {
        if (this.writing || this.waiting.length === 0) return;
        const batch = this.waiting.splice(0, 1024);
        const { agenda } = this.world;
        let stored = 0;
        this.writing = true;
        const store = () => { // the leader, and one of the others
            stored++;
            if (stored === 2) for (const came of batch) this.world.latencies.push(agenda.now - came);
        };
        this.leader.cores.submit(options.batch + batch.length * options.leader, () => {
            this.leader.disk.submit(options.disk, () => { this.writing = false; store(); this.propose(); });
            for (const follower of this.followers) {
                agenda.at(agenda.now + options.rtt / 2, () =>
                    follower.cores.submit(options.batch + batch.length * options.follower, () =>
                        follower.disk.submit(options.disk, () => agenda.at(agenda.now + options.rtt / 2, store))));
            }
        });
    }
}

function simulate(rate) {
    const random = lot(options.seed);
    const agenda = new Agenda();
    const end = options.seconds * 1e6;
    const machines = Array.from({ length: options.machines }, () => ({ cores: new Servers(agenda, options.cores), disk: new Servers(agenda, 1) }));
    const world = { agenda, machines, latencies: [] };
    const mean = rate / options.groups * TURN_US / 1e6;
    for (let i = 0; i < options.groups; i++) {
        const group = new Group(world, [0, 1, 2].map((place) => (i + place) % options.machines));
        const turn = () => { group.come(arrivals(random, mean)); agenda.at(agenda.now + TURN_US, turn); };
        agenda.at(random() * TURN_US, turn);
    }
    agenda.run(end);
    const latencies = world.latencies.sort((a, b) => a - b);
    const share = (kind) => machines.reduce((sum, machine) => sum + machine[kind].busy / machine[kind].count, 0) / machines.length / end;
    // What was not decided at the end shows in a rate that falls behind.
    return {
        good: latencies.length > 0.9 * rate * options.seconds && latencies[Math.floor(latencies.length * 0.99)] < options.p99 * 1000,
        p50: latencies[Math.floor(latencies.length / 2)] / 1000, p99: latencies[Math.floor(latencies.length * 0.99)] / 1000,
        cores: share('cores'), disks: share('disk'),
    };
}

parse(process.argv.slice(2));
let low = 1000;
let high = 2000;
while (simulate(high).good) high *= 2;
low = high / 2;
while (high / low > 1.03) {
    const middle = Math.sqrt(low * high);
    if (simulate(middle).good) low = middle; else high = middle;
}
const half = simulate(low / 2);
const full = simulate(low);
const show = (value) => value.toPrecision(2);
console.log(`${options.groups} groups, ${options.machines} machines, ${options.cores} cores: ${Math.round(low)} a second, p50 ${show(full.p50)} ms, p99 ${show(full.p99)} ms, ` +
    `cores ${(100 * full.cores).toFixed(0)} %, disks ${(100 * full.disks).toFixed(0)} %; at half of it p50 ${show(half.p50)} ms, p99 ${show(half.p99)} ms`);
