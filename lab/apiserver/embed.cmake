# Writes OUT, a C++ file that defines the texts types/*: cmake -DOUT=... -DDIR=... -P embed.cmake
set(content "namespace weft::lab::api {\n")
foreach(pair "meta.types;kMetaTypes" "core.types;kCoreTypes" "rest.types;kRestTypes" "protobuf.table;kProtobufTable")
  list(GET pair 0 file)
  list(GET pair 1 name)
  file(READ ${DIR}/${file} text)
  string(APPEND content "extern const char* const ${name};\nconst char* const ${name} = R\"WEFT(${text})WEFT\";\n")
endforeach()
file(WRITE ${OUT} "${content}}  // namespace weft::lab::api\n")
