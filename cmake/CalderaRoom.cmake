# caldera_room(NAME SOURCES sources... [USES targets...] [LIBRARIES targets...])
# One room of src/ as the static library caldera_NAME. USES are other rooms (the arrows of docs/architecture.md);
# LIBRARIES are third-party targets only its sources see. libcaldera is put together from the rooms in src/CMakeLists.txt.
function(caldera_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(caldera_${name} STATIC ${ARG_SOURCES})
  add_library(Caldera::${name} ALIAS caldera_${name})
  target_link_libraries(caldera_${name} PUBLIC ${ARG_USES} PRIVATE caldera_options ${ARG_LIBRARIES})
  target_include_directories(caldera_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
endfunction()
