# caldera_test(NAME SOURCES sources... USES targets... [LABELS labels...] [TIMEOUT seconds] [ENVIRONMENT vars...] [WHOLE])
# One GoogleTest program, every test of it known to CTest; with WHOLE the program is one test, for programs that share
# what is costly to set up (a device and its compiled kernels).
function(caldera_test name)
  cmake_parse_arguments(ARG "WHOLE" "TIMEOUT" "SOURCES;USES;LABELS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE caldera_options ${ARG_USES} GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE CALDERA_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  if(ARG_WHOLE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                                            ENVIRONMENT "${ARG_ENVIRONMENT}")
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${ARG_TIMEOUT}
                         LABELS "${ARG_LABELS}" ENVIRONMENT "${ARG_ENVIRONMENT}")
  endif()
endfunction()
