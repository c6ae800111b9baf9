# One program conclave-sim-mutant-N for each seeded bug: the simulator with the file that has MUTANT(N) compiled anew, with
# CONCLAVE_MUTANT=N. The linker takes that object before it looks into the libraries. Never installed and not part of `all`: build the
# target `mutants`, or run `tools/campaign --mutants`.
#
# number | file, or two with + | what the bug is
set(MUTANTS
    "1|consensus/writer.c|acknowledges a write before it is synced"
    "2|consensus/apply.c|applies and answers before a majority has the entry"
    "3|consensus/driver.c|does not save term and vote"
    "4|consensus/driver.c|saves the term without the vote"
    "5|consensus/driver.c|M7 off: the commit index may go back"
    "6|consensus/inbound.c|M4 off: takes old rejections"
    "7|consensus/outbound.c|M2 off: refused pre-votes echo the term"
    "8|consensus/inbound.c|M1 off: a configuration may come second in a message"
    "9|consensus/membership.c|M3 off: changes on top of changes"
    "10|model/command.c|no table of replies: a copy has its effect again"
    "11|model/command.c|a nonce used again gets the first command's reply"
    "12|model/command.c|expired commands have their effect"
    "13|model/command.c|who is suspended is dropped from the roll"
    "14|consensus/read.c|reads without asking a majority"
    "15|consensus/read.c|vouches for a leader of another term"
    "16|consensus/read.c|reads before the index is applied"
    "17|consensus/read.c|a new leader reads before it knows what is committed"
    "18|consensus/state.c|applies the last entry again after a restart"
    "19|model/ballot_apply.c|a revote is counted beside the first ballot"
    "20|model/ballot_apply.c|the deadline is held against the client's clock"
    "21|model/ballot_apply.c|the last instant of a poll is too late"
    "22|model/ballot_apply.c|final ballots may be replaced"
    "23|tally/tally.c|vetoes are always a share of the roll"
    "24|tally/tally.c|a tie passes"
    "25|tally/tally.c|abstentions do not count for the quorum"
    "26|tally/tally_settled.c|closes early while the rest could still refuse"
    "27|log/log_record.c|checksums of entries are not looked at"
    "28|consensus/forward.c|says 'not in the log' of what may be in it"
    "29|consensus/writer.c|acknowledges entries that were overwritten meanwhile"
    "30|model/roll.c|who is suspended gets on the roll"
    "31|model/ballot_check.c|a veto needs no justification"
    "32|model/model.c|log time may go back"
    "33|consensus/batch.c|M8 off: entries wait for a majority without bound"
    "34|api/author.c|signatures are not looked at"
    "35|net/peers_in.c|nodes of other clusters are let in"
    "36|net/peers_in.c|a node is let in with any disk"
    "37|consensus/replica.c|a write that failed counts as written"
    "38|consensus/driver.c|votes though the vote could not be saved"
    "39|net/peers_in.c|a node that called another one is let in"
    "40|consensus/membership.c|the last but one voter may go"
    "41|consensus/forward.c|an attempt that was answered busy may come again"
    "42|consensus/read.c|takes the answer to an earlier question"
    "43|model/replies.c|replies are forgotten before their commands expire"
    "44|net/peers.c|any node's certificate stands for every node"
    "45|consensus/checkpoint.c|a signature leaves before it is kept"
    "46|consensus/checkpoint.c|a checkpoint is final with one cosignature too few"
    "47|consensus/checkpoint_kept.c|what was signed is not what is kept"
    "48|consensus/apply.c|closings have no leaf"
    "49|consensus/apply.c|the leaf of a copy is that of a command"
    "50|consensus/checkpoint.c|who missed the final checkpoint is not sent it again"
    "51|consensus/checkpoint.c|no checkpoints while the leader has no key"
    "52|consensus/start.c|an only voter leads again in the same term"
    "53|consensus/inbound.c|a standby refuses a vote that a voter may need"
    "54|consensus/driver.c+consensus/replica.c|M6 off: no time between timeouts"
    "55|consensus/inbound.c|M5 off: a snapshot is given to the core"
)

add_custom_target(mutants)
set(MUTANT_TABLE "")
foreach(MUTANT IN LISTS MUTANTS)
    string(REPLACE "|" ";" MUTANT "${MUTANT}")
    list(GET MUTANT 0 NUMBER)
    list(GET MUTANT 1 FILE)
    list(GET MUTANT 2 WHAT)
    set(NAME conclave-sim-mutant-${NUMBER})
    string(REPLACE "+" ";" SOURCES "${FILE}")
    list(TRANSFORM SOURCES PREPEND "${PROJECT_SOURCE_DIR}/src/")
    foreach(SOURCE IN LISTS SOURCES) # a bug that is nowhere would be looked for in vain
        file(STRINGS "${SOURCE}" PLACES REGEX "MUTANT\\(${NUMBER}\\)")
        if(PLACES STREQUAL "")
            message(FATAL_ERROR "cmake/Mutants.cmake: ${SOURCE} has no MUTANT(${NUMBER})")
        endif()
    endforeach()
    add_executable(${NAME} EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tools/conclave-sim/main.c" ${SOURCES})
    target_compile_definitions(${NAME} PRIVATE CONCLAVE_MUTANT=${NUMBER})
    # Analyzers read what is shipped: in a mutant, code that cannot be reached is the point.
    set_target_properties(${NAME} PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
    target_link_libraries(${NAME} PRIVATE conclave_sim PkgConfig::RAFT PkgConfig::SODIUM)
    add_dependencies(mutants ${NAME})
    string(APPEND MUTANT_TABLE "${NUMBER}\t${FILE}\t${WHAT}\n")
endforeach()
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/mutants.tsv" CONTENT "${MUTANT_TABLE}")
