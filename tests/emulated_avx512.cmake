# The AVX-512 IFMA kernels on any processor: compiled once more with intrinsics computed in plain C++ (support/emulated_avx512/immintrin.h), for test
# programs only. Included by CMakeLists.txt.

# Objects, so that they are linked before the libraries: the linker then takes no kernels of that instruction set and no dispatch.cc from thex_ring.
file(GLOB emulated_kernels CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/thex/ring/simd/*avx512*.cc")
add_library(thex_emulated_avx512 OBJECT ${emulated_kernels} support/emulated_avx512/dispatch.cc
  support/emulated_avx512/intrinsics.cc)
target_include_directories(thex_emulated_avx512 BEFORE PRIVATE support/emulated_avx512)
target_compile_definitions(thex_emulated_avx512 PRIVATE THEX_RING_HAS_AVX512IFMA)
# Vectors are passed as plain structures; -O1 because every kernel is a long list of calls.
target_compile_options(thex_emulated_avx512 PRIVATE -Wno-psabi -O1)
target_link_libraries(thex_emulated_avx512 PRIVATE thex_flags)

# The known answers of the intrinsics themselves.
thex_test(emulated_avx512_test SOURCES emulated_avx512_test.cc support/emulated_avx512/intrinsics.cc DEPS thex_flags)
target_compile_options(emulated_avx512_test PRIVATE -Wno-psabi)

# thex_test_emulated(name): the test NAME once more, as NAME_emulated, of the same objects with the emulated kernels as the only ones but the portable.
function(thex_test_emulated name)
  get_target_property(libraries ${name} LINK_LIBRARIES)
  add_executable(${name}_emulated $<TARGET_OBJECTS:${name}> $<TARGET_OBJECTS:thex_emulated_avx512>)
  set_target_properties(${name}_emulated PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(${name}_emulated PRIVATE ${libraries})
endfunction()
# thex_run_emulated(test program label filter)
function(thex_run_emulated test program label filter)
  add_test(NAME ${test} COMMAND ${program} --gtest_filter=${filter})
  set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT 900 ENVIRONMENT THEX_ISA=avx512ifma)
endfunction()
foreach(test ring_test ckks_test ckks_run_test deep_model_test)
  thex_test_emulated(${test})
endforeach()
thex_run_emulated(ring_test_emulated ring_test_emulated fast *)
thex_run_emulated(ckks_run_test_emulated ckks_run_test_emulated fast *)
# The larger rings take five times as long as the others.
set(large "Answer.*:Keys.*:*n14*")
thex_run_emulated(ckks_test_emulated ckks_test_emulated fast "-${large}")
thex_run_emulated(ckks_test_emulated_large ckks_test_emulated slow "${large}")
# A whole query of four layers.
thex_run_emulated(deep_model_test_emulated deep_model_test_emulated slow *)
