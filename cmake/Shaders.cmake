# Compiles GLSL to SPIR-V and puts it into a generated C++ table.
#
# The shader compiler is CALDERA_GLSLC, else the private one that script/bootstrap installs where the system's is too
# old for the matrix extensions, else the system's.
set(CALDERA_GLSLC "" CACHE FILEPATH "The glslc to compile kernels with")
set(_cache "$ENV{XDG_CACHE_HOME}")
if(NOT _cache)
  set(_cache "$ENV{HOME}/.cache")
endif()
set(_private_glslc "${_cache}/caldera/tools/glslc/bin/glslc")
if(CALDERA_GLSLC)
  set(GLSLC ${CALDERA_GLSLC})
elseif(EXISTS ${_private_glslc})
  set(GLSLC ${_private_glslc})
else()
  find_program(SYSTEM_GLSLC glslc REQUIRED)
  set(GLSLC ${SYSTEM_GLSLC})
endif()
execute_process(COMMAND ${GLSLC} --version OUTPUT_VARIABLE _version RESULT_VARIABLE _failed ERROR_QUIET)
if(_failed)
  message(FATAL_ERROR "the shader compiler ${GLSLC} does not run: set CALDERA_GLSLC to one that does")
endif()
string(REGEX MATCH "^[^\n]*" GLSLC_VERSION "${_version}")

# caldera_glslc_knows(VARIABLE EXTENSION WHAT): whether the compiler knows a GLSL extension, 1 or 0. In the cache, for
# the folders of tests too.
function(caldera_glslc_knows variable extension what)
  set(probe ${CMAKE_BINARY_DIR}/probe_${extension})
  file(WRITE ${probe}.comp "#version 460\n#extension ${extension} : require\nvoid main() {}\n")
  execute_process(COMMAND ${GLSLC} --target-env=vulkan1.3 ${probe}.comp -o ${probe}.spv RESULT_VARIABLE failed
                  OUTPUT_QUIET ERROR_QUIET)
  set(knows 1)
  if(failed)
    set(knows 0)
  endif()
  set(${variable} ${knows} CACHE INTERNAL "Whether ${what} are built")
endfunction()
caldera_glslc_knows(GLSLC_KNOWS_MATRICES GL_KHR_cooperative_matrix "kernels for matrix units")
caldera_glslc_knows(GLSLC_KNOWS_BFLOAT16 GL_EXT_bfloat16 "kernels for matrix units of bf16")
message(STATUS "Shader compiler: ${GLSLC} (${GLSLC_VERSION}), cooperative matrices: ${GLSLC_KNOWS_MATRICES}, "
               "of bf16: ${GLSLC_KNOWS_BFLOAT16}")

set(GLSLC_ERRORS "")
if(CALDERA_WARNINGS_AS_ERRORS)
  set(GLSLC_ERRORS -Werror)
endif()

# caldera_shader(LIST SOURCE NAME [DEFINES...]): compiles SOURCE as NAME and appends NAME to LIST. SOURCE may include
# the folder's *.glsl, and the files that CALDERA_SHADER_TABLES lists.
function(caldera_shader list source name)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/spirv/${name}.inc)
  file(GLOB_RECURSE includes CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.glsl)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${GLSLC} -O --target-env=vulkan1.3 ${GLSLC_ERRORS} ${ARGN} -mfmt=num ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${output}
    DEPENDS ${source} ${includes} ${CALDERA_SHADER_TABLES}
    COMMENT "Compiling kernel ${name}")
  set(${list} ${${list}} ${name} PARENT_SCOPE)
endfunction()

# caldera_shader_table(FILE NAMES...): the C++ source that holds them all, and its dependencies.
function(caldera_shader_table file)
  set(arrays "")
  set(rows "")
  set(depends "")
  foreach(name ${ARGN})
    string(APPEND arrays "const uint32_t k_${name}[] = {\n#include \"spirv/${name}.inc\"\n};\n")
    string(APPEND rows "    {\"${name}\", k_${name}},\n")
    list(APPEND depends ${CMAKE_CURRENT_BINARY_DIR}/spirv/${name}.inc)
  endforeach()
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/spirv)
  file(GENERATE OUTPUT ${file} CONTENT
"// Made by the build from the kernels.
#include \"kernels/shader_list.hpp\"

namespace {
${arrays}
const caldera::vulkan::Shader kShaders[] = {
${rows}};
}  // namespace

std::span<const caldera::vulkan::Shader> caldera::kernels::shader_list() { return kShaders; }
")
  set_property(SOURCE ${file} PROPERTY OBJECT_DEPENDS ${depends})
  set_property(SOURCE ${file} PROPERTY COMPILE_OPTIONS -I${CMAKE_CURRENT_BINARY_DIR})
endfunction()
