# caldera_options: the warnings (all of them errors) every target of ours is compiled with.
add_library(caldera_options INTERFACE)
target_compile_options(caldera_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror)
# GCC 12 sees overlapping copies in std::string where there are none (GCC bug 105651).
target_compile_options(caldera_options INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
target_include_directories(caldera_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../include> $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../src>)
