# Compiler flags, sanitizers, ccache and the packages that more than one folder uses.

find_program(CCACHE ccache)
if(CCACHE)
  # The precompiled header is an input like any other, see PCH in ccache(1). It counts by what it was made of
  # (weft_use_pch writes that beside it), and paths count from the source tree, so that one checkout's cache serves the next.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_PCH_EXTSUM=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# With ccache, a build is mostly linking. What ships is linked as the distribution links.
find_program(LLD ld.lld HINTS /usr/lib/llvm-19/bin)
if(LLD AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  cmake_path(GET LLD PARENT_PATH LLD_FOLDER)
  add_link_options(-B${LLD_FOLDER} -fuse-ld=lld)
endif()

add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess;-Wno-subobject-linkage;-Wno-mismatched-new-delete>
  # What clang says of others' headers: libstdc++ 12 calls helpers of its own that it calls deprecated (std::stable_sort),
  # and libbpf's macros are of C99 and GNU C.
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wno-deprecated-declarations;-Wno-c99-extensions;-Wno-gnu-statement-expression>
  # Else a precompiled header is of its minute, and ccache has no use for it in another (ccache(1), PRECOMPILED HEADERS).
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:SHELL:-Xclang -fno-pch-timestamp>)
# Optimising, or with much in one file, GCC 12 sees its own std::string and std::vector copy past their ends, in
# `"x" + f()` and in an insert at the end (gcc.gnu.org PR 105651 and its likes). These checks are left to the other presets.
if((CMAKE_BUILD_TYPE STREQUAL "Release" OR WEFT_UNITY) AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(weft_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()
target_compile_definitions(weft_flags INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  WEFT_VERSION="${PROJECT_VERSION}")
target_include_directories(weft_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
if(WEFT_SANITIZE)
  target_compile_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE})
  if(WEFT_SANITIZE MATCHES "undefined")
    # AddressSanitizer stops at a null pointer as well, and these two checks are a quarter of the compile time.
    target_compile_options(weft_flags INTERFACE -fno-sanitize=null,vptr -fno-sanitize-recover=undefined)
  endif()
endif()

if(WEFT_FUZZ)
  # Coverage feedback from the libraries; the fuzzer's main() comes with weft_fuzzer.
  target_compile_options(weft_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
# A precompiled header is usable only where the same macros are defined, so Boost's come with the flags.
target_link_libraries(weft_flags INTERFACE Boost::headers Boost::json Boost::url)
if(WEFT_TESTS OR WEFT_BENCH)
  find_package(GTest REQUIRED)
endif()
