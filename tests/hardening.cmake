# What the tests of behaviour do not see: secrets, instruction sets, allocations. Included by CMakeLists.txt.

# Secret-dependent branches and addresses, by valgrind's memcheck (which has no AVX-512). Instrumented binaries do not run under it.
find_path(VALGRIND_INCLUDE_DIR valgrind/memcheck.h)
find_program(VALGRIND_PROGRAM valgrind)
if(VALGRIND_INCLUDE_DIR AND VALGRIND_PROGRAM AND NOT THEX_SANITIZE)
  add_executable(secret_independence_test secret_independence_test.cc)
  target_include_directories(secret_independence_test SYSTEM PRIVATE "${VALGRIND_INCLUDE_DIR}")
  target_link_libraries(secret_independence_test PRIVATE thex_ckks_secret)
  target_link_options(secret_independence_test PRIVATE -Wl,--wrap=crypto_stream_chacha20_ietf_xor_ic)
  foreach(isa portable avx2)
    add_test(NAME secret_independence_test_${isa}
      COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/secret_independence_test.sh" "$<TARGET_FILE:secret_independence_test>")
    set_tests_properties(secret_independence_test_${isa} PROPERTIES LABELS fast TIMEOUT 300 ENVIRONMENT THEX_ISA=${isa})
  endforeach()
endif()

# Looks through the memory of the process, which the sanitizers arrange in their own way.
if(NOT THEX_SANITIZE)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
  thex_test(secret_wiping_test SOURCES secret_wiping_test.cc DEPS thex_ckks_secret PkgConfig::SODIUM)
  include("${CMAKE_SOURCE_DIR}/cmake/RefreshSeam.cmake")
  thex_test(mask_wiping_test SOURCES mask_wiping_test.cc DEPS thex_circuit_run thex_circuit_secret)
  thex_refresh_seam(mask_wiping_test)
endif()

# Sanitizers and coverage put weak symbols of their own into every object.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT THEX_SANITIZE AND NOT THEX_FUZZ)
  add_test(NAME kernel_objects_test COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/kernel_objects_test.sh" "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}"
    "${CMAKE_CXX_COMPILER}")
  set_tests_properties(kernel_objects_test PROPERTIES LABELS fast)
endif()
