# Targets that gather others, for ./dev: suite_unit … suite_e2e build what a suite runs, `programs` what
# ships and what the lab runs, `benchmarks` and `fuzzers` what their folders hold. Included last.

get_property(programs GLOBAL PROPERTY WEFT_PROGRAMS)
add_custom_target(programs DEPENDS ${programs})

foreach(suite unit script bpf integration e2e)
  get_property(tests GLOBAL PROPERTY WEFT_TESTS_${suite})
  add_custom_target(suite_${suite} DEPENDS ${tests})
endforeach()
add_dependencies(suite_e2e programs)

foreach(kind benchmarks fuzzers)
  get_property(members GLOBAL PROPERTY WEFT_${kind})
  add_custom_target(${kind} DEPENDS ${members})
endforeach()
