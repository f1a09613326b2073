# cmake --install: the programs, the libraries and their headers, the embedded models, the licence and other people's, and a package for
# find_package(thex).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(thex_libraries
  thex_flags thex_base thex_ring thex_ckks thex_ckks_secret thex_circuit thex_circuit_library thex_circuit_run thex_circuit_secret thex_checkpoint thex_text thex_model thex_encoder_rows thex_encoder_the_x thex_encoder_polynomial thex_encoder thex_data
  thex_protocol thex_client thex_client_files thex_server thex_transport thex_transport_client thex_transport_server)
install(TARGETS ${thex_libraries} EXPORT thexTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY "${CMAKE_SOURCE_DIR}/thex" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h"
        PATTERN "cli" EXCLUDE PATTERN "measure" EXCLUDE PATTERN "convert" EXCLUDE
        PATTERN "ckks/detail" EXCLUDE PATTERN "ring/simd" EXCLUDE PATTERN "wiped.h" EXCLUDE PATTERN "draw_seed.h" EXCLUDE)

# thex runs the other two, so they are not in the path of a user.
install(TARGETS thex RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS thex-server RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/thex)
if(TARGET thex-convert)
  install(TARGETS thex-convert RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/thex)
endif()
install(DIRECTORY "${CMAKE_SOURCE_DIR}/models" DESTINATION ${CMAKE_INSTALL_DATADIR}/thex)
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" "${CMAKE_SOURCE_DIR}/THIRD_PARTY.md" "${CMAKE_SOURCE_DIR}/CITATION.cff" DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(thex_package ${CMAKE_INSTALL_LIBDIR}/cmake/thex)
install(EXPORT thexTargets NAMESPACE thex:: DESTINATION ${thex_package})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/thexConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_SOURCE_DIR}/cmake/thexConfig.cmake" "${CMAKE_BINARY_DIR}/thexConfigVersion.cmake"
        DESTINATION ${thex_package})
