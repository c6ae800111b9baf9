# The simulator (tests/sim) and its program conclave-sim, which links the objects that conclaved links. Never installed.
file(GLOB SIM_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/sim/*.c")
list(FILTER SIM_SOURCES EXCLUDE REGEX "/test_[^/]*\\.c$")
add_library(conclave_sim STATIC ${SIM_SOURCES} "${PROJECT_SOURCE_DIR}/tests/support/actors.c")
target_include_directories(conclave_sim PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(conclave_sim PUBLIC
    conclave_api conclave_net conclave_consensus conclave_log conclave_kv conclave_model
    conclave_tally conclave_auth conclave_codec conclave_base PkgConfig::MSGPACK PkgConfig::XXHASH PkgConfig::UV)

add_executable(conclave-sim "${PROJECT_SOURCE_DIR}/tools/conclave-sim/main.c")
target_link_libraries(conclave-sim PRIVATE conclave_sim)

# What each program is linked from: tests/process/test_sim_objects.sh compares them.
foreach(PROGRAM IN ITEMS conclave-sim conclaved)
    target_link_options(${PROGRAM} PRIVATE "-Wl,-Map=${PROJECT_BINARY_DIR}/${PROGRAM}.map")
endforeach()

include(Mutants)
