# The kernels of every instruction set, added to thex_ring: one library with it, because they read its tables (ntt.h) and it makes these
# tables for them. Source properties hold in the folder that sets them, so this file is included there.
function(thex_kernels)
  cmake_parse_arguments(ARG "" "" "SOURCES;TABLE;OPTIONS" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/simd/")
  list(TRANSFORM ARG_TABLE PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/simd/")
  target_sources(thex_ring PRIVATE ${ARG_SOURCES} ${ARG_TABLE})
  set_source_files_properties(${ARG_SOURCES} PROPERTIES COMPILE_OPTIONS "${ARG_OPTIONS}")
endfunction()

# Aligned: the short loop of `permute` took up to a third longer, and a linear transform 2 %, where the linker happened to put it badly.
thex_kernels(SOURCES fft_portable.cc kernels_portable.cc OPTIONS -O3 -falign-functions=64 -falign-loops=32)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Instruction sets are chosen at run time (dispatch.cc), so only these files may use them, and not the tables of functions beside them.
  # Explicit flags instead of -march=native: the binary does not depend on the builder's processor. g++ 12 warns about its own intrinsics.
  set(gnu_quiet "$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
  # -ffp-contract=off: the exact products rely on which operations are fused.
  thex_kernels(SOURCES base_conversion_avx2.cc fft_avx2.cc kernels_avx2.cc ntt_avx2.cc TABLE avx2_table.cc
    OPTIONS -O3 -mtune=haswell -mavx2 -mfma -ffp-contract=off ${gnu_quiet})
  thex_kernels(SOURCES base_conversion_avx512ifma.cc fft_avx512.cc kernels_avx512ifma.cc ntt_forward_avx512ifma.cc ntt_inverse_avx512ifma.cc
                       ntt_inverse_lazy_avx512ifma.cc
    TABLE avx512ifma_table.cc
    OPTIONS -O3 -mtune=icelake-server -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx512ifma ${gnu_quiet})
  target_compile_definitions(thex_ring PRIVATE THEX_RING_HAS_AVX2 THEX_RING_HAS_AVX512IFMA)
endif()
