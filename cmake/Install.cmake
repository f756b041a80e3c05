# cmake --install: the program, libcaldera, its headers, and what find_package(Caldera) reads.
include(CMakePackageConfigHelpers)
set(_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Caldera)
install(TARGETS caldera EXPORT CalderaTargets)
install(DIRECTORY include/caldera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT CalderaTargets NAMESPACE Caldera:: DESTINATION ${_package_folder} FILE CalderaConfig.cmake)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/CalderaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/CalderaConfigVersion.cmake DESTINATION ${_package_folder})
