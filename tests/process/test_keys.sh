#!/bin/bash
# Keys as people meet them: files and passphrases, a key that follows another, one that is revoked, and a cluster
# whose reads are for members. One node, the command line, and wrong input too.
set -euo pipefail

# shellcheck source=tests/process/support/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/support/check.sh"

bin=${CONCLAVE_BIN_DIR:?where the programs are}
directory=$(mktemp -d)
base=$((21000 + RANDOM % 9000))
node=
unset CONCLAVE_ENDPOINTS CONCLAVE_KEY NOTIFY_SOCKET
export HOME=$directory XDG_CONFIG_HOME=$directory/config

finish() {
    [[ -z $node ]] || kill -9 "$node" 2>/dev/null || true
    rm -rf "$directory"
}
trap finish EXIT

# Runs the command line as NAME (whose key is NAME.key): exit status in $status, what it printed in $out and $err.
as() {
    local name=$1
    shift
    status=0
    "$bin/conclave" --endpoint "127.0.0.1:$((base + 1))" --key "$directory/$name.key" "$@" \
        >"$directory/out" 2>"$directory/err" </dev/null || status=$?
    out=$(<"$directory/out")
    err=$(<"$directory/err")
}

gives() { # STATUS [PATTERN of standard error]
    # shellcheck disable=SC2053 # $2 is a pattern
    if [[ $status == "$1" && ($# -lt 2 || $err == $2) ]]; then
        return 0
    fi
    printf '  exit %s: %s\n%s\n  wanted %s: %s\n' "$status" "$out" "$err" "$1" "${2-}"
    return 1
}

prints() { # PATTERN
    # shellcheck disable=SC2053
    [[ $out == $1 ]] || { printf '  printed: %s\n  wanted: %s\n' "$out" "$1"; return 1; }
}

holds() { # FILE TEXT
    grep -qF -- "$2" "$1"
}

# --- key files ---
as alice key new alice --passphrase --passphrase-fd 3 3<<<'correct horse'
check 'a key with a passphrase' gives 0
check 'is a file for its owner' test "$(stat -c %a "$directory/alice.key")" = 600
check 'says that it is locked' holds "$directory/alice.key" 'argon2id 3 65536 '
as alice key show
check 'whose key it is can be seen without the passphrase' prints '*alice*locked*with a passphrase*'
as bob key new bob
as carol key new carol
as dave key new dave
check 'keys without passphrases' gives 0
as bob key new bob
check 'a key file is never overwritten' gives 2 'conclave: there is a file *'
as x key new x --passphrase --passphrase-fd 3 3<<<'short'
check 'a short passphrase is refused' gives 4 'conclave: a passphrase has at least 8 bytes (bad_passphrase)*'
check 'and leaves no file' test ! -e "$directory/x.key"
as x key new x --passphrase --passphrase-fd 77
check 'a descriptor that is not open' gives 2 'conclave: --passphrase-fd 77: not the number of an open file descriptor*'
as x key new x --passphrase --passphrase-fd three
check 'a descriptor that is no number' gives 2 'conclave: --passphrase-fd three: *'

as alice init --name keys --chair alice --out "$directory/keys" --node "1=127.0.0.1:$base,127.0.0.1:$((base + 1))" \
    --reads nobody --passphrase-fd 3 3<<<'correct horse'
check 'reads are for the public or for members' gives 2 'conclave: --reads nobody: it is public or members*'
setsid "$bin/conclave" init --name keys --chair alice --key "$directory/alice.key" --out "$directory/keys" \
    --node "1=127.0.0.1:$base,127.0.0.1:$((base + 1))" >"$directory/out" 2>"$directory/err" </dev/null && status=0 || status=$?
err=$(<"$directory/err")
check 'without a terminal or a descriptor it says what to do' gives 4 '*needs its passphrase (key_locked)*--passphrase-fd*'
as alice init --name keys --chair alice --out "$directory/keys" --node "1=127.0.0.1:$base,127.0.0.1:$((base + 1))" \
    --passphrase-fd 3 3<<<'correct hearse'
check 'a wrong passphrase' gives 4 'conclave: the passphrase does not open the key file *[(]bad_passphrase)'
as alice init --name keys --chair alice --out "$directory/keys" --node "1=127.0.0.1:$base,127.0.0.1:$((base + 1))" \
    --passphrase-fd 3 3<<<'correct horse'
check 'the right one' gives 0

as alice key passphrase --passphrase-fd 3 3< <(printf 'correct horse\nbattery staple\n')
check 'another passphrase' gives 0
as alice key passphrase --remove --passphrase-fd 3 3<<<'correct horse'
check 'the old one opens nothing' gives 4 '*bad_passphrase*'
if command -v script >/dev/null; then
    : >"$directory/typed"
    # Typed when it is asked for: what was typed before is thrown away.
    # shellcheck disable=SC2094 # it waits for what is written there
    { for _ in $(seq 200); do
        ! grep -q 'Passphrase of ' "$directory/typed" || break
        sleep 0.05
    done && printf 'battery staple\n'; } |
        script -qefc "$bin/conclave key passphrase $directory/alice.key --remove" /dev/null >"$directory/typed" 2>&1 ||
        true
    check 'a passphrase is asked for at the terminal' holds "$directory/typed" 'Passphrase of '
    check 'and not shown' test "$(grep -c 'battery staple' "$directory/typed")" = 0
else
    as alice key passphrase --remove --passphrase-fd 3 3<<<'battery staple'
fi
check 'the file is plain again' holds "$directory/alice.key" 'conclave-secret-key-v1 alice'
chmod 640 "$directory/alice.key"
as alice member list
check 'a public read needs no key' gives 5
as alice member update alice --name Alice
check 'a key that others may read is refused' gives 4 "*others may read the key file*chmod 600 $directory/alice.key"
chmod 600 "$directory/alice.key"

# --- a node ---
"$bin/conclaved" --config "$directory/keys/node1.ini" --bootstrap "$directory/keys/genesis" 2>"$directory/node.err" &
node=$!
for _ in $(seq 200); do
    as alice status
    [[ $status != 0 ]] || break
    sleep 0.05
done
check 'a node runs' gives 0
check 'and dumps no core' grep -Eq '^Max core file size +0 +0' "/proc/$node/limits"
for name in bob carol dave; do
    as alice member admit "$name" --public-key "$directory/$name.key"
    check "$name is admitted" gives 0
done

# --- one key after another ---
as bob proposal submit before --title Before --body x
check 'bob proposes' gives 0
cp "$directory/bob.key" "$directory/old.key"
as bob member rotate-key
check 'bob has a new key' gives 0
check 'in the place of the old one' test ! -e "$directory/bob.key.new"
as bob proposal submit after --title After --body x
check 'it signs' gives 0
as old proposal submit never --title Never --body x
check 'the old one does not' gives 4 'conclave: "bob" has another key now: sign with that one (key_revoked)*'
as old member rotate-key
check 'nor makes a new one' gives 4 '*[(]key_revoked)*'
cp "$directory/bob.key" "$directory/old.key.new"
as old member rotate-key
check 'but finds that the new one holds, where the answer was lost' gives 0
check 'and takes it' cmp -s "$directory/old.key" "$directory/bob.key"
as bob proposal show before
check 'what the old one signed stays' prints '*Before*'
as bob member show bob
check 'the member shows both' prints '*ended key*replaced*'
as carol member rotate-key --new-key "$directory/dave.key"
check "another's key is not taken" gives 2 '*is a key of dave, not of carol*'

# --- revoked ---
as bob member revoke carol
check 'only a chair revokes' gives 4 '*not a chair (not_chair)*'
as alice member revoke alice
check 'the last chair stays' gives 6 '*last active chair*[(]last_chair)*'
as alice member revoke nobody
check 'nobody is not there' gives 3 '*[(]unknown_member)*'
as carol proposal submit carols --title C --body x
as alice member revoke carol --reason 'laptop stolen'
check 'carol is revoked' gives 0
as carol proposal submit more --title C --body x
check 'and signs nothing more' gives 4 'conclave: the key of "carol" was revoked: it signs nothing any more (key_revoked)*'
as alice member update carol --status active
check 'for good' gives 4 '*[(]key_revoked)*'
as alice member show carol
check 'why is on record' prints '*revoked: laptop stolen*'
as alice proposal show carols
check 'what she signed before stays' gives 0

# --- reads for members ---
as bob cluster set --reads members
check 'only a chair sets who reads' gives 4 '*[(]not_chair)*'
as alice cluster set
check 'nothing to set' gives 2 '*nothing to change*'
as alice cluster set --reads members
check 'reads are for members' gives 0
as nobody member list
check 'who has no key is told what to do' gives 4 'conclave: member.list is for members*[(]proof_needed)*--key FILE or CONCLAVE_KEY*'
as nobody status
check 'but sees whether the node works' gives 0
as bob member list
check 'a member reads' gives 0
as dave watch --for 1ms
check 'and watches' test "$status" != 4
as carol member list
check 'who was revoked does not' gives 4 '*was revoked*[(]key_revoked)*'
as alice member update dave --status suspended
as dave member list
check 'nor who is suspended' gives 4 '*"dave" is suspended (not_active)*'
as alice member update dave --status retired
as dave member list
check 'who is retired does' gives 0
"$bin/conclave" key new eve --key "$directory/eve.key" >/dev/null
as eve member list
check 'a stranger does not' gives 4 '*[(]unknown_author)*'
chmod 644 "$directory/bob.key"
as bob member list
check 'a key that others may read proves nothing' gives 4 '*others may read the key file*'
check 'and that is said once' test "$(grep -c '^conclave:' "$directory/err")" = 1
chmod 600 "$directory/bob.key"
as alice cluster set --reads public
as nobody member list
check 'public again' gives 0
as alice cluster show
check 'the cluster says so' prints '*reads*public*'

kill "$node"
wait "$node" || true
node=
check 'the node said nothing of secrets' test "$(grep -cE 'battery|horse|secret' "$directory/node.err")" = 0

printf '%d failed\n' "$failures"
[[ $failures == 0 ]]
