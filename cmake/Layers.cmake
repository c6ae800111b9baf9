# conclave_layer(NAME [EXCEPT FILE...] [DEPENDS TARGET...])
# The static library conclave_NAME from src/NAME/*.c, without the files named by EXCEPT. A folder that has no sources yet is an empty
# interface library, so that others can name it already. CONCLAVE_LAYERS lists all layers, lowest first.
function(conclave_layer NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "EXCEPT;DEPENDS")
    set(DIR "${PROJECT_SOURCE_DIR}/src/${NAME}")
    file(GLOB SOURCES CONFIGURE_DEPENDS "${DIR}/*.c")
    foreach(FILE IN LISTS ARG_EXCEPT)
        list(REMOVE_ITEM SOURCES "${DIR}/${FILE}")
    endforeach()

    set(TARGET conclave_${NAME})
    if(SOURCES)
        add_library(${TARGET} STATIC ${SOURCES})
        set(SCOPE PUBLIC)
    else()
        add_library(${TARGET} INTERFACE)
        set(SCOPE INTERFACE)
    endif()
    target_include_directories(${TARGET} ${SCOPE}
        "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${TARGET} ${SCOPE} ${ARG_DEPENDS})
    set(CONCLAVE_LAYERS ${CONCLAVE_LAYERS} ${TARGET} PARENT_SCOPE)
endfunction()
