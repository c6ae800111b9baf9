# `cpack --config build/release/CPackConfig.cmake -B DIR`: Debian packages. conclave has what runs: programs, manuals, completions, the
# unit and its user, a configuration to be filled in, alert rules and a dashboard. libconclave-dev has what C programs are built with.
#
# Nothing in the component `package` is installed by `cmake --install`: it belongs to the system that a package manager looks after.
set(PACKAGE_DIR "${PROJECT_SOURCE_DIR}/cluster/package")
install(FILES "${PACKAGE_DIR}/conclaved.ini" DESTINATION /etc/conclave
    COMPONENT package EXCLUDE_FROM_ALL)
install(FILES "${PACKAGE_DIR}/copyright" "${PROJECT_SOURCE_DIR}/README.md"
    DESTINATION share/doc/conclave COMPONENT package EXCLUDE_FROM_ALL)
install(FILES "${PACKAGE_DIR}/changelog" DESTINATION share/doc/conclave RENAME changelog.Debian
    COMPONENT package EXCLUDE_FROM_ALL)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/cluster/prometheus" "${PROJECT_SOURCE_DIR}/cluster/grafana"
    DESTINATION share/doc/conclave/examples COMPONENT package EXCLUDE_FROM_ALL)
install(FILES "${PACKAGE_DIR}/copyright" DESTINATION share/doc/libconclave-dev
    COMPONENT development_package EXCLUDE_FROM_ALL)
install(FILES "${PACKAGE_DIR}/changelog" DESTINATION share/doc/libconclave-dev
    RENAME changelog.Debian COMPONENT development_package EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME conclave)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "replicated voting cluster")
set(CPACK_PACKAGE_VENDOR "The Conclave authors")
set(CPACK_PACKAGE_CONTACT "The Conclave authors <conclave@localhost>")
set(CPACK_SET_DESTDIR ON) # the unit names the program by its real path
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/PackageFiles.cmake")

set(CPACK_COMPONENTS_ALL runtime package development development_package)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENT_RUNTIME_GROUP conclave)
set(CPACK_COMPONENT_PACKAGE_GROUP conclave)
set(CPACK_COMPONENT_DEVELOPMENT_GROUP libconclave-dev)
set(CPACK_COMPONENT_DEVELOPMENT_PACKAGE_GROUP libconclave-dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "")
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_NAME conclave)
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_SECTION net)
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_CONCLAVE_DESCRIPTION "Three or five nodes keep one governance log by Raft: every proposal, ballot
and decision is durable on a majority before anyone is told so. conclaved is a
node, conclave the command line.")
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_CONTROL_EXTRA
    "${PACKAGE_DIR}/conffiles;${PACKAGE_DIR}/postinst;${PACKAGE_DIR}/prerm;${PACKAGE_DIR}/postrm")
set(CPACK_DEBIAN_CONCLAVE_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_LIBCONCLAVE-DEV_PACKAGE_NAME libconclave-dev)
set(CPACK_DEBIAN_LIBCONCLAVE-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBCONCLAVE-DEV_PACKAGE_DEPENDS
    "libsodium-dev, libmsgpack-dev | libmsgpack-c-dev, libssl-dev")
set(CPACK_DEBIAN_LIBCONCLAVE-DEV_DESCRIPTION "What programs in C need to talk to a Conclave cluster: the static library,
its headers and its pkg-config file.")
include(CPack)
