# Every library we use, found by pkg-config, as PkgConfig::<NAME>. tools/setup installs them all.
find_package(PkgConfig REQUIRED)

# conclave_find(NAME MODULE...): the first of the modules that is installed.
function(conclave_find NAME)
    foreach(MODULE IN LISTS ARGN)
        pkg_check_modules(${NAME} QUIET IMPORTED_TARGET GLOBAL ${MODULE})
        if(${NAME}_FOUND)
            # Debian 13's msgpack-c.pc says -Iinclude, a path relative to nothing; its headers are in /usr/include.
            get_target_property(FOLDERS PkgConfig::${NAME} INTERFACE_INCLUDE_DIRECTORIES)
            if(FOLDERS)
                list(FILTER FOLDERS INCLUDE REGEX "^/")
                set_target_properties(PkgConfig::${NAME} PROPERTIES
                    INTERFACE_INCLUDE_DIRECTORIES "${FOLDERS}")
            endif()
            set(${NAME}_MODULE ${MODULE} PARENT_SCOPE)
            set(${NAME}_VERSION ${${NAME}_VERSION} PARENT_SCOPE)
            return()
        endif()
    endforeach()
    list(JOIN ARGN "' or '" MODULES)
    message(FATAL_ERROR "The library '${MODULES}' was not found by pkg-config; run tools/setup, which installs every package that Conclave needs, then configure again.")
endfunction()

conclave_find(RAFT raft)
if(NOT RAFT_VERSION MATCHES "^0\\.22\\.")
    message(FATAL_ERROR "libraft ${RAFT_VERSION} was found but Conclave is written for the series 0.22; run tools/setup, which installs libraft-dev 0.22 (on Debian 12 from its backports), or put the folder of its raft.pc first in PKG_CONFIG_PATH.")
endif()

conclave_find(LMDB lmdb)
conclave_find(UV libuv)
conclave_find(MSGPACK msgpack msgpack-c) # the first name is Debian 12's, the second Debian 13's
conclave_find(SODIUM libsodium)
conclave_find(SSL openssl)
conclave_find(CRYPTO libcrypto) # of OpenSSL, alone
conclave_find(INIH inih)
conclave_find(XXHASH libxxhash)
conclave_find(JANSSON jansson)
conclave_find(MICROHTTPD libmicrohttpd)
conclave_find(NCURSES ncursesw)
if(BUILD_TESTING)
    conclave_find(CMOCKA cmocka)
    conclave_find(FUSE fuse3)
endif()
