# Tests, by folder:
#   tests/unit, tests/regress, tests/sim   test_*.c   one cmocka program each, linked with all layers and the helpers
#                                          and, if the name begins with test_cli, with the command line
#   tests/process                          test_*.sh  scripts that start the real programs (label `process`, one at a time)
#   tests/chaos                            test_*.sh  the same with hosts that fail (label `chaos`, Chaos.cmake)
#   tests/fuzz                             fuzz_*.c   libFuzzer harnesses (preset `fuzz`), built, not run by ctest: tools/fuzz runs them.
#                                          The other files there are linked to each; conclave_cli is too
# Helpers are tests/support/*.c and tests/unit/support/*.c; programs named test_sim* have the simulator too (Simulator.cmake). A script
# that exits with 77 counts as skipped.
if(NOT BUILD_TESTING)
    return()
endif()

set(TEST_DIR "${PROJECT_SOURCE_DIR}/tests")
set(TEST_ENVIRONMENT
    "CONCLAVE_BIN_DIR=${PROJECT_BINARY_DIR}"
    "CONCLAVE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "CONCLAVE_RECEIPTS=off" # not in the home of whoever tests; test_receipts.sh sets its own
    "UBSAN_OPTIONS=print_stacktrace=1"
    "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
    "TSAN_OPTIONS=halt_on_error=1")

file(GLOB SUPPORT_SOURCES CONFIGURE_DEPENDS
    "${TEST_DIR}/support/*.c" "${TEST_DIR}/unit/support/*.c")
list(FILTER SUPPORT_SOURCES EXCLUDE REGEX "/test_[^/]*\\.c$")
if(SUPPORT_SOURCES)
    add_library(conclave_test_support STATIC ${SUPPORT_SOURCES})
    set(SCOPE PUBLIC)
else()
    add_library(conclave_test_support INTERFACE)
    set(SCOPE INTERFACE)
endif()
target_include_directories(conclave_test_support ${SCOPE} "${TEST_DIR}" "${PROJECT_SOURCE_DIR}")
target_compile_definitions(conclave_test_support ${SCOPE}
    CONCLAVE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(conclave_test_support ${SCOPE}
    conclave_daemon ${CONCLAVE_LAYERS} PkgConfig::CMOCKA PkgConfig::JANSSON
    PkgConfig::SODIUM)

include(Simulator)

file(GLOB TEST_SOURCES CONFIGURE_DEPENDS
    "${TEST_DIR}/unit/test_*.c" "${TEST_DIR}/regress/test_*.c" "${TEST_DIR}/sim/test_*.c")
if(CONCLAVE_SANITIZE) # it brings its own malloc, and that test one too
    list(FILTER TEST_SOURCES EXCLUDE REGEX "/test_kv_log_resources\\.c$")
endif()
foreach(SOURCE IN LISTS TEST_SOURCES)
    cmake_path(GET SOURCE STEM NAME)
    add_executable(${NAME} ${SOURCE})
    target_link_libraries(${NAME} PRIVATE conclave_test_support)
    if(NAME MATCHES "^test_sim")
        target_link_libraries(${NAME} PRIVATE conclave_sim)
    endif()
    if(NAME MATCHES "^test_cli")
        target_link_libraries(${NAME} PRIVATE conclave_cli)
    endif()
    add_test(NAME ${NAME} COMMAND ${NAME})
    set_tests_properties(${NAME} PROPERTIES
        TIMEOUT 300 LABELS unit SKIP_RETURN_CODE 77 ENVIRONMENT "${TEST_ENVIRONMENT}")
endforeach()

# What the record's other verifier (tests/process/record/verify.go) reads.
add_executable(record-samples "${TEST_DIR}/process/record/samples.c")
target_link_libraries(record-samples PRIVATE conclave_record conclave_auth)

# What test_forgery.sh rewrites stored logs with. Never installed.
add_executable(forge "${TEST_DIR}/process/forgery/forge.c")
target_link_libraries(forge PRIVATE conclave_log conclave_codec)

file(GLOB TEST_SCRIPTS CONFIGURE_DEPENDS "${TEST_DIR}/process/test_*.sh")
foreach(SCRIPT IN LISTS TEST_SCRIPTS)
    cmake_path(GET SCRIPT STEM NAME)
    add_test(NAME process/${NAME} COMMAND bash "${SCRIPT}")
    set_tests_properties(process/${NAME} PROPERTIES
        TIMEOUT 900 LABELS process RUN_SERIAL ON SKIP_RETURN_CODE 77
        ENVIRONMENT "${TEST_ENVIRONMENT}" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
endforeach()

include(Chaos)

if(CONCLAVE_FUZZ)
    # Comparisons of single bytes in the innermost loops, and of numbers that the input does not hold, teach libFuzzer nothing, and tracing
    # them takes up to half of the time. Words are compared by memcmp and strcmp, which it sees all the same.
    foreach(LAYER codec kv model audit consensus api daemon cli)
        target_compile_options(conclave_${LAYER} PRIVATE -fno-sanitize-coverage=trace-cmp)
    endforeach()

    file(GLOB FUZZ_SUPPORT CONFIGURE_DEPENDS "${TEST_DIR}/fuzz/*.c")
    list(FILTER FUZZ_SUPPORT EXCLUDE REGEX "/fuzz_[^/]*\\.c$")
    add_library(conclave_fuzz STATIC ${FUZZ_SUPPORT})
    target_compile_options(conclave_fuzz PRIVATE -fno-sanitize=all) # not what is looked for
    target_link_libraries(conclave_fuzz PUBLIC conclave_test_support conclave_cli)
    target_link_options(conclave_fuzz PUBLIC -fsanitize=fuzzer)

    file(GLOB FUZZ_SOURCES CONFIGURE_DEPENDS "${TEST_DIR}/fuzz/fuzz_*.c")
    foreach(SOURCE IN LISTS FUZZ_SOURCES)
        cmake_path(GET SOURCE STEM NAME)
        add_executable(${NAME} ${SOURCE})
        target_link_libraries(${NAME} PRIVATE conclave_fuzz)
        list(APPEND FUZZ_NAMES ${NAME})
    endforeach()
    add_custom_target(fuzz DEPENDS ${FUZZ_NAMES})
endif()
