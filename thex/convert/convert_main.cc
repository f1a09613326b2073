// thex-convert: turns a fine-tuned BERT-family classifier into an HE-friendly one (THE-X), or makes a small plain one.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "thex/base/error.h"
#include "thex/base/file_error.h"
#include "thex/base/printable.h"
#include "thex/cli/command.h"
#include "thex/cli/process_start.h"
#include "thex/convert/convert_cli.h"

namespace {

// OpenBLAS chooses its kernels when it is loaded, by the processor's model, and takes slow generic ones for models
// newer than itself (4 times slower matrix products were measured). Name the kernels by instruction set instead and
// start again; a choice of the user's stands. Its own threads would stand in the way of ours (workers.h), and OpenMP's
// are to sleep rather than spin between two operations.
void choose_blas_kernels(char** argv) {
#if defined(__x86_64__)
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) return;
  const char* kernels = nullptr;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    kernels = "SkylakeX";
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels = "Haswell";
  }
  if (kernels == nullptr) return;
  setenv("OPENBLAS_CORETYPE", kernels, 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
  execv("/proc/self/exe", argv);  // on failure: go on as we are
#else
  (void)argv;
#endif
}

}  // namespace

int main(int argc, char** argv) {
  thex::cli::start_process();
  choose_blas_kernels(argv);
  try {
    const bool plain = argc > 1 && std::strcmp(argv[1], "make-plain") == 0;
    const int status =
        plain ? thex::convert::run_make_plain(argc - 1, argv + 1) : thex::convert::run_convert(argc, argv);
    if (status == 0) thex::cli::end_output();
    return status;
  } catch (const thex::Error& e) {
    std::fprintf(stderr, "thex-convert: %s\n", thex::printable(e.what()).c_str());
    return thex::exit_status(e.code());
  } catch (const std::filesystem::filesystem_error& e) {
    std::fprintf(stderr, "thex-convert: %s\n", thex::printable(thex::file_error(e).what()).c_str());
    return thex::exit_status(thex::ErrorCode::file);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "thex-convert: out of memory; lower --batch or --max-length (checkpoints are kept)\n");
    return thex::exit_status(thex::ErrorCode::internal);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "thex-convert: internal error: %s\n", thex::printable(e.what()).c_str());
    return thex::exit_status(thex::ErrorCode::internal);
  }
}
