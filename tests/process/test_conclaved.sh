#!/bin/bash
# conclaved as people meet it: one line and an exit status for whatever keeps it from starting, and what
# its signals do. Needs conclave (for the genesis file) and conclaved in CONCLAVE_BIN_DIR.
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/check.sh"

bin=${CONCLAVE_BIN_DIR:?where the programs are}
directory=$(mktemp -d)
base=$((20000 + RANDOM % 10000))
pids=()
unset CONCLAVE_ENDPOINTS CONCLAVE_KEY NOTIFY_SOCKET

finish() {
    local pid
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap finish EXIT

# Runs conclaved to its end: its exit status in $status, standard error in $line.
run() {
    status=0
    line=$(timeout 20 "$bin/conclaved" "$@" 2>&1 >"$directory/out") || status=$?
}

said() { # STATUS PATTERN: one line, of this form, and this exit status
    # shellcheck disable=SC2053 # $2 is a pattern
    if [[ $status == "$1" && $line == $2 && $line != *$'\n'* ]]; then
        return 0
    fi
    printf '  exit %s: %s\n  wanted %s: %s\n' "$status" "$line" "$1" "$2"
    return 1
}

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        [[ $SECONDS -lt $end ]] || return 1
        sleep 0.05
    done
}

start() { # NAME FLAG...: in the background, logging to NAME.log; its pid in $pid
    local name=$1
    shift
    "$bin/conclaved" --log-file "$directory/$name.log" "$@" 2>"$directory/$name.err" &
    pid=$!
    pids+=("$pid")
}

has_line() { # FILE TEXT
    grep -qF -- "$2" "$directory/$1"
}

started() { # NAME: the last start in its log was followed by "started"
    has_line "$1.log" 'msg="started"'
}

ended_with() { # PID STATUS
    local got=0
    wait "$1" 2>/dev/null || got=$?
    [[ $got == "$2" ]] || { printf '  exit %s, wanted %s\n' "$got" "$2"; return 1; }
}

make_cluster() { # NAME PEER_PORT CLIENT_PORT
    "$bin/conclave" init --name "$1" --chair alice --key "$directory/alice.key" --out "$directory/$1" \
        --node "1=127.0.0.1:$2,127.0.0.1:$3" >"$directory/init.out" 2>&1 ||
        { cat "$directory/init.out"; exit 1; }
}

make_cluster here "$base" $((base + 1))
make_cluster there $((base + 2)) $((base + 3))
data=$directory/data
genesis=$directory/here/genesis

# --- what keeps it from starting ---
run --node-id 1 --data-dir "$data" --check-config
check 'a right configuration is checked in silence' said 0 ''
check 'a check makes nothing' test ! -e "$data"
run --node-id 1 --data-dir "$data"
check 'no data and no genesis' said 2 "conclaved: $data holds no data: start a node of a new cluster with --bootstrap *"
run --node-id 2 --data-dir "$data" --bootstrap "$genesis"
check 'a node that is not in the genesis' said 2 "conclaved: --node-id: node id 2 is not in $genesis, whose nodes are 1"
# conclave init makes no such genesis: the client in the other language does.
packages=$(cd "$(dirname "$0")" && pwd)/second-client
[ -d "$packages/node_modules" ] || (cd "$packages" && npm ci --silent --no-progress)
mkdir "$directory/far"
node --input-type=module - "$packages/client.mjs" "$base" >"$directory/far/genesis" <<'SCRIPT'
const [client, base] = process.argv.slice(2);
const { newKey, signCommand } = await import(client);
const key = newKey();
const nodes = [[1, `192.0.2.1:${base}`, `127.0.0.1:${Number(base) + 1}`, Buffer.alloc(32, 1)]];
const body = { name: 'far', nodes, chair: { id: 'alice', key: key.publicKey }, created: BigInt(Date.now()) };
const command = signCommand({ cluster: Buffer.alloc(16), author: 'alice', seed: key.seed, kind: 'genesis', body });
console.log(`conclave-genesis-v1 ${Buffer.from(command).toString('base64url')}`);
SCRIPT
run --node-id 1 --data-dir "$directory/distant" --bootstrap "$directory/far/genesis"
check 'a genesis with an address that is not loopback' said 2 \
    "conclaved: $directory/far/genesis: node 1: \"192.0.2.1:$base\" is not a loopback address: *"
