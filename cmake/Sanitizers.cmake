# The `sanitize` preset: every memory error and every undefined operation ends the program.
if(CALDERA_SANITIZE)
  # -O1 and line numbers alone: the checks are the same, and compiling takes half as long as with -O2 -g.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's own manual: with -fsanitize its flow analysis reports variables of libstdc++ that are set.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()
