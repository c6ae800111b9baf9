# Tests, by folder:
#   tests/unit, tests/regress, tests/sim   test_*.c   one cmocka program each, linked with all layers and the helpers
#                                          and, if the name begins with test_cli, with the command line
#   tests/process                          test_*.sh  scripts that start the real programs (label `process`, one at a time)
#   tests/fuzz                             fuzz_*.c   libFuzzer harnesses (preset `fuzz`), built, not run by ctest
# Helpers are tests/support/*.c and tests/unit/support/*.c; programs named test_sim* have the simulator too (Simulator.cmake). A script
# that exits with 77 counts as skipped.
if(NOT BUILD_TESTING)
    return()
endif()

set(TEST_DIR "${PROJECT_SOURCE_DIR}/tests")
set(TEST_ENVIRONMENT
    "CONCLAVE_BIN_DIR=${PROJECT_BINARY_DIR}"
    "CONCLAVE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
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

file(GLOB TEST_SCRIPTS CONFIGURE_DEPENDS "${TEST_DIR}/process/test_*.sh")
foreach(SCRIPT IN LISTS TEST_SCRIPTS)
    cmake_path(GET SCRIPT STEM NAME)
    add_test(NAME process/${NAME} COMMAND bash "${SCRIPT}")
    set_tests_properties(process/${NAME} PROPERTIES
        TIMEOUT 900 LABELS process RUN_SERIAL ON SKIP_RETURN_CODE 77
        ENVIRONMENT "${TEST_ENVIRONMENT}" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
endforeach()

if(CONCLAVE_FUZZ)
    file(GLOB FUZZ_SOURCES CONFIGURE_DEPENDS "${TEST_DIR}/fuzz/fuzz_*.c")
    foreach(SOURCE IN LISTS FUZZ_SOURCES)
        cmake_path(GET SOURCE STEM NAME)
        add_executable(${NAME} ${SOURCE})
        target_link_libraries(${NAME} PRIVATE conclave_test_support)
        target_compile_options(${NAME} PRIVATE -Wno-missing-prototypes) # LLVMFuzzerTestOneInput
        target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
    endforeach()
endif()
