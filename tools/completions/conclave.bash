# bash completion for conclave; made by `conclave completion bash`.
_conclave() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local path='' words='' options='' i
    local -a found=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --endpoint|-e|--key|-k|--passphrase-fd|--ca|--cert|--cert-key|--timeout) i=$((i + 1)) ;;
        -*) ;;
        *) found+=("${COMP_WORDS[i]}") ;;
        esac
    done
    path=${found[0]:-}${found[1]:+/${found[1]}}
    case ${found[0]:-} in
    init|vote|tally|request|log|watch|status|top|export|restore|receipt|verify|audit|witness|help|version|completion) path=${found[0]} ;;
    esac
    case $previous in
    --key|-k|--file|--out|--ca|--cert|--cert-key|--dir)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return ;;
    esac
    options=' --endpoint --key --passphrase-fd --ca --cert --cert-key --timeout --json --stale --no-color --quiet --help --version'
    case $path in
    '') words="key init cluster certs member policy proposal poll vote tally decision ballot request log watch status top import export backup restore receipt verify audit witness help version completion" ;;
    key) words="new show passphrase list" ;;
    key/new) options+=" --passphrase" ;;
    key/show) options+=" --public" ;;
    key/passphrase) options+=" --remove" ;;
    init) options+=" --name --chair --chair-name --node --tls --out --reads --passphrase" ;;
    cluster) words="show status add replace promote demote remove transfer ticket set" ;;
    cluster/add) options+=" --peer --client --standby --out" ;;
    cluster/replace) options+=" --peer --client --out" ;;
    cluster/demote) options+=" --force" ;;
    cluster/remove) options+=" --force" ;;
    cluster/ticket) options+=" --out" ;;
    cluster/set) options+=" --reads" ;;
    certs) words="ca node client renew rotate retire list show" ;;
    certs/ca) options+=" --dir --cluster --name --days --algorithm" ;;
    certs/node) options+=" --dir --host --days --algorithm" ;;
    certs/client) options+=" --dir --days --algorithm" ;;
    certs/renew) options+=" --dir --days --new-key" ;;
    certs/rotate) options+=" --dir --name --days --algorithm" ;;
    certs/retire) options+=" --dir" ;;
    certs/list) options+=" --days" ;;
    certs/show) options+=" --days" ;;
    member) words="admit update rotate-key revoke list show" ;;
    member/admit) options+=" --public-key --kind --name --weight --class --role" ;;
    member/update) options+=" --status --no-classes --no-roles --name --weight --class --role" ;;
    member/rotate-key) options+=" --new-key" ;;
    member/revoke) options+=" --reason" ;;
    member/list) options+=" --limit --after" ;;
    policy) words="put list show" ;;
    policy/list) options+=" --limit --after" ;;
    policy/show) options+=" --version-number" ;;
    proposal) words="submit revise withdraw list show" ;;
    proposal/submit) options+=" --title --category --body --file" ;;
    proposal/revise) options+=" --title --category --body --file" ;;
    proposal/withdraw) options+=" --reason" ;;
    proposal/list) options+=" --stage --limit --after" ;;
    proposal/show) options+=" --revision" ;;
    poll) words="open close cancel list show roll" ;;
    poll/open) options+=" --title --question --proposal --policy --for --until --class --file" ;;
    poll/cancel) options+=" --reason" ;;
    poll/list) options+=" --state --limit --after" ;;
    poll/roll) options+=" --limit --after" ;;
    vote) options+=" --why --veto --review --file --no-receipt --yes" ;;
    decision) words="list show" ;;
    decision/list) options+=" --poll --limit --after" ;;
    ballot) words="list show" ;;
    ballot/list) options+=" --limit --after" ;;
    log) options+=" --from --limit" ;;
    watch) options+=" --poll --count --for" ;;
    top) options+=" --interval --once" ;;
    import) words="minutes" ;;
    import/minutes) options+=" --class --keys" ;;
    export) options+=" --format --out --from --to" ;;
    backup) words="save inspect verify" ;;
    backup/save) options+=" --force" ;;
    backup/verify) options+=" --cluster" ;;
    restore) options+=" --node --out --name --tls --cluster" ;;
    receipt) options+=" --index --position --request --pending --out --cluster" ;;
    verify) options+=" --export --cluster --public-key" ;;
    audit) options+=" --receipts --cluster" ;;
    witness) options+=" --once --interval --for --count --name --witness-key --cluster" ;;
    esac
    if [[ $current == -* ]]; then
        words=$options
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -o default -F _conclave conclave
