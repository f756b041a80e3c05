# Installs the build in BUILD into FOLDER, builds the example in EXAMPLES against it and nothing else of the tree, and
# has it answer with the model MODEL.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN} ended with ${status}:\n${output}")
  endif()
  message(STATUS "${output}")
endfunction()

file(REMOVE_RECURSE ${FOLDER}/prefix ${FOLDER}/example)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/prefix)
run(${CMAKE_COMMAND} -S ${EXAMPLES} -B ${FOLDER}/example -G Ninja -D CMAKE_PREFIX_PATH=${FOLDER}/prefix
    -D CMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${FOLDER}/example)
run(${FOLDER}/example/caldera_hello ${MODEL} "hello")
