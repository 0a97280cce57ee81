# weft_library(NAME [SOURCES ...] [LINKS ...] [TESTS ...])
#   One static library a folder, called weft_NAME. LINKS is the whole truth about which folders it may
#   include from (tests/structure compares the two). TESTS become the executable NAME_test in suite "unit".
#   NO_PCH is for folders that do not link async (base, model, pure codecs): the precompiled header knows Asio, which
#   does not link without it.
#   A name with a slash (bgp/packet) becomes weft_bgp_packet.
# weft_test(NAME SUITE SOURCES ... LINKS ...)   a GoogleTest executable in ctest's label SUITE
# weft_program(NAME SOURCES ... LINKS ...)      an executable in build/<preset>/bin
# weft_benchmark, weft_fuzzer: below

function(weft_library name)
  cmake_parse_arguments(A "NO_PCH" "" "SOURCES;LINKS;TESTS;TEST_LINKS" ${ARGN})
  string(REPLACE "/" "_" target ${name})
  set(lib weft_${target})
  if(A_SOURCES)
    add_library(${lib} STATIC ${A_SOURCES})
    target_link_libraries(${lib} PUBLIC weft_flags ${A_LINKS})
    if(NOT A_NO_PCH)
      weft_use_pch(${lib})
    endif()
  else()
    add_library(${lib} INTERFACE)
    target_link_libraries(${lib} INTERFACE weft_flags ${A_LINKS})
  endif()
  if(WEFT_TESTS AND A_TESTS)
    if(A_NO_PCH)
      set(no_pch NO_PCH)
    endif()
    weft_test(${target}_test unit ${no_pch} SOURCES ${A_TESTS} LINKS ${lib} ${A_TEST_LINKS})
  endif()
endfunction()

function(weft_test name suite)
  cmake_parse_arguments(A "NO_PCH" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE weft_flags ${A_LINKS} GTest::gmock GTest::gtest GTest::gtest_main)
  if(NOT A_NO_PCH)
    weft_use_pch(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${suite} TIMEOUT 120)
  set_property(GLOBAL APPEND PROPERTY WEFT_TESTS_${suite} ${name})
endfunction()

function(weft_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE weft_flags ${A_LINKS})
  weft_use_pch(${name})
  set_property(GLOBAL APPEND PROPERTY WEFT_PROGRAMS ${name})
endfunction()

# weft_benchmark(NAME SOURCES ... LINKS ...)    the program bench_NAME, see ./dev bench
function(weft_benchmark name)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(bench_${name} ${A_SOURCES})
  target_link_libraries(bench_${name} PRIVATE weft_flags ${A_LINKS})
  weft_use_pch(bench_${name})
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

# One precompiled header for the whole tree: the standard library, Asio's coroutines and Boost.JSON
# are what the compiler would otherwise read again for every file.
function(weft_use_pch target)
  if(WEFT_FUZZ)
    return()
  endif()
  if(NOT TARGET weft_pch)
    add_library(weft_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
    target_link_libraries(weft_pch PUBLIC weft_flags Boost::headers fmt::fmt)
    target_precompile_headers(weft_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  endif()
  target_precompile_headers(${target} REUSE_FROM weft_pch)
endfunction()
