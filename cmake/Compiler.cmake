# Language, warnings, hardening and instrumentation: the same for every target, whatever the preset.

set(CONCLAVE_SANITIZE "" CACHE STRING
    "Sanitizers, as -fsanitize= takes them: 'address,undefined' or 'thread' (empty: none)")
option(CONCLAVE_COVERAGE "Record which lines run (gcov)" OFF)
option(CONCLAVE_FUZZ "Build the libFuzzer harnesses of tests/fuzz (clang only)" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()

# NDEBUG is never defined: assertions are part of what we ship.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
if(CONCLAVE_SANITIZE)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g") # instrumented code is too slow without
else()
    set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
endif()

add_compile_definitions(_GNU_SOURCE CONCLAVE_VERSION="${PROJECT_VERSION}")
add_compile_options(
    -Wall -Wextra -Wconversion -Wshadow -Werror -Wformat=2 -Wvla -Wstrict-prototypes
    -Wmissing-prototypes -fno-common -fstack-protector-strong)
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(CONCLAVE_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "The fuzz harnesses need clang (libFuzzer); use the preset `fuzz`, or set CMAKE_C_COMPILER=clang.")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(CONCLAVE_SANITIZE)
    add_compile_options(
        -fsanitize=${CONCLAVE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${CONCLAVE_SANITIZE})
else()
    # Fortification needs an optimizing compiler, and hides from sanitizers what they look for.
    add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
endif()

if(CONCLAVE_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
