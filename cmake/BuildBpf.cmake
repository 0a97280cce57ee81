# weft_bpf(NAME SOURCE): compiles SOURCE for the bpf target and makes gen/bpf/NAME.skel.h from it.
#   The interface target bpf_NAME carries the include path and the dependency.

find_program(BPF_CLANG NAMES clang-19 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf)

function(weft_bpf name source)
  set(dir ${CMAKE_BINARY_DIR}/gen/bpf)
  file(MAKE_DIRECTORY ${dir})
  set(object ${dir}/${name}.bpf.o)
  set(skeleton ${dir}/${name}.skel.h)
  execute_process(COMMAND gcc -print-multiarch OUTPUT_VARIABLE multiarch OUTPUT_STRIP_TRAILING_WHITESPACE)
  add_custom_command(OUTPUT ${object} ${skeleton}
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-address-of-packed-member
      -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${multiarch} -MD -MF ${object}.d -c ${source} -o ${object}.tmp
    COMMAND ${BPFTOOL} gen object ${object} ${object}.tmp
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
  add_custom_target(bpf_${name}_build DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_build)
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF)
  target_compile_definitions(bpf_${name} INTERFACE WEFT_BPF_DIR="${dir}")
endfunction()
