# thex_refresh_seam(name): puts support/refresh_seam.cc between the test and the masked refresh. GNU ld and lld send what other files call by these names
# to __wrap_NAME, which reaches the library as __real_NAME; a name that is no longer there does not link.
function(thex_refresh_seam name)
  if(TARGET ${name})
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/support/refresh_seam.cc")
    target_link_options(${name} PRIVATE
      -Wl,--wrap=_ZN4thex4ckks16mask_for_refreshERKNS0_7ContextERKNS0_10CiphertextENS0_5LevelERKNS0_14EvaluationKeysERNS_4ring4PrngE
      -Wl,--wrap=_ZN4thex4ckks11rerandomiseERKNS0_7ContextERNS0_10CiphertextERKNS0_14EvaluationKeysEmRNS_4ring4PrngE)
  endif()
endfunction()
