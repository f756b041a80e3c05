# caldera_room(NAME SOURCES sources... [USES targets...] [LIBRARIES targets...])
# One room of src/ as the static library caldera_NAME. USES are other rooms (the arrows of docs/architecture.md);
# LIBRARIES are third-party targets only its sources see. Rooms are installed and exported together.
function(caldera_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(caldera_${name} STATIC ${ARG_SOURCES})
  add_library(Caldera::${name} ALIAS caldera_${name})
  target_link_libraries(caldera_${name} PUBLIC ${ARG_USES} PRIVATE $<BUILD_INTERFACE:caldera_options> ${ARG_LIBRARIES})
  target_include_directories(caldera_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                             $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  set_target_properties(caldera_${name} PROPERTIES EXPORT_NAME ${name})
endfunction()
