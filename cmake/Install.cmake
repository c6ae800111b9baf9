# `cmake --install`: programs, the client's headers and archive with its pkg-config file, man pages, shell completions, systemd unit.
# `cmake --install BUILD --component runtime` leaves out what only developers need.

foreach(PROGRAM IN ITEMS conclaved conclave)
    if(TARGET ${PROGRAM})
        install(TARGETS ${PROGRAM} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT runtime)
    endif()
endforeach()

if(TARGET libconclave)
    install(TARGETS libconclave ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/conclave"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development
        FILES_MATCHING PATTERN "*.h")
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX # so that an installed tree can be moved
        BASE_DIRECTORY "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE PREFIX_FROM_PC)
    configure_file(cmake/conclave.pc.in conclave.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/conclave.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
endif()

foreach(SECTION IN ITEMS 1 5 7 8)
    file(GLOB PAGES CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${SECTION}")
    install(FILES ${PAGES} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${SECTION}" COMPONENT runtime)
endforeach()

# install_completion(SOURCE DIRECTORY NAME): if the file exists.
function(install_completion SOURCE DIRECTORY NAME)
    file(GLOB FOUND CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/completions/${SOURCE}")
    if(FOUND)
        install(FILES ${FOUND} DESTINATION "${CMAKE_INSTALL_DATADIR}/${DIRECTORY}" RENAME ${NAME}
            COMPONENT runtime)
    endif()
endfunction()
install_completion(conclave.bash bash-completion/completions conclave)
install_completion(_conclave zsh/site-functions _conclave)
install_completion(conclave.fish fish/vendor_completions.d conclave.fish)

# Below the prefix, in lib/ on every architecture, which is where systemd looks for the prefixes /usr and /usr/local. The unit names the
# program by its full path, which only the installation knows (--prefix).
install(CODE "
    set(BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    configure_file(\"${PROJECT_SOURCE_DIR}/cluster/conclaved.service\"
        \"${PROJECT_BINARY_DIR}/conclaved.service\" @ONLY)" COMPONENT runtime)
install(FILES "${PROJECT_BINARY_DIR}/conclaved.service"
    DESTINATION lib/systemd/system COMPONENT runtime)
install(FILES cluster/conclave.sysusers DESTINATION lib/sysusers.d RENAME conclave.conf
    COMPONENT runtime)
