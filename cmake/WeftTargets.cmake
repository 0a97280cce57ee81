# weft_library(NAME [SOURCES ...] [LINKS ...] [TESTS ...])
#   One static library a folder, called weft_NAME. LINKS is the whole truth about which folders it may
#   include from (tests/structure compares the two). TESTS become the executable NAME_test in suite "unit".
#   NO_PCH is for folders that do not link async (base, model, pure codecs): the common precompiled header knows Asio, which
#   does not link without it; they get one without.
#   THREADS is for folders whose code or tests start threads: see weft_test.
#   A name with a slash (bgp/packet) becomes weft_bgp_packet.
# weft_test(NAME SUITE SOURCES ... LINKS ...)   a GoogleTest executable in ctest's label SUITE
#   Of suites "unit" and "script", ThreadSanitizer's build has those marked THREADS (there is no race in a program of one
#   thread, and tests/structure asks for the mark wherever threads are started), and no sanitizer's build those marked
#   PLAIN, which test something else than our compiled code.
# weft_program(NAME SOURCES ... LINKS ...)      an executable in build/<preset>/bin
# weft_benchmark, weft_fuzzer: below

function(weft_library name)
  cmake_parse_arguments(A "NO_PCH;THREADS" "" "SOURCES;LINKS;TESTS;TEST_LINKS" ${ARGN})
  string(REPLACE "/" "_" target ${name})
  set(lib weft_${target})
  if(A_SOURCES)
    add_library(${lib} STATIC ${A_SOURCES})
    target_link_libraries(${lib} PUBLIC weft_flags ${A_LINKS})
    if(A_NO_PCH)
      weft_use_pch(${lib} pch_plain)
    else()
      weft_use_pch(${lib} pch)
    endif()
    weft_use_unity(${lib})
  else()
    add_library(${lib} INTERFACE)
    target_link_libraries(${lib} INTERFACE weft_flags ${A_LINKS})
  endif()
  if(WEFT_TESTS AND A_TESTS)
    set(options "")
    foreach(option NO_PCH THREADS)
      if(A_${option})
        list(APPEND options ${option})
      endif()
    endforeach()
    weft_test(${target}_test unit ${options} SOURCES ${A_TESTS} LINKS ${lib} ${A_TEST_LINKS})
  endif()
endfunction()

function(weft_test name suite)
  cmake_parse_arguments(A "NO_PCH;THREADS;PLAIN" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE weft_flags ${A_LINKS} GTest::gmock GTest::gtest GTest::gtest_main)
  if(A_NO_PCH)
    weft_use_pch(${name} pch_test_plain)
  else()
    weft_use_pch(${name} pch_test)
  endif()
  weft_use_unity(${name})
  set_property(GLOBAL APPEND PROPERTY WEFT_TESTS ${name})
  if(A_THREADS)
    set_property(GLOBAL APPEND PROPERTY WEFT_THREADS ${name})
  endif()
  if(suite MATCHES "^(unit|script)$" AND WEFT_SANITIZE AND (A_PLAIN OR (WEFT_SANITIZE MATCHES "thread" AND NOT A_THREADS)))
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${suite} TIMEOUT 120)
  set_property(GLOBAL APPEND PROPERTY WEFT_TESTS_${suite} ${name})
endfunction()

function(weft_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE weft_flags ${A_LINKS})
  weft_use_pch(${name} pch)
  set_property(GLOBAL APPEND PROPERTY WEFT_PROGRAMS ${name})
endfunction()

# weft_benchmark(NAME SOURCES ... LINKS ...)    the program bench_NAME, see ./dev bench
function(weft_benchmark name)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(bench_${name} ${A_SOURCES})
  target_link_libraries(bench_${name} PRIVATE weft_flags ${A_LINKS})
  weft_use_pch(bench_${name} pch)
  set_property(GLOBAL APPEND PROPERTY WEFT_benchmarks bench_${name})
endfunction()

# weft_fuzzer(NAME SOURCES ... LINKS ...)       the libFuzzer program fuzz_NAME, seeds in fuzz/corpus/NAME
function(weft_fuzzer name)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(fuzz_${name} ${A_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE weft_flags ${A_LINKS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY WEFT_fuzzers fuzz_${name})
endfunction()

# For a build that is run and not edited: files of a folder in one go cost a third of the compile time. The sanitizer
# builds take them in the other order, so that a header that a file does not include and has from the one before it is
# missed in one of the two.
function(weft_use_unity target)
  if(NOT WEFT_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  if(WEFT_SANITIZE)
    get_target_property(sources ${target} SOURCES)
    list(REVERSE sources)
    set_target_properties(${target} PROPERTIES SOURCES "${sources}")
  endif()
endfunction()

# Precompiled headers: the standard library, Asio's coroutines and Boost.JSON are what the compiler would otherwise read
# again for every file, and GoogleTest for every test. pch_plain is for NO_PCH folders: it has nothing that needs linking.
function(weft_use_pch target kind)
  set(carrier weft_${kind})
  if(NOT TARGET ${carrier})
    add_library(${carrier} OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
    target_link_libraries(${carrier} PUBLIC weft_flags Boost::headers fmt::fmt)
    if(kind MATCHES "test")
      target_link_libraries(${carrier} PUBLIC GTest::gmock GTest::gtest)
    endif()
    target_precompile_headers(${carrier} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/${kind}.h)
    weft_name_pch(${carrier})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${carrier})
endfunction()

# What stands for the precompiled header in ccache's keys (CCACHE_PCH_EXTSUM): its sources, the compiler, the libraries
# and the flags. The file itself differs with every directory that it is made in.
function(weft_name_pch carrier)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/pch*.h)
  set(all "${CMAKE_CXX_COMPILER_VERSION} ${Boost_VERSION} ${fmt_VERSION} ${GTest_VERSION} ${CMAKE_BUILD_TYPE} ${WEFT_SANITIZE}")
  foreach(header ${headers})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(SHA256 ${header} sum)
    string(APPEND all " ${sum}")
  endforeach()
  string(SHA256 sum "${carrier} ${all} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
  foreach(extension gch pch)  # GCC's and clang's
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${carrier}.dir/cmake_pch.hxx.${extension}.sum "${sum}\n")
  endforeach()
endfunction()
