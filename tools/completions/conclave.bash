# bash completion for conclave; made by `conclave completion bash`.
_conclave() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local path='' words='' options='' i
    local -a found=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --endpoint|-e|--key|-k|--timeout) i=$((i + 1)) ;;
        -*) ;;
        *) found+=("${COMP_WORDS[i]}") ;;
        esac
    done
    path=${found[0]:-}${found[1]:+/${found[1]}}
    case ${found[0]:-} in
    init|vote|tally|request|log|watch|status|export|help|version|completion) path=${found[0]} ;;
    esac
    case $previous in
    --key|-k|--file|--out)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return ;;
    esac
    options=' --endpoint --key --timeout --json --stale --no-color --quiet --help --version'
    case $path in
    '') words="key init member policy proposal poll vote tally decision ballot request log watch status import export help version completion" ;;
    key) words="new show list" ;;
    key/show) options+=" --public" ;;
    init) options+=" --name --chair --chair-name --node --out" ;;
    member) words="admit update list show" ;;
    member/admit) options+=" --public-key --kind --name --weight --class --role" ;;
    member/update) options+=" --status --no-classes --no-roles --name --weight --class --role" ;;
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
    vote) options+=" --why --veto --review --file --yes" ;;
    decision) words="list show" ;;
    decision/list) options+=" --poll --limit --after" ;;
    ballot) words="list show" ;;
    ballot/list) options+=" --limit --after" ;;
    log) options+=" --from --limit" ;;
    watch) options+=" --poll --count --for" ;;
    import) words="minutes" ;;
    import/minutes) options+=" --class --keys" ;;
    export) options+=" --format --out --from --to" ;;
    esac
    if [[ $current == -* ]]; then
        words=$options
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -o default -F _conclave conclave
