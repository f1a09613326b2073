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

// Sets a variable of the environment unless the user did; whether it did.
bool set_default(const char* name, const char* value) {
  return std::getenv(name) == nullptr && setenv(name, value, 0) == 0;
}

// OpenBLAS chooses its kernels when it is loaded, by the processor's model, and takes slow generic ones for models
// newer than itself (4 times slower matrix products were measured).
const char* blas_kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

// What the libraries below read when they are loaded, so the program sets it and starts again: OpenBLAS's kernels, by
// instruction set; no threads of its own, which would stand in the way of ours (workers.h); OpenMP's sleep between two
// operations rather than spin; and large tensors come from memory that stays the program's, since fetching it from the
// system and clearing it for every tensor took half of a training's time.
void prepare_libraries(char** argv) {
  bool again = set_default("OPENBLAS_NUM_THREADS", "1");
  again |= set_default("OMP_WAIT_POLICY", "PASSIVE");
  again |= set_default("MALLOC_MMAP_THRESHOLD_", "33554432");
  again |= set_default("MALLOC_TRIM_THRESHOLD_", "1073741824");
  again |= set_default("MALLOC_ARENA_MAX", "1");  // or every thread keeps some
  again |= set_default("MALLOC_TOP_PAD_", "33554432");
  if (const char* kernels = blas_kernels(); kernels != nullptr) again |= set_default("OPENBLAS_CORETYPE", kernels);
  if (again) execv("/proc/self/exe", argv);  // on failure: go on as we are
}

}  // namespace

int main(int argc, char** argv) {
  thex::cli::start_process();
  prepare_libraries(argv);
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
