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
