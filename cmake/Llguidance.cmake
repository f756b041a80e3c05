# llguidance, as script/fetch-llguidance leaves it: the target Llguidance::llguidance, or none, and then answers cannot
# be held to a format. CALDERA_LLGUIDANCE names another folder with libcaldera_llguidance.a and llguidance.h.
set(CALDERA_LLGUIDANCE "" CACHE PATH "The folder of llguidance")
set(_folder "${CALDERA_LLGUIDANCE}")
if(NOT _folder)
  file(STRINGS ${PROJECT_SOURCE_DIR}/src/text/llguidance/Cargo.toml _version REGEX "^version = ")
  string(REGEX REPLACE "^version = \"(.*)\"$" "\\1" _version "${_version}")
  set(_cache "$ENV{XDG_CACHE_HOME}")
  if(NOT _cache)
    set(_cache "$ENV{HOME}/.cache")
  endif()
  set(_folder "${_cache}/caldera/llguidance/${_version}")
endif()
if(EXISTS ${_folder}/libcaldera_llguidance.a)
  add_library(Llguidance::llguidance STATIC IMPORTED GLOBAL)
  set_target_properties(Llguidance::llguidance PROPERTIES
    IMPORTED_LOCATION ${_folder}/libcaldera_llguidance.a
    INTERFACE_INCLUDE_DIRECTORIES ${_folder}
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
  message(STATUS "Constrained answers: llguidance in ${_folder}")
else()
  message(STATUS "Constrained answers: none, script/fetch-llguidance brings what they need")
endif()
