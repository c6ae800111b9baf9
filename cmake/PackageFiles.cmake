# Run by cpack on the files that are about to be packed: Debian's policy wants manuals and changelogs compressed (12.1, 12.7), and
# compressed so that the same files make the same package.
file(GLOB_RECURSE FILES
    "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/*.[1-8]"
    "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog.Debian")
foreach(FILE IN LISTS FILES)
    execute_process(COMMAND gzip -9n "${FILE}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
