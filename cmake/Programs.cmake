# The node (conclaved), the command line (conclave) and the C client as one archive (libconclave.a). Each exists from the day its
# sources do.

file(GLOB DAEMON_MAIN CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/daemon/main.c")
if(DAEMON_MAIN)
    add_executable(conclaved ${DAEMON_MAIN})
    target_link_libraries(conclaved PRIVATE conclave_daemon)
endif()

# The command line without its main is a library too, so that unit tests can link it.
file(GLOB CLI_SOURCES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/conclave/*.c")
file(GLOB CLI_MAIN CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/conclave/main.c")
list(REMOVE_ITEM CLI_SOURCES ${CLI_MAIN})
set(CLI_DEPENDS conclave_client conclave_tally conclave_codec conclave_auth conclave_base
    PkgConfig::JANSSON PkgConfig::SODIUM)
if(CLI_SOURCES)
    add_library(conclave_cli STATIC ${CLI_SOURCES})
    target_link_libraries(conclave_cli PUBLIC ${CLI_DEPENDS})
else()
    add_library(conclave_cli INTERFACE)
    target_link_libraries(conclave_cli INTERFACE ${CLI_DEPENDS})
endif()
if(CLI_MAIN)
    add_executable(conclave ${CLI_MAIN})
    target_link_libraries(conclave PRIVATE conclave_cli)
endif()

# libconclave.a holds the client and the layers below it: a program links this one archive and the libraries of conclave.pc.
get_target_property(CLIENT_TYPE conclave_client TYPE)
if(CLIENT_TYPE STREQUAL "STATIC_LIBRARY")
    add_library(libconclave STATIC)
    foreach(LAYER IN ITEMS client net auth codec base)
        get_target_property(LAYER_TYPE conclave_${LAYER} TYPE)
        if(LAYER_TYPE STREQUAL "STATIC_LIBRARY")
            target_sources(libconclave PRIVATE $<TARGET_OBJECTS:conclave_${LAYER}>)
        endif()
    endforeach()
    set_target_properties(libconclave PROPERTIES OUTPUT_NAME conclave LINKER_LANGUAGE C)
endif()
