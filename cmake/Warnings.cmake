# caldera_options: the warnings (all of them errors) every target of ours is compiled with.
add_library(caldera_options INTERFACE)
target_compile_options(caldera_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror)
target_include_directories(caldera_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../include> $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/../src>)
