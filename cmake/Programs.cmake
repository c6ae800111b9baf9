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
set(CLI_DEPENDS conclave_backup conclave_client conclave_tls conclave_audit conclave_record conclave_tally conclave_codec conclave_auth
    conclave_base PkgConfig::JANSSON PkgConfig::NCURSES PkgConfig::SODIUM)
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

# libconclave.a holds the client and the layers below it, linked into one object in which only conclave_* stays visible: a program
# links this archive and the libraries of conclave.pc, and its own names cannot clash with ours.
get_target_property(CLIENT_TYPE conclave_client TYPE)
if(CLIENT_TYPE STREQUAL "STATIC_LIBRARY")
    set(CLIENT_OBJECTS "")
    foreach(LAYER IN ITEMS client tls auth codec base)
        get_target_property(LAYER_TYPE conclave_${LAYER} TYPE)
        if(LAYER_TYPE STREQUAL "STATIC_LIBRARY")
            list(APPEND CLIENT_OBJECTS $<TARGET_OBJECTS:conclave_${LAYER}>)
        endif()
    endforeach()
    add_custom_command(
        OUTPUT libconclave.o
        COMMAND ${CMAKE_LINKER} -r -o libconclave.o ${CLIENT_OBJECTS}
        COMMAND ${CMAKE_OBJCOPY} --wildcard "--keep-global-symbol=conclave_*" libconclave.o
        DEPENDS ${CLIENT_OBJECTS}
        COMMAND_EXPAND_LISTS VERBATIM
        COMMENT "Linking the objects of libconclave")
    set_source_files_properties("${PROJECT_BINARY_DIR}/libconclave.o" PROPERTIES
        EXTERNAL_OBJECT ON GENERATED ON)
    add_library(libconclave STATIC "${PROJECT_BINARY_DIR}/libconclave.o")
    set_target_properties(libconclave PROPERTIES OUTPUT_NAME conclave LINKER_LANGUAGE C)
endif()
