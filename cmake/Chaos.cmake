# The chaos test's machines: a disk that can fail (FUSE), a network, a clock for one process, and the second checker. Built with the
# tests, never installed. tests/chaos/run puts them together; tests/chaos/test_*.sh run by ctest with the label `chaos`, alone.
set(CHAOS_DIR "${PROJECT_SOURCE_DIR}/tests/chaos")

foreach(PROGRAM IN ITEMS disk lan judge)
    file(GLOB CHAOS_SOURCES CONFIGURE_DEPENDS "${CHAOS_DIR}/${PROGRAM}/*.c")
    add_executable(chaos-${PROGRAM} ${CHAOS_SOURCES})
endforeach()
target_link_libraries(chaos-disk PRIVATE PkgConfig::FUSE)
target_link_libraries(chaos-judge PRIVATE PkgConfig::JANSSON)

add_library(chaos-clock MODULE "${CHAOS_DIR}/clock/clock.c")
set_target_properties(chaos-clock PROPERTIES PREFIX "")
target_link_libraries(chaos-clock PRIVATE ${CMAKE_DL_LIBS})

file(GLOB CHAOS_SCRIPTS CONFIGURE_DEPENDS "${CHAOS_DIR}/test_*.sh")
foreach(SCRIPT IN LISTS CHAOS_SCRIPTS)
    cmake_path(GET SCRIPT STEM NAME)
    add_test(NAME chaos/${NAME} COMMAND bash "${SCRIPT}")
    set_tests_properties(chaos/${NAME} PROPERTIES
        TIMEOUT 900 LABELS chaos RUN_SERIAL ON SKIP_RETURN_CODE 77
        ENVIRONMENT "${TEST_ENVIRONMENT}" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
endforeach()
