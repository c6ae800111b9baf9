# The simulator (tests/sim) and its program conclave-sim, which links the objects that conclaved links. Never installed.
file(GLOB SIM_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/sim/*.c")
list(FILTER SIM_SOURCES EXCLUDE REGEX "/test_[^/]*\\.c$")
add_library(conclave_sim STATIC ${SIM_SOURCES} "${PROJECT_SOURCE_DIR}/tests/support/actors.c")
target_include_directories(conclave_sim PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(conclave_sim PUBLIC
    conclave_consensus conclave_log conclave_kv conclave_model conclave_tally conclave_auth
    conclave_codec conclave_base PkgConfig::MSGPACK PkgConfig::XXHASH)

add_executable(conclave-sim "${PROJECT_SOURCE_DIR}/tools/conclave-sim/main.c")
target_link_libraries(conclave-sim PRIVATE conclave_sim)

include(Mutants)