check 'which has made nothing' test ! -e "$directory/distant"
run --node-id 1 --data-dir "$directory/distant" --bootstrap "$directory/far/genesis" \
    --listen-peer "127.0.0.1:$base" --check-config
check 'but a setting may say where it listens' said 0 ''
run --node-id 1 --data-dir "$data" --bootstrap "$directory/alice.key"
check 'a file that is no genesis' said 2 "conclaved: $directory/alice.key:1: expected \"conclave-genesis-v1\" *"
printf '[node]\nid = 1\n[lgo]\n' >"$directory/bad.ini"
run --config "$directory/bad.ini"
refused=$line
check 'a slip in the file' said 2 "conclaved: $directory/bad.ini:3: there is no section \[lgo\] (did you mean \"log\"?)"
run --config "$directory/bad.ini" --check-config
check 'the check says the same as the start' test "$status $line" = "2 $refused"
run --nonsense
check 'a flag that is not there' said 2 'conclaved: --nonsense: there is no such flag*'

# --- running ---
start one --node-id 1 --data-dir "$data" --bootstrap "$genesis"
one=$pid
check 'starts' wait_for 20 started one
run --node-id 1 --data-dir "$data"
check 'a second process for the directory' said 1 "conclaved: $data is in use by another conclaved (pid $one)"
run --node-id 1 --data-dir "$directory/data2" --bootstrap "$genesis" --log-level warn
check 'a port in use names its holder' said 1 "conclaved: 127.0.0.1:$base is in use (by the process with pid $one)"
run --node-id 1 --data-dir "$directory/data2" --bootstrap "$directory/there/genesis"
check 'the genesis of another cluster' said 2 "conclaved: $directory/data2 holds data of the cluster *"

mv "$directory/one.log" "$directory/one.log.1"
kill -HUP "$one"
check 'SIGHUP opens the log file anew' wait_for 10 has_line one.log 'the log file was reopened'

export CONCLAVE_KEY=$directory/alice.key
conclave() { "$bin/conclave" --endpoint "127.0.0.1:$((base + 1))" "$@" >"$directory/conclave.out" 2>&1; }
check 'takes a command' conclave member update alice --name Alice
kill -TERM "$one"
check 'SIGTERM ends it with 0' ended_with "$one" 0
check 'and leaves the state clean' test "$(cat "$data/state/TRUST")" = clean
check 'nothing was said on standard error' test ! -s "$directory/one.err"

# --- again, with the same genesis, then killed, then as if the machine had stopped ---
start two --node-id 1 --data-dir "$data" --bootstrap "$genesis"
check 'the same genesis again is harmless' wait_for 20 started two
check 'and is said' has_line two.log 'bootstrapped already with this genesis'
kill -9 "$pid"
check 'killed' ended_with "$pid" 137
check 'the state is as of this boot' test "$(cat "$data/state/TRUST")" = "$(cat /proc/sys/kernel/random/boot_id)"
start three --node-id 1 --data-dir "$data"
check 'starts after a kill' wait_for 20 started three
check 'without making the state anew' eval '! has_line three.log "rebuilt from the log"'
kill -INT "$pid"
check 'SIGINT ends it with 0' ended_with "$pid" 0
printf '00000000-0000-0000-0000-000000000000\n' >"$data/state/TRUST"
start four --node-id 1 --data-dir "$data"
check 'starts after a loss of power' wait_for 20 started four
check 'and says that the state is made anew' has_line four.log 'rebuilt from the log'
check 'and still has what was acknowledged' wait_for 20 conclave member show alice
check 'all of it' has_line conclave.out Alice
kill -TERM "$pid"
check 'stops' ended_with "$pid" 0

# --- a log put back from a copy: the state knows what it has lost, and must not be thrown away for it ---
cp "$data/log/data.mdb" "$directory/copy.mdb"
start five --node-id 1 --data-dir "$data"
check 'starts once more' wait_for 20 started five
check 'takes another command' conclave member update alice --name Alicia
kill -9 "$pid"
check 'killed again' ended_with "$pid" 137
cp "$directory/copy.mdb" "$data/log/data.mdb"
for try in first second; do
    run --node-id 1 --data-dir "$data" --log-file "$directory/$try.log"
    check "an older log is refused, $try try" said 1 "conclaved: $data: *"
    check "and why is said, $try try" has_line "$try.log" 'the log is shorter than the state'
done

printf '%d failed\n' "$failures"
[[ $failures == 0 ]]
