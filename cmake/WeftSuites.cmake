# Targets that gather others, for ./dev: suite_unit … suite_e2e build what a suite runs, `programs` what
# ships and what the lab runs, `benchmarks` and `fuzzers` what their folders hold. Included last.

get_property(programs GLOBAL PROPERTY WEFT_PROGRAMS)
add_custom_target(programs DEPENDS ${programs})

foreach(suite unit script bpf integration interop e2e)
  get_property(tests GLOBAL PROPERTY WEFT_TESTS_${suite})
  add_custom_target(suite_${suite} DEPENDS ${tests})
endforeach()
add_dependencies(suite_e2e programs)

foreach(kind benchmarks fuzzers)
  get_property(members GLOBAL PROPERTY WEFT_${kind})
  add_custom_target(${kind} DEPENDS ${members})
endforeach()

# What ./dev fuzz runs.
if(WEFT_FUZZ)
  get_property(members GLOBAL PROPERTY WEFT_fuzzers)
  list(JOIN members "\n" lines)
  file(WRITE ${CMAKE_BINARY_DIR}/fuzzers.txt "${lines}")
  if(members)
    file(APPEND ${CMAKE_BINARY_DIR}/fuzzers.txt "\n")
  endif()
endif()

# What links what, for tests/structure: "TARGET<tab>FOLDER<tab>LINKS<tab>SOURCES" of every library and program of ours.
function(weft_write_structure)
  set(pending ${CMAKE_SOURCE_DIR})
  set(lines "")
  while(pending)
    list(POP_FRONT pending folder)
    get_property(children DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    list(APPEND pending ${children})
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target ${targets})
      get_target_property(type ${target} TYPE)
      if(NOT type MATCHES "_LIBRARY$|^EXECUTABLE$")
        continue()
      endif()
      set(property LINK_LIBRARIES)
      if(type STREQUAL "INTERFACE_LIBRARY")
        set(property INTERFACE_LINK_LIBRARIES)
      endif()
      get_target_property(links ${target} ${property})
      # A link that another folder added carries CMake's mark of where it comes from.
      string(REGEX REPLACE "::@(\\([^)]*\\))?" "" links "${links}")
      get_target_property(sources ${target} SOURCES)
      string(REPLACE ";" " " links "${links}")
      string(REPLACE ";" " " sources "${sources}")
      file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${folder})
      string(APPEND lines "${target}\t${relative}\t${links}\t${sources}\n")
    endforeach()
  endwhile()
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/structure.txt CONTENT "${lines}")
endfunction()
# Deferred, since apps/cli joins the lab that way, earlier in the same queue.
cmake_language(DEFER CALL weft_write_structure)
