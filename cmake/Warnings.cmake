# Errors with the compilers that the project is tested with; a newer one may know warnings that should not keep a user
# from building.
set(_tested OFF)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13) OR
   (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15))
  set(_tested ON)
endif()
option(CALDERA_WARNINGS_AS_ERRORS "Let no warning pass" ${_tested})
set(_errors "")
if(CALDERA_WARNINGS_AS_ERRORS)
  set(_errors -Werror)
endif()

# caldera_options: the warnings (all of them errors) every target of ours is compiled with.
add_library(caldera_options INTERFACE)
target_compile_options(caldera_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers ${_errors})
# GCC 12 sees overlapping copies in std::string where there are none (GCC bug 105651).
target_compile_options(caldera_options INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
target_include_directories(caldera_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../include> $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../src>)
