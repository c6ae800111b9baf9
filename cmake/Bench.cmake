# conclave-bench: the load generator (bench/run starts a cluster for it). Built with everything else, not installed.
file(GLOB BENCH_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
if(BENCH_SOURCES)
    find_package(Threads REQUIRED)
    add_executable(conclave-bench ${BENCH_SOURCES})
    target_link_libraries(conclave-bench PRIVATE conclave_client conclave_codec conclave_auth
        conclave_base PkgConfig::JANSSON Threads::Threads)
    if(BUILD_TESTING)
        add_test(NAME bench/smoke
            COMMAND bash "${PROJECT_SOURCE_DIR}/bench/run" --smoke)
        set_tests_properties(bench/smoke PROPERTIES TIMEOUT 60 LABELS bench RUN_SERIAL ON
            ENVIRONMENT "CONCLAVE_BIN_DIR=${PROJECT_BINARY_DIR}")
    endif()
endif()

# conclave-budget: the load whose instructions bench/budget/run counts with callgrind and holds against bench/budget/budgets.
if(BUILD_TESTING)
    add_executable(conclave-budget "${PROJECT_SOURCE_DIR}/tests/budget/main.c")
    target_link_libraries(conclave-budget PRIVATE conclave_test_support)
    # conclave-receipt-cost: a receipt from a record of millions of leaves. conclaved-without-record: a node whose state has no tree, so
    # that bench/record can tell what the record costs. It can be of no use to anybody else, and is built only when it is asked for.
    add_executable(conclave-receipt-cost "${PROJECT_SOURCE_DIR}/tests/budget/receipt_cost.c")
    target_link_libraries(conclave-receipt-cost PRIVATE conclave_test_support)
    add_executable(conclaved-without-record EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/src/daemon/main.c"
        "${PROJECT_SOURCE_DIR}/src/consensus/apply.c") # linked before the library that has it too
    target_compile_definitions(conclaved-without-record PRIVATE CONCLAVE_WITHOUT_RECORD)
    target_include_directories(conclaved-without-record PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(conclaved-without-record PRIVATE conclave_daemon)
    add_test(NAME bench/budget COMMAND bash "${PROJECT_SOURCE_DIR}/bench/budget/run")
    set_tests_properties(bench/budget PROPERTIES TIMEOUT 300 LABELS bench RUN_SERIAL ON SKIP_RETURN_CODE 77
        ENVIRONMENT "CONCLAVE_BIN_DIR=${PROJECT_BINARY_DIR};CONCLAVE_COMPILER=${CMAKE_C_COMPILER_ID}-${CMAKE_C_COMPILER_VERSION}")
endif()
